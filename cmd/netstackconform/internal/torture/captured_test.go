package torture

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"netstackd/hooks"
	"netstackd/hooks/capture"
	"netstackd/hooks/guard"
	"netstackd/hooks/trace"
)

// TestCaptured: whoever reads the capture judges as who is told in the process.
func TestCaptured(t *testing.T) {
	for _, way := range []Config{
		{Seed: 1, Part: 10, Packets: 4_000, Guard: "strict", Offload: true},
		{Seed: 1, Part: 11, Packets: 4_000, Guard: "on"},
	} {
		t.Run(way.Name(), func(t *testing.T) {
			log, _ := logtest.NewNullLogger()
			file := filepath.Join(t.TempDir(), "torture.pcapng")
			recorder, err := capture.Open(capture.Config{Path: file, Device: "torture", Log: log})
			if err != nil {
				t.Fatal(err)
			}
			recorder.Start()
			told := NewJudge()
			o, want := through(t, way, trace.NewTee(told, recorder)), &Outcome{}
			told.tell(want)
			if err := recorder.Close(time.Minute); err != nil || recorder.Lost() > 0 {
				t.Fatalf("%v, %d events lost", err, recorder.Lost())
			}
			judge, got := NewJudge(), &Outcome{}
			c := newCaptured(judge)
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			c.start(f)
			if err := c.wait(time.Minute); err != nil {
				t.Fatal(err)
			}
			judge.tell(got)
			// The reference host's replies are not in a capture.
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Finding{}, "Hand", "Reply", "Request")); diff != "" {
				t.Errorf("told in process, and captured: %s", diff)
			}
			compared := o.Counts.Compare
			if want := (results{compared.Match, compared.Differ, compared.Missing, compared.Unexpected}); c.results != want || len(got.Listed) < 5 {
				t.Errorf("the capture tells of %+v, want %+v; listed %v", c.results, want, got.Listed)
			}
		})
	}
}

// through sends packets through a path, of whose comparisons tracer is told.
func through(t *testing.T, c Config, tracer trace.Tracer) *Outcome {
	t.Helper()
	mode, err := guard.ParseMode(c.Guard)
	if err != nil {
		t.Fatal(err)
	}
	log, _ := logtest.NewNullLogger()
	path, err := NewPath(&c, mode, tracer, log)
	if err != nil {
		t.Fatal(err)
	}
	f := newFeed(path.device.send)
	reader := path.hear(f.heard)
	o := c.outcome()
	if err := errors.Join(f.feed(t.Context(), c, o, nil), path.Close()); err != nil {
		t.Error(err)
	}
	reader.Wait()
	if err := path.device.free(); err != nil {
		t.Error(err)
	}
	o.Counts = path.counts()
	return o
}

// TestRemark: a comment is taken apart, whatever stands in its values, and what is no
// comment of ours is refused.
func TestRemark(t *testing.T) {
	const text = `seq=12 dir=in fate=answered reason= ipv4=ok verdict=ok problem="bad = \"x\" y" trailing=3 ` +
		`compare=differ compare.seq=14 request=12 reply=13 responder=netstack live=true due=reply compare.reason=closed-port rfc="RFC 792" ` +
		`compare.mended=a,b latency_us=1 diffs="source@8:fd00::1/fd00::2:must,message@20:icmpv4 type 8 code 0/none:may,data@30:a,b@1:x/y:must"`
	got, err := parseRemark(text)
	want := remark{seq: 12, direction: hooks.Inbound, fate: hooks.Answered, trailing: 3, compared: []trace.Comparison{{
		Result: trace.Differ, Request: 12, Reply: 13, Replied: true, Due: "reply", Reason: "closed-port", RFC: "RFC 792", Mended: []string{"a", "b"},
		Diffs: []trace.Diff{
			{Field: "source", Offset: 8, Netstack: "fd00::1", Hand: "fd00::2", Class: trace.Must},
			{Field: "message", Offset: 20, Netstack: "icmpv4 type 8 code 0", Hand: "none", Class: trace.May},
			{Field: "data", Offset: 30, Netstack: "a,b@1:x", Hand: "y", Class: trace.Must},
		},
	}}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(remark{}), cmpopts.EquateComparable()); err != nil || diff != "" {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	for _, text := range []string{"", "dir=in", "seq=1", "seq=x dir=in", "seq=1 dir=in reason=\"", "word", "seq=1 dir=in compare=differ diffs=none"} {
		if m, err := parseRemark(text); err == nil {
			t.Errorf("%q: %+v", text, m)
		}
	}
}
