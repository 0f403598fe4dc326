//go:build linux

package main_test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestIntegrationSignals ends the daemon by each signal it promises to obey.
func TestIntegrationSignals(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			d := startDaemon(t)
			d.stopBy(t, sig)
		})
	}
	t.Run("under load", func(t *testing.T) {
		d := startDaemon(t, "-trace", "compare", "-trace-out", "/dev/null")
		conn := dialed(t, "tcp", netstack4, "19")
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.Copy(io.Discard, conn) // its end is what counts
		}()
		time.Sleep(200 * time.Millisecond)
		d.stop(t)
		conn.Close()
		<-ended
	})
}

// TestIntegrationStuckReader has a reader of the trace that reads nothing, and
// then one that is stopped in the middle. Neither may stop the pings or the
// end of the daemon; what could not be written is counted.
func TestIntegrationStuckReader(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	flags := []string{"-addr", prefix4, "-addr", prefix6, "-trace", "explain", "-trace-out", "-"}
	flood := func(t *testing.T) {
		t.Helper()
		pinged(t, tool(t, 30*time.Second, "ping", "-f", "-c", "1000", "-s", "1000", netstack4), 1000)
		pinged(t, tool(t, patience, "ping", "-c", "3", "-i", "0.2", netstack4), 3)
	}
	t.Run("nobody reads", func(t *testing.T) {
		cmd := exec.Command(daemonPath(t), flags...)
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		cmd.Stdout = writer
		d := startCommand(t, cmd)
		writer.Close()
		flood(t)
		wantFull(t, reader)
		d.stop(t)
		if lost := traceLost(t, d); lost == 0 {
			t.Error("trace_lost is 0 in the summary, though nobody read the trace")
		}
	})
	t.Run("the reader is stopped", func(t *testing.T) {
		cmd, cat := exec.Command(daemonPath(t), flags...), exec.Command("cat")
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout, cat.Stdin = writer, reader
		if err := cat.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cat.Process.Kill() })
		d := startCommand(t, cmd)
		writer.Close()
		if err := cat.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		flood(t)
		wantFull(t, reader)
		reader.Close()
		if err := cat.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		flood(t)
		d.stop(t)
		if err := cat.Wait(); err != nil {
			t.Errorf("cat: %v", err)
		}
	})
}

// wantFull checks that a pipe really was full, else the test proves nothing.
func wantFull(t *testing.T, pipe *os.File) {
	t.Helper()
	size, err := unix.FcntlInt(pipe.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		t.Fatal(err)
	}
	held, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	if held < size/2 {
		t.Errorf("the pipe holds %d of %d bytes: the trace is not stuck", held, size)
	}
}

// traceLost finds the number of lost trace lines in the summary on standard
// error.
func traceLost(t *testing.T, d *daemon) int {
	t.Helper()
	found := regexp.MustCompile(`trace events lost: (\d+)`).FindStringSubmatch(d.log.String())
	if found == nil {
		t.Fatal("the summary says nothing about lost trace lines")
	}
	lost, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return lost
}

// TestIntegrationTraceStandardOutput wants nothing but the trace on standard
// output, in both formats.
func TestIntegrationTraceStandardOutput(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			var stdout logText
			cmd := exec.Command(daemonPath(t), "-addr", prefix4, "-trace", "compare", "-trace-format", format)
			cmd.Stdout = &stdout
			d := startCommand(t, cmd)
			pinged(t, tool(t, patience, "ping", "-c", "3", "-i", "0.2", netstack4), 3)
			d.stop(t)
			out := stdout.String()
			if strings.Contains(out, "level=") || strings.Contains(out, "host is up") {
				t.Errorf("the log is on standard output:\n%s", out)
			}
			if format == "text" {
				if n := strings.Count(out, "match"); n < 3 {
					t.Errorf("%d matches on standard output, want 3:\n%s", n, out)
				}
				return
			}
			for line := range strings.Lines(out) {
				if !json.Valid([]byte(line)) {
					t.Errorf("not JSON: %s", line)
				}
			}
		})
	}
}

// TestIntegrationVersion wants the versions of what the daemon was built with,
// without a device or privilege.
func TestIntegrationVersion(t *testing.T) {
	out, err := tryTool(patience, daemonPath(t), "-version")
	if err != nil {
		t.Fatalf("netstackd -version: %v\n%s", err, out)
	}
	for _, want := range []string{
		`(?m)^netstackd test\b`,
		`gvisor\.dev/gvisor v0\.0\.0-\d{14}-[0-9a-f]{12}`,
		`golang\.zx2c4\.com/wireguard v0\.0\.0-\d{14}-[0-9a-f]{12}`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("-version does not match %s:\n%s", want, out)
		}
	}
}
