package trace

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/hooks/trace/ring"
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

// chunk is how much the writer gathers before it writes, in bytes.
const chunk = 64 << 10

// A Recorder renders events and writes them to one output from a goroutine of
// its own. Between [NewRecorder] and [Recorder.Start] events queue up. It is
// safe for concurrent use.
type Recorder struct {
	level  Level
	render renderer
	out    io.Writer
	log    logrus.FieldLogger
	ring   *ring.Ring[event]
	// packets and comparisons recycle the events, which are large and many: the
	// writer gives them back.
	packets, comparisons sync.Pool

	// ending guards the making of summary, which the first Close does.
	ending sync.Once
	// summary is a copy that Close makes before it ends the writer; the
	// writer's from then on.
	summary *Summary
	// err is why the end was not written. The writer sets it before it ends.
	err error
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
	return NewSizedRecorder(out, level, format, ring.Size{Len: ring.Len, Bytes: ring.Bytes}, log)
}

// NewSizedRecorder is NewRecorder with a ring of a size of its own.
func NewSizedRecorder(out io.Writer, level Level, format Format, size ring.Size, log logrus.FieldLogger) (*Recorder, error) {
	r := &Recorder{level: level, out: out, log: log, ring: ring.NewSized(size, event.weight)}
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

// WantsWorking implements Tracer.
func (r *Recorder) WantsWorking() bool { return r.level == Explain }

// Packet implements Tracer.
func (r *Recorder) Packet(p *Packet) {
	own, ok := r.packets.Get().(*Packet)
	if !ok {
		own = new(Packet)
	}
	*own = *p
	r.ring.Put(event{packet: own})
}

// Compare implements Tracer.
func (r *Recorder) Compare(c *Comparison) {
	if r.level == Packets {
		return
	}
	own, ok := r.comparisons.Get().(*Comparison)
	if !ok {
		own = new(Comparison)
	}
	*own = *c
	r.ring.Put(event{compare: own})
}

// Room reports whether an event that carries so many bytes would not be lost now.
func (r *Recorder) Room(bytes int) bool { return r.ring.Room(bytes) }

// Lose counts an event as lost that was not recorded, for want of room say.
func (r *Recorder) Lose() { r.ring.Lose() }

// Lost returns how many events were lost.
func (r *Recorder) Lost() uint64 { return r.ring.Lost() }

// Start starts the writer.
func (r *Recorder) Start() {
	r.ring.Start(func() {
		w := writer{recorder: r, report: ring.Report{
			Log: r.log, Message: "trace events lost: the output is too slow or failed; the traffic is not affected",
		}}
		w.run()
	})
}

// Close writes what is queued, then the summary, and waits for that no longer
// than patience: an output that takes nothing must not keep the process from
// ending. What is not written by then is lost; the writer, if it is stuck in a
// write, is left behind and ends with it. The error says that the end of the
// trace is missing, and why.
//
// Close adds what was lost to the summary's TraceLost, with an error too, and keeps
// nothing of it but its maps, which must not change any more. If the recorder was never
// started, it is now. What is recorded after Close is lost. A second Close
// waits for the same end.
func (r *Recorder) Close(s *Summary, patience time.Duration) error {
	r.Start()
	r.ending.Do(func() {
		if s != nil {
			own := *s
			r.summary = &own
		}
	})
	abandoned, ended := r.ring.Close(patience)
	var err error
	switch {
	case !ended:
		err = fmt.Errorf("close trace: %w within %v, %d events lost with it", ring.ErrAbandoned, patience, abandoned)
	case r.err != nil:
		err = fmt.Errorf("close trace: %w", r.err)
	}
	if s != nil {
		s.TraceLost += r.Lost()
	}
	return err
}
