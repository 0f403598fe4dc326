package capture

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// ringLen bounds the events between the packets' way and the writer, and
	// ringBytes what they carry with them.
	ringLen   = 1 << 14
	ringBytes = 32 << 20
)

// A ring is the bounded way of events from where packets pass to the one
// goroutine that writes them, with an account of them: each event put in ends
// as written or as lost, exactly once. It is safe for concurrent use; what is
// said to be the writer's is for its goroutine alone.
type ring[E any] struct {
	// weigh says what an event carries beside itself, in bytes.
	weigh func(E) int64
	// events is never closed.
	events chan E
	// bytes counts what the events in the ring carry.
	bytes atomic.Int64
	// lost counts the events that are not written and never will be.
	lost atomic.Uint64

	started atomic.Bool
	// shut says that nobody takes events any more.
	shut atomic.Bool
	// quit is closed by close, once, to end the writer.
	quit     chan struct{}
	quitOnce sync.Once
	// done is closed by the writer when it ends.
	done chan struct{}

	mu sync.Mutex
	// The following are guarded by mu.
	taken     uint64 // events that the writer has and that are neither written nor lost
	abandoned bool   // close has counted those as lost and gone on
}

func newRing[E any](weigh func(E) int64) *ring[E] {
	return &ring[E]{
		weigh:  weigh,
		events: make(chan E, ringLen),
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
	}
}

// put queues an event, or counts it as lost. It never blocks.
func (r *ring[E]) put(e E) {
	w := r.weigh(e)
	if r.shut.Load() || r.bytes.Add(w) > ringBytes {
		r.bytes.Add(-w)
		r.lost.Add(1)
		return
	}
	select {
	case r.events <- e:
		if r.shut.Load() {
			// Perhaps too late for the last sweep.
			r.sweep()
		}
	default:
		r.bytes.Add(-w)
		r.lost.Add(1)
	}
}

// start runs write in a goroutine, once: it takes events until quit is closed,
// and what is left then.
func (r *ring[E]) start(write func()) {
	if !r.started.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer close(r.done)
		write()
		r.shut.Store(true)
		r.sweep()
	}()
}

// take is the writer's, for each event that it has received. It reports
// whether the writer is to go on: not if close has abandoned it, and then the
// event is lost.
func (r *ring[E]) take(e E) (goOn bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes.Add(-r.weigh(e))
	if r.abandoned {
		r.lost.Add(1)
		return false
	}
	r.taken++
	return true
}

// settle is the writer's. It ends the way of so many taken events, and reports
// whether the writer is to go on: not if close has abandoned it, and counted
// them already.
func (r *ring[E]) settle(written, lost uint64) (goOn bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.abandoned {
		return false
	}
	r.taken -= written + lost
	r.lost.Add(lost)
	return true
}

// close ends the writer, which must have been started, and waits for it no
// longer than patience. If it did not end by then, it is abandoned: all that
// it has not written is lost, which close returns as the number abandoned.
func (r *ring[E]) close(patience time.Duration) (abandoned uint64, ended bool) {
	r.quitOnce.Do(func() { close(r.quit) })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.done:
		return 0, true
	case <-timer.C:
		return r.abandon(), false
	}
}

// abandon counts all that is not written as lost, and returns how much that is.
func (r *ring[E]) abandon() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.abandoned {
		return 0
	}
	r.abandoned = true
	r.shut.Store(true)
	r.lost.Add(r.taken)
	return r.taken + r.sweep()
}

// sweep counts what is queued as lost, and returns how much that is.
func (r *ring[E]) sweep() (n uint64) {
	for {
		select {
		case <-r.events:
			n++
			r.lost.Add(1)
		default:
			return n
		}
	}
}
