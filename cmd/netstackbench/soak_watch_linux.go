package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackbench/internal/report"
	"netstackd/cmd/netstackbench/internal/soak"
)

const (
	// watchInterval is how often netstackd is weighed, dropInterval how often the
	// kernel is asked for what it has dropped.
	watchInterval, dropInterval = 500 * time.Millisecond, 10 * time.Millisecond
	// pointInterval is how far apart the samples in the report are at least.
	pointInterval = 5 * time.Second
)

// watch looks at netstackd and at the kernel's side of its device.
type watch struct {
	pid     int
	begin   time.Time
	account *soak.Account
	// goroutines are those of the last scrape.
	goroutines atomic.Int64

	mu sync.Mutex
	// The following are guarded by mu. fault is what is at work.
	fault  string
	peak   levels
	points []report.SoakPoint
	// counted is the kernel's count of drops, at seen.
	counted uint64
	seen    time.Time
	dropped uint64
}

// levels are what is to come back.
type levels struct {
	resident          uint64
	goroutines, files int
}

// run watches until ctx ends.
func (w *watch) run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { w.every(ctx, dropInterval, w.lookAtDrops) })
	both.Go(func() { w.every(ctx, watchInterval, w.weigh) })
	both.Wait()
}

func (w *watch) every(ctx context.Context, interval time.Duration, look func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		look()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lookAtDrops tells the account whenever the kernel has dropped something.
func (w *watch) lookAtDrops() {
	w.mu.Lock()
	defer w.mu.Unlock()
	begin := time.Now()
	n, err := kernelDrops(soakDevice)
	if err != nil {
		return // the device is gone, which is seen elsewhere
	}
	if n > w.counted {
		w.account.Dropped(soak.Span{From: w.seen, To: time.Now()}, n-w.counted)
		w.dropped += n - w.counted
	}
	// What was dropped while it was read may be counted or not.
	w.counted, w.seen = n, begin
}

// kernelDrops reads how many packets the kernel could not queue for a device:
// proc_pid_net(5), the fourth figure of those sent.
func kernelDrops(device string) (uint64, error) {
	text, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return 0, fmt.Errorf("read drops: %w", err)
	}
	for line := range bytes.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSpace(string(line)), ":")
		if fields := strings.Fields(rest); ok && name == device && len(fields) >= 16 {
			return strconv.ParseUint(fields[11], 10, 64)
		}
	}
	return 0, fmt.Errorf("read drops: no device %s", device)
}

// weigh takes a sample.
func (w *watch) weigh() {
	now, err := w.now()
	if err != nil {
		return // it has ended, which is seen elsewhere
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peak.resident = max(w.peak.resident, now.resident)
	w.peak.goroutines = max(w.peak.goroutines, now.goroutines)
	w.peak.files = max(w.peak.files, now.files)
	at := time.Since(w.begin).Seconds()
	if n := len(w.points); n > 0 && at-w.points[n-1].At < pointInterval.Seconds() {
		return
	}
	w.points = append(w.points, report.SoakPoint{
		At: at, Resident: now.resident, Goroutines: now.goroutines, Fault: w.fault,
	})
}

// now is how netstackd is.
func (w *watch) now() (l levels, err error) {
	if l.resident, _, err = memory(w.pid); err != nil {
		return l, err
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.pid))
	l.files, l.goroutines = len(files), int(w.goroutines.Load())
	return l, err
}

// scraped takes what matters of a page of metrics.
func (w *watch) scraped(page []byte) error {
	n, err := metric(page, "go_goroutines")
	w.goroutines.Store(int64(n))
	return err
}

// metric is the sum of a metric's values.
func metric(page []byte, name string) (sum float64, err error) {
	found := false
	for line := range bytes.Lines(page) {
		rest, ok := bytes.CutPrefix(line, []byte(name))
		if !ok || len(rest) == 0 || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		fields := strings.Fields(string(rest))
		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return 0, fmt.Errorf("read metric %s: %w", name, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("no metric %s", name)
	}
	return sum, nil
}

// setFault says what is at work.
func (w *watch) setFault(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = name
}

// soakTrace is the named pipe that netstackd writes its trace to.
const soakTrace = "trace"

// traceReader reads the trace, dies and comes again.
type traceReader struct {
	path string
	// die says that it shall, and for how long.
	die   chan time.Duration
	lines atomic.Uint64

	mu sync.Mutex
	// found are lines that tell of no match, torn those that are no line. Guarded
	// by mu.
	found, torn []string
}

// foundMost is how many such lines are kept.
const foundMost = 5

// run reads until ctx ends. rest is what a reader that died had of a line.
func (r *traceReader) run(ctx context.Context, opened chan<- error) {
	var rest []byte
	for ctx.Err() == nil {
		fd, err := unix.Open(r.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if opened != nil {
			opened <- err
			opened = nil
		}
		if err != nil {
			return
		}
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, 1<<20) // it is only the faster for it
		f := os.NewFile(uintptr(fd), r.path)
		stop := context.AfterFunc(ctx, func() { f.Close() })
		var away time.Duration
		rest, away = r.read(ctx, f, rest)
		stop()
		f.Close()
		select {
		case <-ctx.Done():
		case <-time.After(away):
		}
	}
}

// read reads until it shall die, and returns what it has of a line, and for how long
// it shall be away.
func (r *traceReader) read(ctx context.Context, f *os.File, rest []byte) ([]byte, time.Duration) {
	in := bufio.NewReaderSize(f, 1<<18)
	for {
		select {
		case away := <-r.die:
			// What it has buffered goes on.
			buffered, _ := in.Peek(in.Buffered())
			return r.split(append(rest, buffered...)), away
		default:
		}
		piece, err := in.ReadSlice('\n')
		if len(rest) > 0 || err != nil {
			rest = append(rest, piece...)
			piece = rest
		}
		switch {
		case err == nil:
			r.line(piece[:len(piece)-1])
			rest = rest[:0]
		case errors.Is(err, bufio.ErrBufferFull):
		case ctx.Err() != nil:
			return rest, 0
		default:
			time.Sleep(dropInterval) // nobody writes yet, or any more
		}
	}
}

// split looks at the whole lines, and returns what is behind them.
func (r *traceReader) split(b []byte) []byte {
	for {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if !whole {
			return append(b[:0:0], b...)
		}
		r.line(line)
		b = rest
	}
}

func (r *traceReader) line(line []byte) {
	r.lines.Add(1)
	if !bytes.HasPrefix(line, []byte(`{"type":"`)) || !bytes.HasSuffix(line, []byte("}")) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.torn = append(r.torn[:min(len(r.torn), foundMost)], string(line))
		return
	}
	for _, result := range []string{`"result":"differ"`, `"result":"missing"`, `"result":"unexpected"`} {
		if bytes.Contains(line, []byte(result)) {
			r.mu.Lock()
			r.found = append(r.found[:min(len(r.found), foundMost)], string(line))
			r.mu.Unlock()
		}
	}
}

// problems are what must not be in a trace.
func (r *traceReader) problems() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.torn {
		all = append(all, "no line of a trace: "+line)
	}
	for _, line := range r.found {
		all = append(all, "the trace says "+line)
	}
	return all
}
