//go:build unix

package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/hooks"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/guard"
	"netstackd/hooks/trace"
	"netstackd/hooks/verify"
	"netstackd/hooks/wire"
	"netstackd/stack"
)

// silent is a log that says nothing.
func silent() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// parsed is the configuration of a command line behind its addresses.
func parsed(t testing.TB, args ...string) *config.Config {
	t.Helper()
	cfg, err := config.Parse(append([]string{"-addr", "172.16.0.2/24", "-addr", "fd00:172::2/64"}, args...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// wirePacket returns a packet of hooks/wire's samples.
func wirePacket(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../hooks/wire/testdata", name+".hex"))
	if err != nil {
		t.Fatalf("read packet: %v", err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			digits.WriteString(strings.TrimSpace(line))
		}
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("decode %s: %v", name, err)
	}
	return b
}

// TestNewPipeline: the chain is verify, guard, compare, as far as they are wanted,
// and no output is opened while tracing is off.
func TestNewPipeline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	for _, tt := range []struct {
		offload bool
		args    []string
		chain   []hooks.Hook
	}{
		{false, []string{"-trace-out", file}, []hooks.Hook{&guard.Guard{}}},
		{false, []string{"-guard", "off"}, nil},
		{false, []string{"-trace", "packets"}, []hooks.Hook{&guard.Guard{}, &compare.Comparer{}}},
		{false, []string{"-trace", "compare", "-guard", "off"}, []hooks.Hook{&compare.Comparer{}}},
		{false, []string{"-trace", "explain", "-trace-format", "json"}, []hooks.Hook{&guard.Guard{}, &compare.Comparer{}}},
		{true, nil, []hooks.Hook{&verify.Verifier{}, &guard.Guard{}}},
		{true, []string{"-guard", "off"}, []hooks.Hook{&verify.Verifier{}}},
		{true, []string{"-trace", "compare", "icmp"}, []hooks.Hook{&trace.Selector{}, &verify.Verifier{}, &guard.Guard{}, &compare.Comparer{}}},
	} {
		p, err := newPipeline(parsed(t, tt.args...), tt.offload, silent())
		if err != nil {
			t.Errorf("%q: %v", tt.args, err)
			continue
		}
		var got, want []string
		for _, h := range p.chain {
			got = append(got, fmt.Sprintf("%T", h))
		}
		for _, h := range tt.chain {
			want = append(want, fmt.Sprintf("%T", h))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: chain (-want +got):\n%s", tt.args, diff)
		}
		if p.ledger == nil || p.options.ReceiveOffload != tt.offload {
			t.Errorf("%q: ledger %v, receive offload %v", tt.args, p.ledger, p.options.ReceiveOffload)
		}
		tracing := p.comparer != nil
		if (p.outputs.recorder != nil) != tracing || (p.outputs.out != nil) != tracing || tracing && p.outputs.out != os.Stdout {
			t.Errorf("%q: comparer %v, recorder %v, output %v", tt.args, p.comparer, p.outputs.recorder, p.outputs.out)
		}
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the output was made though tracing is off: %v", err)
	}
}

// TestPipeline lets one ping pass and ends: the trace is in a file of its
// owner's, it ends with the summary, and that is what close returns.
func TestPipeline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace.json")
	p, err := newPipeline(parsed(t, "-trace", "compare", "-trace-format", "json", "-trace-out", file), false, silent())
	if err != nil {
		t.Fatal(err)
	}
	p.start()
	for _, step := range []struct {
		d    hooks.Direction
		name string
	}{{hooks.Inbound, "echo-request"}, {hooks.Outbound, "packets/echo-reply"}} {
		var packet hooks.Packet
		packet.Set(step.d, wirePacket(t, step.name), time.Now())
		for _, h := range p.chain {
			if step.d == hooks.Inbound {
				h.Inbound(&packet)
			} else {
				h.Outbound(&packet)
			}
		}
	}
	s, err := p.close(
		map[string]uint64{"link-malformed": 3, "link-empty": 0},
		map[string]uint64{"service-idle": 0, "service-low-source-port": 2})
	if err != nil {
		t.Fatal(err)
	}
	if s.Compare.Match != 1 || s.Fates.In[hooks.Answered] != 1 || s.TraceLost != 0 {
		t.Errorf("summary %+v, want one match", s)
	}
	if diff := cmp.Diff(map[string]uint64{"link-malformed": 3, "service-low-source-port": 2}, s.Elsewhere); diff != "" {
		t.Errorf("drops of all rooms (-want +got):\n%s", diff)
	}
	checkMode(t, file, 0o600)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if len(lines) != 4 {
		t.Fatalf("%d lines, want two packets, a comparison and the summary:\n%s", len(lines), text)
	}
	var last struct {
		Type string
		trace.Summary
	}
	if err := json.Unmarshal(lines[3], &last); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*s, last.Summary); diff != "" || last.Type != "summary" {
		t.Errorf("the last line is of type %q (-returned +written):\n%s", last.Type, diff)
	}
	if _, err := p.outputs.out.Write(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the file was not closed: %v", err)
	}
}

