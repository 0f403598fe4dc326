//go:build linux

package main_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The addresses of the documentation, as the daemon takes them by default.
const (
	device    = "netstack0"
	prefix4   = "172.16.0.2/24"
	prefix6   = "fd00:172::2/64"
	netstack4 = "172.16.0.2"
	netstack6 = "fd00:172::2"
	kernel4   = "172.16.0.1"
	kernel6   = "fd00:172::1"
)

// patience bounds the start and the end of the daemon.
const patience = time.Minute

// logText collects what the daemon logs. Safe for concurrent use.
type logText struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// daemon is a running netstackd.
type daemon struct {
	cmd *exec.Cmd
	log logText
	// ended is closed after the process was reaped; err is set before that.
	ended chan struct{}
	err   error
}

// startDaemon starts netstackd on both addresses with more flags, and waits
// until it answers. When the test ends it is stopped, and its log is printed
// if the test failed.
func startDaemon(t *testing.T, flags ...string) *daemon {
	t.Helper()
	return startOnly(t, append([]string{"-addr", prefix4, "-addr", prefix6}, flags...)...)
}

// startCommand is startDaemon for a command prepared by the caller.
func startCommand(t *testing.T, cmd *exec.Cmd) *daemon {
	t.Helper()
	return startBy(t, cmd, cmd.Start)
}

// startBy is startCommand by way of a function that starts the command.
func startBy(t *testing.T, cmd *exec.Cmd, start func() error) *daemon {
	t.Helper()
	d := &daemon{cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr = &d.log
	// A grandchild that holds standard error must not hold the test.
	cmd.WaitDelay = time.Second
	if err := start(); err != nil {
		t.Fatalf("start netstackd: %v", err)
	}
	go func() {
		d.err = cmd.Wait()
		close(d.ended)
	}()
	t.Cleanup(func() {
		select {
		case <-d.ended:
		default:
			_ = cmd.Process.Signal(syscall.SIGTERM)
			hung := time.AfterFunc(patience, func() {
				// A daemon that hangs says where.
				_ = cmd.Process.Signal(syscall.SIGQUIT)
			})
			<-d.ended
			hung.Stop()
		}
		if t.Failed() {
			t.Logf("%s\n%s", cmd, &d.log)
		}
	})
	d.waitLog(t, "host is up")
	return d
}

// waitLog waits until the daemon's log holds a text.
func (d *daemon) waitLog(t *testing.T, text string) {
	t.Helper()
	waitFor(t, "the log line "+text, func() bool {
		if strings.Contains(d.log.String(), text) {
			return true
		}
		select {
		case <-d.ended:
			// What it logged last may have come since the look above.
			if !strings.Contains(d.log.String(), text) {
				t.Fatalf("netstackd ended (%v) before it logged %q", d.err, text)
			}
			return true
		default:
			return false
		}
	})
}

// waitFor polls until a condition holds, and fails the test after patience.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// stop ends the daemon by SIGTERM and wants exit status 0 and no device left.
func (d *daemon) stop(t *testing.T) {
	t.Helper()
	d.stopBy(t, syscall.SIGTERM)
}

// stopBy is stop by any signal.
func (d *daemon) stopBy(t *testing.T, sig syscall.Signal) {
	t.Helper()
	d.end(t, sig)
	if _, err := net.InterfaceByName(device); err == nil {
		t.Errorf("%s is still there after netstackd ended", device)
	}
}

// end is stopBy, whatever becomes of the device.
func (d *daemon) end(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if status := d.status(); status != running {
		t.Fatalf("netstackd ended by itself with exit status %d", status)
	}
	if err := d.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal netstackd: %v", err)
	}
	if status := d.waitExit(t); status != 0 {
		t.Errorf("exit status %d after %v, want 0", status, sig)
	}
}

// waitExit waits for the process and returns its exit status.
func (d *daemon) waitExit(t *testing.T) int {
	t.Helper()
	select {
	case <-d.ended:
	case <-time.After(patience):
		t.Fatalf("netstackd still runs after %v", patience)
	}
	return d.status()
}

// What status reports beside exit statuses.
const (
	running = -1
	killed  = -2 // by a signal
)

// status is the exit status, running, or killed.
func (d *daemon) status() int {
	select {
	case <-d.ended:
	default:
		return running
	}
	var exit *exec.ExitError
	switch {
	case d.err == nil:
		return 0
	case errors.As(d.err, &exit) && exit.Exited():
		return exit.ExitCode()
	default:
		return killed
	}
}

// tool runs a program to its end and returns what it printed. It fails the
// test if the program fails or takes longer than limit.
func tool(t *testing.T, limit time.Duration, name string, args ...string) string {
	t.Helper()
	out, err := tryTool(limit, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// tryTool is tool that leaves the judgement to the caller.
func tryTool(limit time.Duration, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// startOnly starts netstackd with these flags alone.
func startOnly(t *testing.T, flags ...string) *daemon {
	t.Helper()
	return startCommand(t, exec.Command(daemonPath(t), flags...))
}
