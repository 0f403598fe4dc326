package capture_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"netstackd/hooks"
	"netstackd/hooks/capture"
	"netstackd/hooks/trace"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is more than any writer here needs.
const patience = 20 * time.Second

// start is when the first packet of each capture was seen; one passes every
// 41 µs.
var start = time.Date(2026, 8, 14, 9, 30, 7, 123456789, time.UTC)

func at(seq uint64) time.Time { return start.Add(time.Duration(seq-1) * 41 * time.Microsecond) }

// silentLog discards.
func silentLog() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// samples returns the packets of hooks/wire/testdata by name.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../wire/testdata/packets/*.hex")
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d packets in ../wire/testdata/packets, %v", len(paths), err)
	}
	m := map[string][]byte{}
	for _, path := range append(paths, "../wire/testdata/echo-request.hex") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := capture.ParseHex(string(text))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		m[strings.TrimSuffix(filepath.Base(path), ".hex")] = b
	}
	return m
}

// packet makes the event of a packet as the comparer makes it for a tracer
// that wants bytes.
func packet(seq uint64, d hooks.Direction, b []byte, fate hooks.Fate, reason string) trace.Packet {
	var p hooks.Packet
	p.Set(d, b, at(seq))
	e := trace.Packet{
		Time: p.Time, Seq: seq, Direction: d, Len: p.Len, Packet: p.Packet, DataLen: len(p.Data()), Fate: fate, Reason: reason,
	}
	e.NChecks = copy(e.Checks[:], p.Checks())
	e.Packet.Bytes = bytes.Clone(p.Bytes)
	return e
}

// comparison makes the event of a comparison of a reply that was seen just
// before it.
func comparison(seq, request uint64, result trace.Result, diffs ...trace.Diff) trace.Comparison {
	return trace.Comparison{
		Time: at(seq - 1), Seq: seq, Request: request, Reply: seq - 1, Responder: "netstack", Live: true, Result: result, Due: "reply",
		RFC: "RFC 1122 §3.2.2.6", Replied: true, Latency: at(seq - 1).Sub(at(request)), Diffs: diffs,
	}
}

// record hands events to a recorder.
func record(r trace.Tracer, events ...any) {
	for _, e := range events {
		switch e := e.(type) {
		case trace.Packet:
			r.Packet(&e)
		case trace.Comparison:
			r.Compare(&e)
		default:
			panic("neither a packet nor a comparison")
		}
	}
}

// write captures events in a file, and returns its path.
func write(t testing.TB, events ...any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.pcapng")
	r, err := capture.Open(capture.Config{Path: path, Device: "netstack0", Version: "1.2", Log: silentLog()})
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	record(r, events...)
	if err := r.Close(patience); err != nil {
		t.Fatal(err)
	}
	if r.Lost() != 0 {
		t.Fatalf("%d events lost", r.Lost())
	}
	return path
}

// A block is a packet as gopacket reads it.
type block struct {
	Info    gopacket.CaptureInfo
	Data    []byte
	Options pcapgo.NgPacketOptions
}

func (b block) comment() string { return strings.Join(b.Options.Comments, "\n") }

// value returns the value of a key in a comment, the last one, and whether it
// is there. It must not have spaces.
func value(comment, key string) (v string, ok bool) {
	for pair := range strings.SplitSeq(comment, " ") {
		if k, val, is := strings.Cut(pair, "="); is && k == key {
			v, ok = val, true
		}
	}
	return v, ok
}

// read reads a capture with gopacket's reader. With whole, nothing may be
// wrong with its end.
func read(t testing.TB, r io.Reader, whole bool) (*pcapgo.NgReader, []block) {
	t.Helper()
	ng, err := pcapgo.NewNgReader(r, pcapgo.NgReaderOptions{})
	if err != nil {
		t.Fatalf("read capture: %v", err)
	}
	var blocks []block
	for {
		data, info, options, err := ng.ReadPacketDataWithOptions()
		if err != nil {
			if whole && err != io.EOF {
				t.Fatalf("after %d packets: %v", len(blocks), err)
			}
			return ng, blocks
		}
		blocks = append(blocks, block{info, data, options})
	}
}

func readFile(t testing.TB, path string) (*pcapgo.NgReader, []block) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return read(t, f, true)
}

// need skips a test without a tool, and fails it where none may be missing.
func need(t testing.TB, tool string) {
	t.Helper()
	if _, err := lookPath(tool); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", tool)
		}
		t.Skipf("%s is not installed", tool)
	}
}

// checkGolden compares with a file of testdata, or writes it with -update.
func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file: %v; -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func mustHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
