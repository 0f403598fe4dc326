package capture

import (
	"bytes"
	"fmt"
	"runtime"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/sirupsen/logrus"

	"netstackd/hooks/trace"
	"netstackd/hooks/trace/ring"
)

// Config says what a Recorder writes, and where. Path and Log are required.
type Config struct {
	// Path is the file's; "-" is standard output, which is not closed. A
	// named pipe must have its reader. A file gets the mode 0600, and what
	// was in it is gone.
	Path string
	// Rotate is the size in bytes past which a file is closed and the next
	// begun, at a packet's end; zero means one file. The files after f.pcapng
	// are f.1.pcapng, f.2.pcapng and so on; those of an earlier run are
	// overwritten.
	Rotate int64
	// Append goes on behind what is in the file, with a section of its own (draft-ietf-opsawg-pcapng
	// §4.1), and when files rotate, with the first number that has no file.
	Append bool
	// Keep is how many files to keep when they rotate, the latest ones; zero
	// means all.
	Keep int
	// Device is the interface's name in the capture.
	Device string
	// Version is that of this program, for the capture to name.
	Version string
	Log     logrus.FieldLogger
}

// A Recorder writes packets, with what the hooks found out about them, to a
// pcapng capture from a goroutine of its own. Between [Open] and
// [Recorder.Start] events queue up. It is safe for concurrent use.
type Recorder struct {
	ring *ring.Ring[event]
	log  logrus.FieldLogger
	// writer is its goroutine's from Start on, but for end: why the end of
	// the capture is missing, set before the goroutine ends.
	writer *writer
}

var _ trace.Tracer = (*Recorder)(nil)

// An event is one of its two.
type event struct {
	packet  *trace.Packet
	compare *trace.Comparison
}

// weight is what an event carries beside itself, in bytes.
func (e event) weight() int64 {
	if e.packet == nil {
		return 0
	}
	return int64(len(e.packet.Packet.Bytes))
}

// Open creates the capture and writes its header, so that whoever reads it
// knows at once what is coming.
func Open(cfg Config) (*Recorder, error) {
	make := createFile
	if cfg.Append {
		make = appendFile
	}
	return open(cfg, Stream{Ring: ring.Size{Len: ring.Len, Bytes: ring.Bytes}}, make)
}

func open(cfg Config, s Stream, create create) (*Recorder, error) {
	header, ng, buf, err := newBlocks(cfg, s)
	if err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	files, err := newFiles(cfg, header, create)
	if err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	r := &Recorder{ring: ring.NewSized(s.Ring, event.weight), log: cfg.Log}
	r.writer = &writer{ring: r.ring, log: cfg.Log, files: files, ng: ng, buf: buf, begun: time.Now(), snap: snapOf(s),
		report: ring.Report{Log: cfg.Log, Message: "capture events lost: the output is too slow or failed; the traffic is not affected"}}
	return r, nil
}

// snapOf is how many bytes of a packet are written at most.
func snapOf(s Stream) int {
	if s.Snap > 0 {
		return min(s.Snap, maxPacket)
	}
	return maxPacket
}

// newBlocks returns the blocks that every file begins with, and a writer of
// further blocks to buf.
func newBlocks(cfg Config, s Stream) (header []byte, ng *pcapgo.NgWriter, buf *bytes.Buffer, err error) {
	buf = new(bytes.Buffer)
	ng, err = pcapgo.NewNgWriterInterface(buf, pcapgo.NgInterface{
		Name:                clean(cfg.Device),
		Description:         "TUN device; packets begin with the IP header; inbound is kernel to netstack",
		OS:                  runtime.GOOS,
		LinkType:            layers.LinkTypeRaw,
		TimestampResolution: 9,
		Filter:              clean(s.Filter),
		SnapLength:          uint32(s.Snap),
	}, pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{
		Hardware:    runtime.GOARCH,
		OS:          runtime.GOOS,
		Application: clean("netstackd " + cfg.Version),
		Comment:     clean(s.Comment),
	}})
	if err == nil {
		err = ng.Flush()
	}
	if err != nil {
		return nil, nil, nil, err
	}
	header = bytes.Clone(buf.Bytes())
	buf.Reset()
	return header, ng, buf, nil
}

// WantsBytes implements trace.Tracer.
func (*Recorder) WantsBytes() bool { return true }

// WantsWorking implements trace.Tracer: a capture has no room for it.
func (*Recorder) WantsWorking() bool { return false }

// Packet implements trace.Tracer. It keeps the bytes, and does not change them.
func (r *Recorder) Packet(p *trace.Packet) {
	own := *p
	r.ring.Put(event{packet: &own})
}

// Compare implements trace.Tracer.
func (r *Recorder) Compare(c *trace.Comparison) {
	own := *c
	own.RequestBytes, own.ReplyByHand = nil, nil
	r.ring.Put(event{compare: &own})
}

// Rotate changes the size in bytes past which the next file is begun; 0 is never. It
// is an error for what cannot be rotated, which Open would refuse as well.
func (r *Recorder) Rotate(limit int64) error { return r.writer.files.setLimit(limit) }

// Room reports whether an event that carries so many bytes would not be lost now.
func (r *Recorder) Room(bytes int) bool { return r.ring.Room(bytes) }

// Lose counts an event as lost that was not recorded, for want of room say.
func (r *Recorder) Lose() { r.ring.Lose() }

// Lost returns how many events, packets and comparisons, were lost.
func (r *Recorder) Lost() uint64 { return r.ring.Lost() }

// Start starts the writer.
func (r *Recorder) Start() { r.ring.Start(r.writer.run) }

// Close writes what is queued, closes the file, and waits for that no longer
// than patience: an output that takes nothing must not keep the process from
// ending. What is not written by then is lost; the writer, if it is stuck in a
// write, is left behind and ends with it. The error says that the end of the
// capture is missing, and why.
//
// If the recorder was never started, it is now. What is recorded after Close
// is lost. A second Close waits for the same end.
func (r *Recorder) Close(patience time.Duration) error {
	r.Start()
	abandoned, ended := r.ring.Close(patience)
	if !ended {
		return fmt.Errorf("close capture: %w within %v, %d events lost with it", ring.ErrAbandoned, patience, abandoned)
	}
	if err := r.writer.end; err != nil {
		return fmt.Errorf("close capture: %w", err)
	}
	return nil
}
