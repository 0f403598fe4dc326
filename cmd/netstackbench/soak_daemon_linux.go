package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"netstackd/cmd/netstackbench/internal/report"
	"netstackd/hooks/trace"
)

var captureNumber = regexp.MustCompile(`capture\.\d+\.pcapng`)

// soakDaemon is the netstackd of a soak.
type soakDaemon struct {
	cmd    *exec.Cmd
	config string
	dir    string
	up     chan struct{} // closed when it is up
	done   chan struct{} // closed when it has ended, err is set before that
	err    error

	mu sync.Mutex
	// The following are guarded by mu. warned counts warnings and errors, read is
	// how often it has read its configuration, wrongly or not. last are lines that
	// are no log: a panic's, say.
	warned  map[string]int
	read    int
	last    []string
	summary *trace.Summary
}

const (
	// soakDevice is the device of a soak, soakHTTP where netstackd serves HTTP in the
	// namespace.
	soakDevice, soakHTTP = "netstack0", "127.0.0.1:8080"
	// soakIdle is how long a connection may be idle: one whose reset the kernel's
	// queue had no room for is not known to be over before that.
	soakIdle = time.Minute
)

// startSoakDaemon starts netstackd and waits until it is up. It must run on the main
// goroutine, whose thread its life is bound to.
func startSoakDaemon(opts *soakOptions) (*soakDaemon, error) {
	d := &soakDaemon{
		dir: opts.Dir, config: filepath.Join(opts.Dir, "netstackd.yaml"),
		up: make(chan struct{}), done: make(chan struct{}), warned: map[string]int{},
	}
	if err := d.configure(""); err != nil {
		return nil, err
	}
	args := append([]string{"-config", d.config}, opts.Daemon[1:]...)
	d.cmd = exec.Command(opts.Daemon[0], args...)
	dieWithParent(d.cmd)
	stderr, err := d.cmd.StderrPipe()
	if err == nil {
		err = d.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start netstackd: %w", err)
	}
	go func() {
		d.readLog(stderr)
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	select {
	case <-d.up:
		return d, nil
	case <-d.done:
		return nil, fmt.Errorf("start netstackd: %w", d.died())
	case <-time.After(upPatience):
		return nil, errors.Join(fmt.Errorf("start netstackd: not up after %v", upPatience), d.cmd.Process.Kill())
	}
}

// configure writes the configuration, with more lines behind it.
func (d *soakDaemon) configure(more string) error {
	text := fmt.Sprintf(`addr: [%v, %v, "%v"]
connections: %d
idle-timeout: %v
respond: [netstack, "%v=fifo:%s"]
trace: compare
trace-format: json
trace-out: %s
pcapng: %s
pcapng-rotate: 1MB
http: %s
log-format: json
%s`, hostAddr, soakAsked, raceHost6, idleMost+1000, soakIdle, soakAsked.Addr(), d.dir,
		filepath.Join(d.dir, soakTrace), filepath.Join(d.dir, soakDisk, soakCapture), soakHTTP, more)
	// Never half a file: that would be refused.
	next := d.config + ".next"
	return errors.Join(os.WriteFile(next, []byte(text), 0o644), os.Rename(next, d.config))
}

// readLog keeps what matters of what it logs, until the pipe ends.
func (d *soakDaemon) readLog(r io.Reader) {
	in := bufio.NewReader(r)
	var once sync.Once
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			d.keep(strings.TrimSpace(line))
		}
		if strings.Contains(line, upMarker) {
			once.Do(func() { close(d.up) })
		}
		if err != nil {
			return
		}
	}
}

// keep keeps what matters of a line.
func (d *soakDaemon) keep(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var entry struct {
		Level, Msg, Error string
		Summary           *trace.Summary
	}
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		d.last = append(d.last[max(0, len(d.last)-logLines):], line)
		return
	}
	if entry.Summary != nil {
		d.summary = entry.Summary
	}
	if entry.Msg == "configuration read again" || strings.HasPrefix(entry.Msg, "configuration refused") {
		d.read++
	}
	if entry.Level != "info" && entry.Level != "debug" {
		text := entry.Level + ": " + entry.Msg
		if entry.Error != "" {
			text += ": " + entry.Error
		}
		// The files of a capture have numbers: one line for all of them.
		d.warned[captureNumber.ReplaceAllString(text, "capture.N.pcapng")]++
	}
}

// reads is how often it has read its configuration.
func (d *soakDaemon) reads() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.read
}

// died says how it ended. Only after done was closed.
func (d *soakDaemon) died() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	words := strings.Join(d.last, "\n")
	if d.err == nil {
		return fmt.Errorf("netstackd ended with exit status 0\n%s", words)
	}
	return fmt.Errorf("netstackd died: %w\n%s", d.err, words)
}

// stop ends it.
func (d *soakDaemon) stop() error {
	select {
	case <-d.done:
		return d.died() // before it was told to
	default:
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop netstackd: %w", err)
	}
	select {
	case <-d.done:
	case <-time.After(upPatience):
		_ = d.cmd.Process.Kill()
		<-d.done
		return fmt.Errorf("stop netstackd: still running %v after SIGTERM", upPatience)
	}
	if d.err != nil {
		return d.died()
	}
	return nil
}

// tell puts what it said into the report. Only after it has ended.
func (d *soakDaemon) tell(r *report.Soak) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r.Log = d.warned
	if len(d.last) > 0 {
		r.Problems = append(r.Problems, "netstackd said what is no log: "+strings.Join(d.last, "\n"))
	}
	s := d.summary
	if s == nil {
		r.Problems = append(r.Problems, "netstackd gave no summary")
		return
	}
	r.Judged = report.SoakJudged{
		Packets: s.Packets.In + s.Packets.Out, Bad: s.Checksums.Bad,
		Match: s.Compare.Match, Differ: s.Compare.Differ, Missing: s.Compare.Missing,
		Unexpected: s.Compare.Unexpected, Unjudged: s.Compare.Unjudged, TraceLost: s.TraceLost,
		Drops: s.Drops, Elsewhere: s.Elsewhere,
	}
	var in, out uint64
	for _, n := range s.Fates.In {
		in += n
	}
	for _, n := range s.Fates.Out {
		out += n
	}
	if in != s.Packets.In || out != s.Packets.Out {
		r.Problems = append(r.Problems, fmt.Sprintf("the fates of %d and %d packets are told, of %d in and %d out",
			in, out, s.Packets.In, s.Packets.Out))
	}
}
