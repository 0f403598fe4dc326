package trace_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is more than any writer here needs.
const patience = 20 * time.Second

// silentLog discards.
func silentLog() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// record writes a scene the way the daemon does.
func record(t testing.TB, level trace.Level, format trace.Format, s scene) string {
	t.Helper()
	var out bytes.Buffer
	r, err := trace.NewRecorder(&out, level, format, silentLog())
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	for _, e := range s.events {
		switch e := e.(type) {
		case trace.Packet:
			if !r.WantsBytes() {
				e.Packet.Bytes = nil
			}
			r.Packet(&e)
		case trace.Comparison:
			if !r.WantsBytes() {
				e.RequestBytes, e.ReplyByHand = nil, nil
			}
			r.Compare(&e)
		default:
			t.Fatalf("%s: an event of type %T", s.name, e)
		}
	}
	if err := r.Close(s.summary, patience); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return out.String()
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
		t.Errorf("%s differs (-want +got), -update rewrites it:\n%s", path, diff)
	}
}

// TestGolden renders every scene. At level explain, what hooks/wire tells of a
// packet is its own affair, and golden there: here one line stands for it.
func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		level  trace.Level
		format trace.Format
	}{
		{trace.Packets, trace.Text},
		{trace.Compare, trace.Text},
		{trace.Explain, trace.Text},
		{trace.Packets, trace.JSON},
		{trace.Compare, trace.JSON},
	} {
		name := fmt.Sprintf("%s-%s.golden", tt.format, tt.level)
		t.Run(name, func(t *testing.T) {
			var golden strings.Builder
			for _, s := range scenes(t) {
				got := record(t, tt.level, tt.format, s)
				if tt.level == trace.Explain {
					got = elide(t, s, got)
				}
				fmt.Fprintf(&golden, "## %s\n%s\n", s.name, got)
			}
			checkGolden(t, name, golden.String())
		})
	}
}

// elide puts a line in the place of each explanation, which must be there word
// by word.
func elide(t *testing.T, s scene, got string) string {
	t.Helper()
	for _, e := range s.events {
		told, line := explanation(t, e)
		if told == "" {
			continue
		}
		var indented strings.Builder
		for l := range strings.Lines(told) {
			if strings.TrimSpace(l) != "" {
				indented.WriteString("    ")
			}
			indented.WriteString(l)
		}
		if !strings.Contains(got, indented.String()) {
			t.Errorf("%s: %s is missing in\n%s", s.name, line, got)
		}
		got = strings.Replace(got, indented.String(), "    <"+line+">\n", 1)
	}
	return got
}

// explanation returns what hooks/wire says about an event, and what that is.
func explanation(t testing.TB, e any) (told, line string) {
	t.Helper()
	var b strings.Builder
	var err error
	switch e := e.(type) {
	case trace.Packet:
		line = fmt.Sprintf("explanation of #%d", e.Seq)
		err = wire.ExplainOffloaded(&b, e.Packet.Bytes, e.Packet.Offload)
	case trace.Comparison:
		if e.ReplyByHand == nil {
			return "", ""
		}
		line = fmt.Sprintf("explanation of the reply to #%d", e.Request)
		if reply := new(wire.Packet); reply.Decode(e.ReplyByHand) && reply.ICMP.Type != 0 && reply.ICMP.Type != 129 {
			b.WriteString("The reply made by hand:\n\n")
			err = wire.Explain(&b, e.ReplyByHand)
			break
		}
		err = wire.ExplainReply(&b, e.RequestBytes, e.ReplyByHand)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), line
}

// TestTimes: text shows the time of the place, as tcpdump does, JSON that of
// Greenwich.
func TestTimes(t *testing.T) {
	p := packet(1, "in", sample(t, "echo-request"), "answered", "")
	p.Time = start.In(time.FixedZone("two hours east", 2*60*60))
	s := scene{name: "times", events: []any{p}}
	if got := record(t, trace.Packets, trace.Text, s); !strings.HasPrefix(got, "11:30:07.123456 ") {
		t.Errorf("text: %s, want local time", got)
	}
	if got := record(t, trace.Packets, trace.JSON, s); !strings.Contains(got, `"ts":"2026-08-14T09:30:07.123456Z"`) {
		t.Errorf("JSON: %s, want UTC", got)
	}
}
