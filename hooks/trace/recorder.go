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
// its own. Between [NewRecorder] and [Recorder.Start] events queue up.
type Recorder struct {
	level  Level
	render renderer
	out    io.Writer
	log    logrus.FieldLogger

	// ring carries events to the writer. It is never closed.
	ring chan event
	// bytes counts what the events in the ring carry.
	bytes atomic.Int64
	lost  atomic.Uint64

	// quit is closed by Close, once, to end the writer.
	quit     chan struct{}
	quitOnce sync.Once
	// done is closed by the writer when it ends.
	done    chan struct{}
	started atomic.Bool
	// summary is set before quit is closed, and read by the writer after.
	summary *Summary
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

// Close writes what is queued, then the summary, whose TraceLost it sets, and
// waits for that no longer than patience: an output that takes nothing must
// not keep the process from ending. What is not written by then is lost; the
// writer, if it is stuck in a write, is left behind, and Close says so.
func (r *Recorder) Close(s *Summary, patience time.Duration) error {
	if !r.started.Load() {
		return nil
	}
	r.quitOnce.Do(func() {
		r.summary = s
		close(r.quit)
	})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.done:
		return nil
	case <-timer.C:
		n := uint64(len(r.ring))
		r.lost.Add(n)
		return fmt.Errorf("close trace: the output took nothing for %v, at least %d events lost", patience, n)
	}
}

// write is the writer.
func (r *Recorder) write() {
	defer close(r.done)
	w := writer{recorder: r, next: time.Now()}
	for {
		select {
		case e := <-r.ring:
			w.add(e)
		case <-r.quit:
			w.drain()
			w.flush()
			if r.summary != nil {
				r.summary.TraceLost = r.Lost()
				w.buf = r.render.summary(w.buf, r.summary)
				w.flush()
			}
			w.report(true)
			return
		}
		w.drain()
		w.flush()
		w.report(false)
	}
}

// A writer is the state of the writing goroutine.
type writer struct {
	recorder *Recorder
	buf      []byte
	// events counts those in buf.
	events uint64
	// torn says that the last write ended within a line.
	torn bool
	// reported is the loss logged last, err the last error since then, next
	// the earliest time for another report.
	reported uint64
	err      error
	next     time.Time
}

func (w *writer) add(e event) {
	r := w.recorder
	r.bytes.Add(-e.weight())
	if e.packet != nil {
		w.buf = r.render.packet(w.buf, e.packet)
	} else {
		w.buf = r.render.compare(w.buf, e.compare)
	}
	w.events++
}

// drain renders what is queued, as much as one chunk takes at a time.
func (w *writer) drain() {
	for {
		select {
		case e := <-w.recorder.ring:
			w.add(e)
			if len(w.buf) >= chunk {
				w.flush()
			}
		default:
			return
		}
	}
}

// flush writes the buffer. If that fails, its events are lost, and the next
// write begins on a line of its own.
func (w *writer) flush() {
	if len(w.buf) == 0 {
		return
	}
	out := w.buf
	if w.torn {
		out = append([]byte{'\n'}, out...)
	}
	n, err := w.recorder.out.Write(out)
	if err != nil {
		w.recorder.lost.Add(w.events)
		w.err = err
		if n > 0 {
			w.torn = out[n-1] != '\n'
		}
	} else {
		w.torn = false
	}
	w.buf, w.events = w.buf[:0], 0
	if cap(w.buf) > 16*chunk {
		w.buf = nil
	}
}

// report logs what was lost since the last report, once a second at most.
func (w *writer) report(last bool) {
	lost := w.recorder.Lost()
	if lost == w.reported || !last && time.Now().Before(w.next) {
		return
	}
	entry := w.recorder.log.WithField("lost", lost-w.reported)
	if w.err != nil {
		entry = entry.WithError(w.err)
	}
	entry.Warn("trace events lost: the output is too slow or failed; the traffic is not affected")
	w.reported, w.err, w.next = lost, nil, time.Now().Add(reportEvery)
}
