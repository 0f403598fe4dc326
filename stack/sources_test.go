package stack

import (
	"net/netip"
	"testing"
)

// TestSourcesEmpty: once all connections are gone, nothing is kept of a crowd of them,
// and new ones find their place.
func TestSourcesEmpty(t *testing.T) {
	const crowd = 10 * ample
	s := newSources(limits{})
	s.total.Store(2 * crowd)
	l := &listener{sources: s}
	l.limit.Store(2 * crowd)
	s.join(l)
	source := netip.MustParsePrefix("192.0.2.1/32")
	for round := range 2 {
		var seats []*seat
		for range crowd {
			v, _, reason := s.place(l, nil, source)
			if v == nil {
				t.Fatalf("round %d: no place: %s", round, reason)
			}
			seats = append(seats, v)
		}
		s.places.waiting, l.places.waiting = seats[:9], seats[:9]
		for _, v := range seats {
			s.mu.Lock()
			s.give(v)
			s.mu.Unlock()
		}
		if s.most != 0 || s.places.waiting != nil || l.places.waiting != nil || len(s.open) != 0 || l.held.Load() != 0 {
			t.Errorf("round %d: kept of %d: %v, %v, %v, %d open", round, s.most, s.places, l.places, s.open, l.held.Load())
		}
	}
}
