package stack

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

const (
	// progress is how many bytes a connection has to move to count as making
	// progress: a byte now and then keeps it from being idle, and no more.
	progress = 1 << 10
	// rescan is how long after a search for somebody to give way the next one may
	// be, if it has found few.
	rescan = 100 * time.Millisecond
	// found bounds how many a search finds for later, beside a part of all.
	found = 64
)

// epoch is what times of progress are counted from.
var epoch = time.Now()

// A seat is the place of one TCP connection among those that the services may have.
// Where there is no place left, a connection gives its own to a new one if it has
// made no progress for limits.patience, or if its source has more than twice as many
// as the new one's: of those, one of the source that has the most, and there the one
// that has been longest without progress. So who holds connections and does nothing
// with them, a byte a minute, keeps nobody out, nor does who takes them all.
type seat struct {
	listener *listener
	ep       tcpip.Endpoint
	// served is the endpoint for whom next has given the seat.
	served tcpip.Endpoint
	source netip.Prefix
	// crowd says that there were many when it came; idle is how long it may make no
	// progress at all.
	crowd bool
	idle  time.Duration

	// moved counts bytes since the last progress, which was at active, in nanoseconds
	// from epoch.
	moved, active atomic.Int64

	// given says that the place is another's. It is guarded by sources.mu.
	given bool
}

// move notes that the connection has moved n bytes. It is safe for concurrent use.
func (s *seat) move(n int) {
	if s.moved.Add(int64(n)) >= progress {
		s.moved.Store(0)
		s.active.Store(int64(time.Since(epoch)))
	}
}

// release gives the place back, if the connection has it yet.
func (s *seat) release() {
	all := s.listener.sources
	all.mu.Lock()
	defer all.mu.Unlock()
	all.give(s)
	s.listener.calm()
}

// places says where to look for a place: among all connections, or those of one
// listener.
type places struct {
	// waiting are those that may give way, the next one last; the next search is not
	// before then, but for a source that is small beside the largest of the last one.
	waiting []*seat
	then    time.Duration
	largest int
}

// giveWay has one of the connections of a listener, or of all if that is nil, give
// its place to one of source, and returns it, for the caller to abort, or nil. s.mu is
// held.
func (s *sources) giveWay(p *places, of *listener, source netip.Prefix, patience time.Duration) *seat {
	now := time.Since(epoch)
	mine := s.open[source] + 1
	may := func(v *seat) bool {
		return !v.given && !v.listener.stays && (of == nil || v.listener == of) &&
			(now-time.Duration(v.active.Load()) >= patience || s.open[v.source] > 2*mine)
	}
	for {
		for n := len(p.waiting); n > 0; n = len(p.waiting) {
			v := p.waiting[n-1]
			p.waiting[n-1], p.waiting = nil, p.waiting[:n-1]
			if may(v) {
				s.give(v)
				v.listener.gaveWay.Add(1) // first: whoever sees the reset finds it counted
				return v
			}
		}
		if now < p.then && p.largest <= 2*mine {
			return nil
		}
		p.largest = 0
		for v := range s.seats {
			if of == nil || v.listener == of {
				p.largest = max(p.largest, s.open[v.source])
			}
			if may(v) {
				p.waiting = append(p.waiting, v)
			}
		}
		most := max(found, len(s.seats)/16)
		if len(p.waiting) < most {
			p.then = now + rescan
		}
		if len(p.waiting) == 0 {
			return nil
		}
		slices.SortFunc(p.waiting, func(a, b *seat) int {
			if d := s.open[a.source] - s.open[b.source]; d != 0 {
				return d
			}
			return int(min(max(b.active.Load()-a.active.Load(), -1), 1))
		})
		if len(p.waiting) > most {
			// A copy: the rest is not to be kept.
			p.waiting = slices.Clone(p.waiting[len(p.waiting)-most:])
		}
	}
}
