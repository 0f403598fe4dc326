package stack

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// sources counts the TCP connections that are open from each source, over all
// services, so that one cannot take the room of all others. It is safe for
// concurrent use, and holds no source that has no connection.
type sources struct {
	// limit is how many one source may have; 0 is as many as the services take.
	limit atomic.Int64

	mu   sync.Mutex
	open map[netip.Prefix]int // guarded by mu
}

// sourceOf is who counts as one: an IPv4 address, or the /64 of an IPv6 address,
// of which one host has as many addresses as it likes (RFC 4291 section 2.5.4).
func sourceOf(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // the zero Prefix for no address
	return p
}

// take counts one more, unless that is one too many.
func (s *sources) take(source netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit := s.limit.Load(); limit > 0 && int64(s.open[source]) >= limit {
		return false
	}
	s.open[source]++
	return true
}

// give counts one less.
func (s *sources) give(source netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[source]--; s.open[source] <= 0 {
		delete(s.open, source)
	}
}
