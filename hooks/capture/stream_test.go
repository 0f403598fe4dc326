//go:build unix

package capture_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"netstackd/hooks"
	"netstackd/hooks/capture"
)

// TestStream: on standard output the header comes at once, and a packet soon,
// without another one or the end to push it out. Standard output stays open.
func TestStream(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	stdout := os.Stdout
	os.Stdout = out
	r, err := capture.Open(capture.Config{Path: "-", Device: "netstack0", Log: silentLog()})
	os.Stdout = stdout
	if err != nil {
		t.Fatal(err)
	}
	if err := in.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	ng, err := pcapgo.NewNgReader(in, pcapgo.NgReaderOptions{})
	if err != nil {
		t.Fatalf("no header before Start: %v", err)
	}
	r.Start()
	for seq := range uint64(3) {
		r.Packet(new(packet(seq+1, hooks.Inbound, samples(t)["echo-request"], hooks.Delivered, "")))
		if _, _, err := ng.ReadPacketData(); err != nil {
			t.Fatalf("packet %d: %v", seq+1, err)
		}
	}
	if err := r.Close(patience); err != nil || r.Lost() != 0 {
		t.Errorf("%d lost, %v", r.Lost(), err)
	}
	if _, err := out.Write([]byte("x")); err != nil {
		t.Errorf("standard output is closed: %v", err)
	}
}

// TestSharedFile: a capture that standard output puts behind something in a
// file, in either way of a shell, leaves that as it is, also when a write
// fails.
func TestSharedFile(t *testing.T) {
	for name, flag := range map[string]int{"behind": 0, "appended": os.O_APPEND} {
		t.Run(name, func(t *testing.T) {
			path := write(t, kinds(t)...)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_WRONLY|flag, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if flag == 0 {
				if _, err := f.Seek(0, io.SeekEnd); err != nil {
					t.Fatal(err)
				}
			}
			full := &limited{File: f, room: 2000}
			r := open(t, full, true, silentLog())
			pings(t, r, 1, 50)
			if err := r.Close(patience); err == nil || r.Lost() == 0 {
				t.Errorf("%d lost, %v", r.Lost(), err)
			}
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			// Two sections are a capture as well.
			if !strings.HasPrefix(string(after), string(before)) || len(after) < len(before)+500 {
				t.Fatalf("%d bytes before, %d after", len(before), len(after))
			}
			checkCapture(t, after[len(before):], true, 150, r.Lost())
		})
	}
}

// TestNamedPipe: one that nobody reads is refused at once; one that is read
// gets the capture.
func TestNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := capture.Open(capture.Config{Path: path, Log: silentLog()})
	if err == nil || !strings.HasSuffix(err.Error(), "the named pipe has no reader: start that first") {
		t.Errorf("without a reader: %v", err)
	}
	in, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := capture.Open(capture.Config{Path: path, Log: silentLog()})
	if err != nil {
		t.Fatal(err)
	}
	pings(t, r, 1, 20)
	if err := r.Close(patience); err != nil || r.Lost() != 0 {
		t.Errorf("%d lost, %v", r.Lost(), err)
	}
	if _, blocks := read(t, in, true); len(blocks) != 40 {
		t.Errorf("%d packets", len(blocks))
	}
}

// TestLiveTshark: tshark, which captures as Wireshark does with -k -i -, shows
// each packet while the capture goes on.
func TestLiveTshark(t *testing.T) {
	need(t, "tshark")
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, "tshark", "-l", "-n", "-i", "-", "-T", "fields", "-e", "frame.comment")
	cmd.Stdin, cmd.Stderr = in, &stderr
	cmd.WaitDelay = time.Second
	lines, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	r := open(t, capture.WriterStore{Writer: out}, false, silentLog())
	r.Start()
	shown := bufio.NewScanner(lines)
	for seq := range uint64(3) {
		r.Packet(new(packet(seq+1, hooks.Inbound, samples(t)["echo-request"], hooks.Delivered, "")))
		if !shown.Scan() || !strings.Contains(shown.Text(), "verdict=ok") {
			t.Errorf("packet %d is shown as %q", seq+1, shown.Text())
			break
		}
	}
	if err := r.Close(patience); err != nil || r.Lost() != 0 {
		t.Errorf("%d lost, %v", r.Lost(), err)
	}
	out.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("tshark: %v\n%s", err, &stderr)
	}
}
