package trace

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// A Level is how much of each packet is written.
type Level string

// The levels of -trace that write at all.
const (
	// Packets writes one line a packet.
	Packets Level = "packets"
	// Compare adds checksums and comparisons.
	Compare Level = "compare"
	// Explain adds the whole working, byte by byte.
	Explain Level = "explain"
)

// A Format is the form of what is written.
type Format string

// The formats.
const (
	Text Format = "text"
	JSON Format = "json"
)

const (
	// ringLen bounds the events between the packets' way and the writer, and
	// ringBytes what they carry with them: enough for a burst of a tenth of a
	// second at full speed.
	ringLen   = 1 << 14
	ringBytes = 32 << 20
	// chunk is how much the writer gathers before it writes, in bytes.
	chunk = 64 << 10
	// reportEvery is how often a loss is logged at most.
	reportEvery = time.Second
)

// A Recorder renders events and writes them to one output from a goroutine of
// its own. Between [NewRecorder] and [Recorder.Start] events queue up. It is
// safe for concurrent use.
type Recorder struct {
	level  Level
	render renderer
	out    io.Writer
	log    logrus.FieldLogger

	// ring carries events to the writer. It is never closed.
	ring chan event
	// bytes counts what the events in the ring carry.
	bytes atomic.Int64
	// lost counts the events that are not written and never will be.
	lost atomic.Uint64

	started atomic.Bool
	// quit is closed by Close, once, to end the writer.
	quit     chan struct{}
	quitOnce sync.Once
	// done is closed by the writer when it ends.
	done chan struct{}
	// summary is a copy that Close makes before it closes quit; the writer's
	// from then on.
	summary *Summary
	// err is why the end was not written. The writer sets it before it closes
	// done.
	err error

	mu sync.Mutex
	// The following are guarded by mu.
	taken     uint64 // events that the writer has and that are neither written nor lost
	abandoned bool   // Close has counted those as lost and gone on
}

var _ Tracer = (*Recorder)(nil)

// An event is one of its two.
type event struct {
	packet  *Packet
	compare *Comparison
}

// weight is what an event carries beside itself, in bytes.
func (e event) weight() int64 {
	if e.packet != nil {
		return int64(len(e.packet.Packet.Bytes))
	}
	return int64(len(e.compare.RequestBytes) + len(e.compare.ReplyByHand))
}

// A renderer appends the written form of an event to b.
type renderer interface {
	packet(b []byte, p *Packet) []byte
	compare(b []byte, c *Comparison) []byte
	summary(b []byte, s *Summary) []byte
}

// NewRecorder returns a recorder that writes to out, which stays the caller's
// to close. Losses are logged to log.
func NewRecorder(out io.Writer, level Level, format Format, log logrus.FieldLogger) (*Recorder, error) {
	r := &Recorder{
		level: level,
		out:   out,
		log:   log,
		ring:  make(chan event, ringLen),
		quit:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	switch level {
	case Packets, Compare, Explain:
	default:
		return nil, fmt.Errorf("make recorder: unknown level %q", level)
	}
	switch format {
	case Text:
		r.render = &textRenderer{level: level}
	case JSON:
		r.render = &jsonRenderer{level: level}
	default:
		return nil, fmt.Errorf("make recorder: unknown format %q", format)
	}
	return r, nil
}

// WantsBytes implements Tracer.
func (r *Recorder) WantsBytes() bool { return r.level == Explain }

// Packet implements Tracer.
func (r *Recorder) Packet(p Packet) { r.put(event{packet: &p}) }

// Compare implements Tracer.
func (r *Recorder) Compare(c Comparison) {
	if r.level != Packets {
		r.put(event{compare: &c})
	}
}

// put queues an event, or counts it as lost.
func (r *Recorder) put(e event) {
	w := e.weight()
	if r.bytes.Add(w) > ringBytes {
		r.bytes.Add(-w)
		r.lost.Add(1)
		return
	}
	select {
	case r.ring <- e:
	default:
		r.bytes.Add(-w)
		r.lost.Add(1)
	}
}

// Lost returns how many events were lost.
func (r *Recorder) Lost() uint64 { return r.lost.Load() }

// Start starts the writer.
func (r *Recorder) Start() {
	if r.started.CompareAndSwap(false, true) {
		go r.write()
	}
}

// Close writes what is queued, then the summary, and waits for that no longer
// than patience: an output that takes nothing must not keep the process from
// ending. What is not written by then is lost; the writer, if it is stuck in a
// write, is left behind and ends with it. The error says that the end of the
// trace is missing, and why.
//
// Close sets the summary's TraceLost, with an error too, and keeps nothing of
// it but its maps, which must not change any more. If the recorder was never
// started, it is now. What is recorded after Close is not written. A second
// Close waits for the same end.
func (r *Recorder) Close(s *Summary, patience time.Duration) error {
	r.Start()
	r.quitOnce.Do(func() {
		if s != nil {
			own := *s
			r.summary = &own
		}
		close(r.quit)
	})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var err error
	select {
	case <-r.done:
		if r.err != nil {
			err = fmt.Errorf("close trace: %w", r.err)
		}
	case <-timer.C:
		err = fmt.Errorf("close trace: the output did not take the rest within %v, %d events lost with it", patience, r.abandon())
	}
	if s != nil {
		s.TraceLost = r.Lost()
	}
	return err
}

// abandon counts all that is not written as lost, and returns how much that is.
func (r *Recorder) abandon() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.abandoned {
		return 0
	}
	r.abandoned = true
	n := r.taken
	for {
		select {
		case <-r.ring:
			n++
		default:
			r.lost.Add(n)
			return n
		}
	}
}

// take counts an event that the writer has taken.
func (r *Recorder) take() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken++
}

// settle ends the way of so many taken events. It reports whether the writer
// is to go on: not if Close has abandoned it, and counted them already.
func (r *Recorder) settle(written, lost uint64) (goOn bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.abandoned {
		return false
	}
	r.taken -= written + lost
	r.lost.Add(lost)
	return true
}
