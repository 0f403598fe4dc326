package ring

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Len bounds the events between the packets' way and the writer, and Bytes
	// what they carry with them: enough for a burst of a tenth of a second at
	// full speed.
	Len   = 1 << 14
	Bytes = 32 << 20
)

// gather is how long the writer lets events pile up before it takes more: to be
// woken for each would cost more than to write it, and cost it the packets' way.
// The ring has room for what comes in that time many times over.
const gather = 500 * time.Microsecond

// The writer may share a core with the packets' way, and the scheduler would leave
// it there for 10 ms. So it lets others run every few events, which take it some
// 20 µs; when the ring fills, it takes more at a time, or it would never keep up.
const (
	polite  = 16
	pressed = 256
	filling = 4 // a part of the ring
)

// ErrAbandoned is behind the error of who closes a ring whose writer did not end
// in time.
var ErrAbandoned = errors.New("the output did not take the rest")

// A Size bounds a ring.
type Size struct {
	Len   int   // events
	Bytes int64 // what they carry beside themselves
}

// A Ring is the bounded way of events from where packets pass to the one
// goroutine that writes them, with an account of them: each event put in ends
// as written or as lost, exactly once. It is safe for concurrent use; what is
// said to be the writer's is for its goroutine alone.
type Ring[E any] struct {
	// weigh says what an event carries beside itself, in bytes, and most how much
	// of that there may be.
	weigh func(E) int64
	most  int64
	// Events is the writer's to receive from; it is never closed.
	Events chan E
	// bytes counts what the events in the ring carry.
	bytes atomic.Int64
	// lost counts the events that are not written and never will be.
	lost atomic.Uint64

	// gathering is the timer of Gather.
	gathering *time.Timer
	// turn counts what Take has taken since it let others run.
	turn uint

	started atomic.Bool
	// shut says that nobody takes events any more.
	shut atomic.Bool
	// Quit is closed by Close, once, to end the writer.
	Quit     chan struct{}
	quitOnce sync.Once
	// done is closed by the writer when it ends.
	done chan struct{}

	mu sync.Mutex
	// The following are guarded by mu.
	taken     uint64 // events that the writer has and that are neither written nor lost
	abandoned bool   // Close has counted those as lost and gone on
}

// New returns a ring for events of which weigh says what each carries beside
// itself, in bytes.
func New[E any](weigh func(E) int64) *Ring[E] { return NewSized(Size{Len, Bytes}, weigh) }

// NewSized is New for another size than [Len] and [Bytes].
func NewSized[E any](size Size, weigh func(E) int64) *Ring[E] {
	return &Ring[E]{
		weigh:  weigh,
		most:   size.Bytes,
		Events: make(chan E, size.Len),
		Quit:   make(chan struct{}),
		done:   make(chan struct{}),

		gathering: time.NewTimer(gather),
	}
}

// Put queues an event, or counts it as lost. It never blocks.
func (r *Ring[E]) Put(e E) {
	if r.shut.Load() {
		r.lost.Add(1)
		return
	}
	w := r.weigh(e)
	if r.bytes.Add(w) > r.most {
		r.bytes.Add(-w)
		r.lost.Add(1)
		return
	}
	select {
	case r.Events <- e:
		if r.shut.Load() {
			// Perhaps too late for the last sweep.
			r.sweep()
		}
	default:
		r.bytes.Add(-w)
		r.lost.Add(1)
	}
}

// Room reports whether there is room for an event that carries so many bytes.
func (r *Ring[E]) Room(bytes int) bool {
	return len(r.Events) < cap(r.Events) && r.bytes.Load()+int64(bytes) <= r.most
}

// Lose counts an event as lost that is not put in.
func (r *Ring[E]) Lose() { r.lost.Add(1) }

// Lost returns how many events were lost.
func (r *Ring[E]) Lost() uint64 { return r.lost.Load() }

// Start runs write in a goroutine, once: it takes events until Quit is closed,
// and what is left then.
func (r *Ring[E]) Start(write func()) {
	if !r.started.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer close(r.done)
		write()
		r.gathering.Stop()
		r.shut.Store(true)
		r.sweep()
	}()
}

// Gather is the writer's, after it has written what there was. It returns a
// moment later, or at once when the writer is to end.
func (r *Ring[E]) Gather() {
	r.gathering.Reset(gather)
	select {
	case <-r.gathering.C:
	case <-r.Quit:
	}
}

// Take is the writer's, for each event that it has received. It reports
// whether the writer is to go on: not if Close has abandoned it, and then the
// event is lost.
func (r *Ring[E]) Take(e E) (goOn bool) {
	if r.turn++; r.turn >= pressed || r.turn >= polite && len(r.Events) < cap(r.Events)/filling {
		r.turn = 0
		runtime.Gosched()
	}
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

// Settle is the writer's. It ends the way of so many taken events, and reports
// whether the writer is to go on: not if Close has abandoned it, and counted
// them already.
func (r *Ring[E]) Settle(written, lost uint64) (goOn bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.abandoned {
		return false
	}
	r.taken -= written + lost
	r.lost.Add(lost)
	return true
}

// Close ends the writer, which must have been started, and waits for it no
// longer than patience. If it did not end by then, it is abandoned: all that
// it has not written is lost, which Close returns as the number abandoned.
func (r *Ring[E]) Close(patience time.Duration) (abandoned uint64, ended bool) {
	r.quitOnce.Do(func() { close(r.Quit) })
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
func (r *Ring[E]) abandon() uint64 {
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
func (r *Ring[E]) sweep() (n uint64) {
	for {
		select {
		case <-r.Events:
			n++
			r.lost.Add(1)
		default:
			return n
		}
	}
}
