package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ready is what the daemon logs when it answers.
const ready = "host is up"

// logLimit bounds how much of the daemon's log is kept for a failure.
const logLimit = 1 << 20

// daemon is a running netstackd. Its methods belong to one goroutine; log
// alone may be called from any.
type daemon struct {
	cmd   *exec.Cmd
	trace *traceReader
	// up is closed by the log reader when the daemon says that it is ready.
	up chan struct{}
	// done is closed after the process was reaped; err is set before that.
	done chan struct{}
	err  error

	// mu guards text.
	mu   sync.Mutex
	text strings.Builder
}

// startDaemon starts netstackd and waits until it is ready, has failed, or ctx
// is over. It must run on the main goroutine, whose thread the daemon's life
// is bound to. Also after an error the daemon returned, if not nil, has the
// log and must be killed.
func startDaemon(ctx context.Context, path string, args ...string) (*daemon, error) {
	d := &daemon{
		cmd:  exec.Command(path, args...),
		up:   make(chan struct{}),
		done: make(chan struct{}),
	}
	dieWithParent(d.cmd)
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("open trace pipe: %w", err)
	}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("open log pipe: %w", err)
	}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start netstackd: %w", err)
	}
	d.trace = newTraceReader()
	var readers sync.WaitGroup
	readers.Go(func() { d.trace.read(stdout) })
	readers.Go(func() { d.readLog(stderr) })
	go func() {
		// Wait closes the pipes, so what is in them is read first.
		readers.Wait()
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	select {
	case <-d.up:
		return d, nil
	case <-d.done:
		return d, fmt.Errorf("start netstackd: it ended before it was ready: %w", d.exit())
	case <-ctx.Done():
		return d, fmt.Errorf("wait until netstackd is ready: %w", context.Cause(ctx))
	}
}

// readLog keeps what the daemon logs, until the pipe ends.
func (d *daemon) readLog(r io.Reader) {
	in := bufio.NewReader(r)
	var once sync.Once
	for {
		line, err := in.ReadString('\n')
		d.mu.Lock()
		if d.text.Len() < logLimit {
			d.text.WriteString(line)
		}
		d.mu.Unlock()
		if strings.Contains(line, ready) {
			once.Do(func() { close(d.up) })
		}
		if err != nil {
			return
		}
	}
}

// log is what the daemon logged so far. Safe for concurrent use.
func (d *daemon) log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// exit is how the process ended, never nil. Only after done was closed.
func (d *daemon) exit() error {
	if d.err == nil {
		return errors.New("exit status 0")
	}
	return d.err
}

// running reports an error if the process has ended.
func (d *daemon) running() error {
	select {
	case <-d.done:
		return fmt.Errorf("netstackd ended too early: %w", d.exit())
	default:
		return nil
	}
}

// stop asks the daemon to end by SIGTERM and wants exit status 0.
func (d *daemon) stop(ctx context.Context) error {
	if err := d.running(); err != nil {
		return err
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("signal netstackd: %w", err)
	}
	select {
	case <-d.done:
		if d.err != nil {
			return fmt.Errorf("stop netstackd: %w", d.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop netstackd: still running after SIGTERM: %w", context.Cause(ctx))
	}
}

// kill ends the daemon whatever its state, and waits. Idempotent.
func (d *daemon) kill() {
	select {
	case <-d.done:
		return
	default:
	}
	// The process may end by itself in between; only its end matters.
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(2 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}
