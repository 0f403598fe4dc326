package stack

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// sources counts the TCP connections that are open, of all services and of each
// source, so that one cannot take the room of all others. It is safe for concurrent
// use, and holds no source that has no connection.
type sources struct {
	// limit is how many one source may have; 0 is as many as the services take.
	// total is how many there may be of all services.
	limit, total atomic.Int64

	mu sync.Mutex
	// The following are guarded by mu.
	open  map[netip.Prefix]int
	seats map[*seat]struct{}
	// most is how many seats there were at a time: the maps keep the room for all.
	most int
	// places are those to look for among all connections.
	places places
	// listeners are those whose connections these are.
	listeners []*listener
}

// ownShare is which part of all places each service keeps for itself: the others may
// not take them, however many they have.
const ownShare = 16

// kept is how many places other services keep than l. s.mu is held.
func (s *sources) kept(l *listener) (n int64) {
	share := s.total.Load() / ownShare
	for _, other := range s.listeners {
		if other != l {
			n += max(share-other.held.Load(), 0)
		}
	}
	return n
}

// join takes a listener in.
func (s *sources) join(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, l)
}

// leave takes a listener out: it gets no place any more, and keeps none for itself. Its
// connections have theirs.
func (s *sources) leave(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.ended.Store(true)
	s.listeners = slices.DeleteFunc(s.listeners, func(o *listener) bool { return o == l })
}

// evict takes the places of all connections of a listener that has left, counts them, and
// returns them for the caller to abort.
func (s *sources) evict(l *listener) (gone []*seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.seats {
		if v.listener == l {
			s.give(v)
			l.off.Add(1) // first: whoever sees the reset finds it counted
			gone = append(gone, v)
		}
	}
	return gone
}

func newSources(lim limits) *sources {
	s := &sources{open: map[netip.Prefix]int{}, seats: map[*seat]struct{}{}}
	s.setLimits(lim)
	return s
}

func (s *sources) setLimits(lim limits) {
	s.limit.Store(int64(lim.perSource))
	s.total.Store(int64(lim.all()))
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

// take gives a connection of a listener its place, which another may have to give
// way for, or says for which reason there is none.
func (s *sources) take(l *listener, ep tcpip.Endpoint) (*seat, string) {
	v, gone, reason := s.place(l, ep, sourceOf(remoteAddr(ep)))
	for _, g := range gone {
		if g != nil {
			// Whoever serves it finds out.
			g.ep.Abort()
		}
	}
	return v, reason
}

// place finds the place, and those who gave way.
func (s *sources) place(l *listener, ep tcpip.Endpoint, source netip.Prefix) (_ *seat, gone [2]*seat, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.ended.Load() {
		return nil, gone, DropServiceOff
	}
	if limit := s.limit.Load(); limit > 0 && int64(s.open[source]) >= limit {
		return nil, gone, DropSourceLimit
	}
	if l.held.Load() >= l.limit.Load() {
		if gone[0] = s.giveWay(&l.places, l, source, l.patience); gone[0] == nil {
			return nil, gone, DropConnectionLimit
		}
	}
	if int64(len(s.seats))+s.kept(l) >= s.total.Load() {
		if gone[1] = s.giveWay(&s.places, nil, source, l.patience); gone[1] == nil {
			return nil, gone, DropTotalLimit
		}
	}
	v := &seat{listener: l, ep: ep, source: source, crowd: len(s.seats) >= ample, idle: time.Duration(l.idle.Load())}
	v.active.Store(int64(time.Since(epoch)))
	s.seats[v] = struct{}{}
	s.most = max(s.most, len(s.seats))
	s.open[source]++
	l.held.Add(1)
	return v, gone, ""
}

// give takes a place back, once. s.mu is held.
func (s *sources) give(v *seat) {
	if v.given {
		return
	}
	v.given = true
	delete(s.seats, v)
	v.listener.held.Add(-1)
	if s.open[v.source]--; s.open[v.source] <= 0 {
		delete(s.open, v.source)
	}
	if len(s.seats) == 0 && s.most > ample {
		s.open, s.seats, s.most = map[netip.Prefix]int{}, map[*seat]struct{}{}, 0
		// Those who might have given way are gone, and their endpoints are to be too.
		s.places.waiting = nil
		for _, l := range s.listeners {
			l.places.waiting = nil
		}
	}
}
