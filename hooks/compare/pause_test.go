package compare_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/trace"
)

// TestPause: what is seen goes where it is to go, and a pause is no fault of anybody.
func TestPause(t *testing.T) {
	off := func(b *bench) { b.comparer.Trace(nil) }
	on := func(b *bench) { b.comparer.Trace(b.rec) }
	second := echo
	second.Seq = 2
	fragments := bt.Split(request4(bt.Echo{ID: 1, Data: bt.Data(100)}), 5, 64)
	for _, test := range []struct {
		name   string
		steps  []step
		want   []line
		counts compare.Counts
	}{
		{"paused", []step{off, in(request4(echo)), out(reply4(echo)), pass}, nil, compare.Counts{}},
		{"paused twice", []step{off, off, on, in(request4(echo)), out(reply4(echo))}, []line{
			{1, "in", "answered", "", 0, ""}, {2, "out", "sent", "", 0, ""}, {3, "compare", "match", "", 1, "reply"},
		}, compare.Counts{Match: 1}},
		{"a reply in the pause", []step{in(request4(echo)), off, out(reply4(echo)), pass}, []line{
			{1, "in", "delivered", "", 0, ""},
		}, compare.Counts{Unjudged: 1}},
		{"a request in the pause", []step{off, in(request4(echo)), on, out(reply4(echo)), pass}, []line{
			{1, "out", "sent", "", 0, ""},
		}, compare.Counts{Unjudged: 1}},
		{"a request long before", []step{off, on, pass, pass, out(reply4(echo))}, []line{
			{1, "out", "sent", "", 0, ""}, {2, "compare", "unexpected", "", 0, "silence"},
		}, compare.Counts{Unexpected: 1}},
		{"after the pause", []step{in(request4(echo)), off, on, in(request4(second)), pass}, []line{
			{1, "in", "delivered", "", 0, ""}, {2, "in", "delivered", "", 0, ""}, {3, "compare", "missing", "", 2, "reply"},
		}, compare.Counts{Unjudged: 1, Missing: 1}},
		{"a connection opened in the pause", []step{off, in(segment(7, bt.Syn)), on, in(segment(7, bt.Ack)), pass}, []line{
			{1, "in", "delivered", "", 0, ""},
		}, compare.Counts{}},
		{"no connection opened in the pause", []step{off, in(request4(echo)), on, in(segment(7, bt.Ack)), pass}, []line{
			{1, "in", "dropped", "no-connection", 0, ""}, {2, "compare", "missing", "no-connection", 1, "reply"},
		}, compare.Counts{Missing: 1}},
		{"a fragment in the pause", []step{off, in(fragments[0]), on, in(fragments[1]), pass}, []line{
			{1, "in", "delivered", "", 0, ""}, {2, "compare", "missing", "", 1, "reply"},
		}, compare.Counts{Missing: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newServingBench()
			for _, s := range test.steps {
				s(b)
			}
			if d := cmp.Diff(test.want, lines(b.rec.take())); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
			if d := cmp.Diff(test.counts, b.comparer.Counts()); d != "" {
				t.Errorf("counts (-want +got):\n%s", d)
			}
			b.comparer.Close()
		})
	}
}

// TestPauseTimeouts: a datagram that did not become whole in a pause is nobody's fault.
func TestPauseTimeouts(t *testing.T) {
	b := newServingBench()
	b.comparer.Trace(nil)
	b.in(bt.Split(request4(bt.Echo{ID: 1, Data: bt.Data(100)}), 5, 64)[0])
	for range 120 { // a minute
		b.now = b.now.Add(time.Second / 2)
		b.comparer.Sweep(b.now)
	}
	b.comparer.Trace(b.rec)
	b.pass()
	b.pass()
	if d := cmp.Diff(compare.Counts{}, b.comparer.Counts()); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
}

// A lent tracer says when it gets something that it was not to get any more.
type lent struct {
	recorder
	over  atomic.Bool
	after atomic.Uint64
}

func (l *lent) Packet(p *trace.Packet)      { l.check(); l.recorder.Packet(p) }
func (l *lent) Compare(c *trace.Comparison) { l.check(); l.recorder.Compare(c) }
func (l *lent) check() {
	if l.over.Load() {
		l.after.Add(1)
	}
}

// TestTraceChanges: while tracers change and pauses begin and end, each event goes to
// one tracer, each request has one fate, and nothing is taken for a fault.
func TestTraceChanges(t *testing.T) {
	const changes, ways = 300, 3
	ledger := hooks.NewLedger(hooks.DropReasons(), byhand.DropReasons())
	c := compare.New(compare.Config{Host: byhand.New(addrs), Ledger: ledger, Responder: "netstack"})
	if c.Comparing() {
		t.Error("without a tracer it compares")
	}
	c.Start()
	stop := make(chan struct{})
	var moving sync.WaitGroup
	for way := range ways {
		moving.Go(func() {
			e := echo
			e.ID = uint16(way)
			for {
				select {
				case <-stop:
					return
				default:
				}
				e.Seq++
				var request, reply hooks.Packet
				request.Set(hooks.Inbound, slices.Clone(request4(e)), time.Now())
				c.Inbound(&request)
				reply.Set(hooks.Outbound, slices.Clone(reply4(e)), time.Now())
				c.Outbound(&reply)
			}
		})
	}
	var all []*lent
	for i := range changes {
		if i%4 == 3 {
			c.Trace(nil)
		} else {
			all = append(all, new(lent))
			c.Trace(all[len(all)-1])
		}
		for _, earlier := range all[:max(len(all)-1, 0)] {
			earlier.over.Store(true)
		}
		for n, end := c.Counts().Match, time.Now().Add(time.Second); i%4 != 3 && c.Counts().Match == n && time.Now().Before(end); {
			time.Sleep(10 * time.Microsecond)
		}
	}
	close(stop)
	moving.Wait()
	c.Close()

	var packets, matched uint64
	last := uint64(0)
	for _, l := range all {
		if n := l.after.Load(); n > 0 {
			t.Errorf("%d events came to a tracer after another had taken its place", n)
		}
		for _, e := range l.take() {
			switch e := e.(type) {
			case trace.Packet:
				if e.Direction == hooks.Inbound {
					packets++
				}
				last = max(last, e.Seq)
			case trace.Comparison:
				matched++
				last = max(last, e.Seq)
			}
		}
	}
	counts := c.Counts()
	if counts.Differ+counts.Missing+counts.Unexpected > 0 || counts.Match != matched || matched == 0 {
		t.Errorf("%+v, and %d matches were traced", counts, matched)
	}
	settled := uint64(0)
	for _, n := range ledger.Totals().InFates {
		settled += n
	}
	if settled != packets {
		t.Errorf("%d requests were traced, %d had a fate", packets, settled)
	}
	t.Logf("%d events, %+v", last, counts)
}
