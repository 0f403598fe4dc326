package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/hooks/capture"
	"netstackd/hooks/trace"
)

// tracePatience is how long is waited for an output that does not take the rest of
// the trace, at the end of the process or when another takes its place.
const tracePatience = 2 * time.Second

// outputs are what events are written to, the trace and the capture. Only lost and
// captureLost are safe for concurrent use.
type outputs struct {
	log logrus.FieldLogger
	// device is the interface's name in a capture.
	device string

	// out is where the trace goes, nil if there is none. shared says that it is text
	// and goes where standard error goes: whoever reads the one has read the other.
	out    *os.File
	shared bool

	mu sync.Mutex
	// recorder writes the trace, capture the capture; nil if off. They are written
	// under mu.
	recorder *trace.Recorder
	capture  *capture.Recorder
	// file is what stood in the capture's place when it was opened.
	file os.FileInfo
	// past are those that were there before, and what they lost. Guarded by mu.
	past past
}

// past are outputs whose place others have taken: one of each kind at a time may be
// writing its rest.
type past struct {
	recorder            *trace.Recorder
	capture             *capture.Recorder
	traceLost, captLost uint64 // by those that are done
}

// openOutputs opens what the configuration wants. Nothing is started.
func openOutputs(cfg *config.Config, log logrus.FieldLogger) (*outputs, error) {
	o := &outputs{log: log, device: cfg.TUN}
	n, err := o.next(nil, cfg)
	if err != nil {
		return nil, err
	}
	o.use(n)
	return o, nil
}

// use puts others in the place of those that there are.
func (o *outputs) use(n *renewed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.recorder != n.recorder {
		o.past.recorder = o.recorder
	}
	if o.capture != n.capture {
		o.past.capture = o.capture
	}
	o.out, o.shared, o.file = n.out, n.shared, n.file
	o.recorder, o.capture = n.recorder, n.capture
}

// retire notes what those lost that are done.
func (o *outputs) retire() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.past.traceLost += lostBy(o.past.recorder)
	o.past.captLost += lostBy(o.past.capture)
	o.past.recorder, o.past.capture = nil, nil
}

// lostBy is how many events one has lost; none if there is none.
func lostBy[R interface {
	*trace.Recorder | *capture.Recorder
	Lost() uint64
}](r R) uint64 {
	if r == nil {
		return 0
	}
	return r.Lost()
}

// tracers are those that there are.
func (o *outputs) tracers() (all []trace.Tracer) {
	if o.recorder != nil {
		all = append(all, o.recorder)
	}
	if o.capture != nil {
		all = append(all, o.capture)
	}
	return all
}

// start starts those that are not started.
func (o *outputs) start() {
	if o.recorder != nil {
		o.recorder.Start()
	}
	if o.capture != nil {
		o.capture.Start()
	}
}

// lost is how many events of the trace were lost, captureLost how many of the
// capture, since the beginning.
func (o *outputs) lost() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.past.traceLost + lostBy(o.past.recorder) + lostBy(o.recorder)
}

func (o *outputs) captureLost() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.past.captLost + lostBy(o.past.capture) + lostBy(o.capture)
}

// close writes what is queued, the summary, and closes all.
func (o *outputs) close(s *trace.Summary) error {
	var err error
	if o.capture != nil {
		err = o.capture.Close(tracePatience)
	}
	if o.recorder != nil {
		s.TraceLost = o.past.traceLost // to which the recorder adds its own
		err = errors.Join(err, o.recorder.Close(s, tracePatience), closeTrace(o.out))
	}
	return err
}

// A renewed is what other outputs a configuration wants, opened. What is the same as
// before is there, too.
type renewed struct {
	recorder *trace.Recorder
	out      *os.File
	shared   bool
	capture  *capture.Recorder
	file     os.FileInfo
}

// next opens what cfg wants otherwise than old, or all if that is nil. A file that is
// still the one that is open goes on as it is, and another, that has taken its place
// by name, is opened: so logs are rotated. What is in a file stays, but at the
// beginning.
func (o *outputs) next(old, cfg *config.Config) (n *renewed, err error) {
	n = &renewed{}
	if cfg.Trace != "" {
		if n.out, err = o.traceOut(cfg.TraceOut, old == nil); err != nil {
			return nil, err
		}
		if old != nil && n.out == o.out && old.Trace == cfg.Trace && old.TraceFormat == cfg.TraceFormat {
			n.recorder = o.recorder
		} else {
			n.recorder, err = trace.NewRecorder(n.out, cfg.Trace, cfg.TraceFormat, o.log)
		}
		n.shared = cfg.TraceFormat == trace.Text && sameFile(n.out, os.Stderr)
	}
	if err == nil && cfg.Pcapng != "" {
		err = o.nextCapture(n, old, cfg)
	}
	if err != nil && n.out != nil && n.out != o.out {
		err = errors.Join(err, closeTrace(n.out))
	}
	return n, err
}