// TestPipelineWithoutTrace: the counts are there all the same.
func TestPipelineWithoutTrace(t *testing.T) {
	p, err := newPipeline(parsed(t), false, silent())
	if err != nil {
		t.Fatal(err)
	}
	p.start()
	p.ledger.Settle(hooks.Inbound, hooks.Guarded, guard.ReasonFragmentTooLong)
	s, err := p.close()
	if err != nil {
		t.Fatal(err)
	}
	if s.Fates.In[hooks.Guarded] != 1 || s.Drops[guard.ReasonFragmentTooLong] != 1 {
		t.Errorf("summary %+v, want one packet guarded", s)
	}
}

// TestPipelineRestarts: with netstack its guard begins anew, which would take the two
// fragments for those of one datagram.
func TestPipelineRestarts(t *testing.T) {
	for restarts, want := range map[bool]hooks.Fate{false: hooks.Guarded, true: hooks.Delivered} {
		p, err := newPipeline(parsed(t), false, silent())
		if err != nil {
			t.Fatal(err)
		}
		header := byhandtest.IPv4{Src: "172.16.0.1", Dst: "172.16.0.2", Protocol: wire.ProtocolICMPv4, Options: []byte{7, 39, 4, 39: 0}}.Packet(nil)
		var first, last hooks.Packet
		first.Set(hooks.Inbound, byhandtest.Fragment(header, append([]byte{wire.ICMPv4EchoRequest}, make([]byte, 1439)...), 1, 0, true), time.Now())
		last.Set(hooks.Inbound, byhandtest.Fragment(header, make([]byte, 20), 1, 65_480, false), time.Now())
		p.guard.Inbound(&first)
		if restarts {
			p.restart()
		}
		p.guard.Inbound(&last)
		if first.Fate != hooks.Delivered || last.Fate != want {
			t.Errorf("restarts: %v: %v and %v, want %v", restarts, first.Fate, last.Fate, want)
		}
		if _, err := p.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSummarize: each count has its own place.
func TestSummarize(t *testing.T) {
	totals := hooks.Totals{
		In: 1, Out: 2, InBytes: 3, OutBytes: 4,
		InFates:  map[hooks.Fate]uint64{hooks.Answered: 5, hooks.Delivered: 6, hooks.Dropped: 7, hooks.Guarded: 8},
		OutFates: map[hooks.Fate]uint64{hooks.Sent: 9, hooks.Dropped: 10},
		Drops:    map[string]uint64{"some-reason": 11},
	}
	if err := json.Unmarshal([]byte(`{"ok":12,"bad":13,"partial":14,"absent":15}`), &totals.Verdicts); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(summarize(totals, compare.Counts{Match: 16, Differ: 17, Missing: 18, Unexpected: 19, Unjudged: 20}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"packets":{"in":1,"out":2},"checksums":{"ok":12,"bad":13,"partial":14,"absent":15},` +
		`"compare":{"match":16,"differ":17,"missing":18,"unexpected":19,"unjudged":20},` +
		`"fates":{"in":{"answered":5,"delivered":6,"dropped":7,"guarded":8},"out":{"dropped":10,"sent":9}},` +
		`"drops":{"some-reason":11},"trace_lost":0}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func checkMode(t *testing.T, file string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("mode of %s: %v, want %v", file, got, want)
	}
}

// TestOpenTrace opens what can be written, and says what to do about the rest.
func TestOpenTrace(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	if err := os.WriteFile(old, []byte("an older trace\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(dir, "new"), old} {
		f, err := openTrace(name, true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("new\n"); err != nil {
			t.Error(err)
		}
		f.Close()
		checkMode(t, name, 0o600)
		if text, err := os.ReadFile(name); err != nil || string(text) != "new\n" {
			t.Errorf("%s holds %q, %v, want the new trace alone", name, text, err)
		}
	}
	if f, err := openTrace("-", true); f != os.Stdout || err != nil {
		t.Errorf("- is %v, %v, want standard output", f, err)
	}
	for name, cause := range map[string]error{
		filepath.Join(dir, "missing", "trace"): fs.ErrNotExist,
		filepath.Join(old, "trace"):            syscall.ENOTDIR,
		dir:                                    syscall.EISDIR,
	} {
		f, err := openTrace(name, true)
		if err == nil {
			f.Close()
		}
		if !errors.Is(err, cause) || !strings.Contains(fmt.Sprint(err), name) || !strings.Contains(fmt.Sprint(err), "-trace-out") {
			t.Errorf("%s: %v, want %v, the name, and what to do", name, err, cause)
		}
	}
}

// TestOpenFIFO: a named pipe is written to if it has its reader, and refused
// at once if it has none.
func TestOpenFIFO(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 1)
	go func() {
		f, err := openTrace(name, true)
		if err == nil {
			f.Close()
		}
		refused <- err
	}()
	select {
	case err := <-refused:
		if !errors.Is(err, syscall.ENXIO) {
			t.Errorf("without a reader: %v, want %v", err, syscall.ENXIO)
		}
	case <-time.After(10 * time.Second):
		t.Error("without a reader: openTrace waits for one")
		// Let it go.
		if reader, err := os.OpenFile(name, os.O_RDWR, 0); err == nil {
			reader.Close()
		}
	}

	reader, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f, err := openTrace(name, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// More than the pipe holds: the writer waits for the reader.
	text := bytes.Repeat([]byte("a line of a trace\n"), 10_000)
	go func() {
		if _, err := f.Write(text); err != nil {
			t.Error(err)
		}
	}()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(reader, got); err != nil || !bytes.Equal(got, text) {
		t.Errorf("read %v, equal %v", err, bytes.Equal(got, text))
	}
}

// TestCrossCheck: netstack has to count all packets but those that the hooks kept
// from it, each once, and those that they put ahead.
func TestCrossCheck(t *testing.T) {
	s := &trace.Summary{Drops: map[string]uint64{hooks.ReasonDetached: 1, wire.ReasonBadVersion: 2, "bad-tcp-checksum": 3}}
	s.Packets.In = 100
	s.Fates.In = map[hooks.Fate]uint64{hooks.Guarded: 4, hooks.Dropped: 6}
	const refused, ahead = 3, 5
	for received, warnings := range map[uint64]int{100 - 1 - 2 - 4 - refused + ahead: 0, 100 - 1 - 2 - 4 - refused: 1, 100: 1} {
		var served stack.Counters
		served.IP.Received = received
		log, logged := logtest.NewNullLogger()
		crossCheck(s, refused, ahead, served, log)
		if n := len(logged.AllEntries()); n != warnings {
			t.Errorf("netstack counts %d: %d warnings, want %d", received, n, warnings)
		}
	}
}