// traceOut returns what is open by a name, or opens it.
func (o *outputs) traceOut(name string, begin bool) (*os.File, error) {
	if o.out != nil {
		now, errNow := os.Stat(name)
		was, errWas := o.out.Stat()
		if name == "-" && o.out == os.Stdout || name == "" && o.out == os.Stderr || errNow == nil && errWas == nil && os.SameFile(now, was) {
			return o.out, nil
		}
	}
	return openTrace(name, begin)
}

// nextCapture finds the capture that there is, or opens another.
func (o *outputs) nextCapture(n *renewed, old, cfg *config.Config) (err error) {
	if o.capture != nil && old.Pcapng == cfg.Pcapng && (old.PcapngRotate > 0 || cfg.PcapngRotate > 0 || o.inPlace(cfg.Pcapng)) {
		n.capture, n.file = o.capture, o.file
		return n.capture.Rotate(cfg.PcapngRotate)
	}
	n.capture, err = capture.Open(capture.Config{
		Path: cfg.Pcapng, Rotate: cfg.PcapngRotate, Append: old != nil, Device: o.device, Version: version, Log: o.log,
	})
	if err == nil && cfg.Pcapng != "-" {
		n.file, err = os.Stat(cfg.Pcapng)
	}
	return err
}

// inPlace reports whether the capture's file still has its name.
func (o *outputs) inPlace(name string) bool {
	now, err := os.Stat(name)
	return name == "-" || err == nil && os.SameFile(now, o.file)
}

// change puts what cfg wants in the place of what old did, while packets move: show
// has events go to the tracers given, from when it returns on. What goes is written to
// its end, for no longer than tracePatience, before what comes takes over, so that a
// file that both have keeps the order; events wait meanwhile. On an error nothing is
// changed.
func (o *outputs) change(old, cfg *config.Config, show func([]trace.Tracer)) error {
	n, err := o.next(old, cfg)
	if err != nil {
		return err
	}
	recorder, out, capture := o.recorder, o.out, o.capture
	o.use(n)
	if recorder == n.recorder && capture == n.capture {
		return nil
	}
	show(o.tracers())
	if recorder != n.recorder && recorder != nil {
		err = recorder.Close(nil, tracePatience)
		if out != n.out {
			err = errors.Join(err, closeTrace(out))
		}
	}
	if capture != n.capture && capture != nil {
		err = errors.Join(err, capture.Close(tracePatience))
	}
	o.retire()
	o.start()
	if err != nil {
		// It is over, however it ended.
		o.log.WithError(err).Warn("trace incomplete")
	}
	return nil
}

// rewritable are the directories in which files may be made anew while the host runs,
// as logs are rotated.
func rewritable(cfg *config.Config) (dirs []string) {
	for _, name := range []string{cfg.TraceOut, cfg.Pcapng} {
		if name == "" || name == "-" {
			continue
		}
		// Of a device in /dev, say, nothing is ever made anew.
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			continue
		}
		if dir := filepath.Dir(name); wantDirectory(dir) == nil {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// openTrace opens the trace's output: a file that only its owner may read, for
// it tells what others sent, or standard output ("-") or error (""). A named
// pipe must have its reader: to wait for one would be to hang. What is in a file goes
// if begin says so; what is written goes to its end, whoever else writes.
func openTrace(name string, begin bool) (*os.File, error) {
	switch name {
	case "-":
		return os.Stdout, nil
	case "":
		return os.Stderr, nil
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if begin {
		flags |= os.O_TRUNC
	}
	if info, err := os.Stat(name); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		flags = os.O_WRONLY | nonBlocking
	}
	f, err := os.OpenFile(name, flags, 0o600)
	if errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("open trace: %w: the named pipe has no reader: start that first", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open trace: %w: give -trace-out a file that can be written, or - for standard output", err)
	}
	return f, nil
}

// sameFile reports whether two open files are one: the same terminal, say.
func sameFile(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// closeTrace closes the trace's output, unless it is one of the process.
func closeTrace(out *os.File) error {
	if out == nil || out == os.Stdout || out == os.Stderr {
		return nil
	}
	return out.Close()
}
