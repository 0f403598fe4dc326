package compare_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/compare"
	"netstackd/hooks/trace"
)

// TestAnswers: where another answers, the request's fate is what becomes of its
// answer, and netstack's reply is judged beside, whichever comes first, late or not
// at all.
func TestAnswers(t *testing.T) {
	const (
		netstack = "netstack, suppressed"
		fifo     = "fifo"
		deadline = "deadline"
	)
	for _, c := range []struct {
		steps []string
		want  []string
	}{
		{[]string{netstack, fifo}, []string{"#2 suppressed", "netstack match #1 live=false", "#1 answered", "#4 sent", "fifo match #1 live=true"}},
		{[]string{fifo, netstack}, []string{"#1 answered", "#2 sent", "fifo match #1 live=true", "#4 suppressed", "netstack match #1 live=false"}},
		{[]string{netstack, deadline, fifo}, []string{"#2 suppressed", "netstack match #1 live=false", "#1 delivered", "#4 sent", "fifo match #1 live=true"}},
		{[]string{fifo, deadline}, []string{"#1 answered", "#2 sent", "fifo match #1 live=true", "netstack missing #1 live=false"}},
		{[]string{deadline, fifo}, []string{"netstack missing #1 live=false", "#1 delivered", "#3 sent", "fifo match #1 live=true"}},
		{[]string{netstack, netstack, fifo}, []string{
			"#2 suppressed", "netstack match #1 live=false", "#4 suppressed", "netstack unexpected #0 live=false", "#1 answered", "#6 sent", "fifo match #1 live=true",
		}},
		{[]string{netstack}, []string{"#2 suppressed", "netstack match #1 live=false", "#1 delivered"}}, // at the end
		{nil, []string{"netstack missing #1 live=false", "#1 delivered"}},
	} {
		b := newBench()
		b.comparer = compare.New(compare.Config{
			Host: byhand.New(addrs), Ledger: b.ledger, Tracer: b.rec, Responder: "netstack", Now: b.clock,
			Live: func(*hooks.Packet, netip.Addr) string { return "fifo" },
		})
		received := b.now
		b.in(request4(echo))
		for _, step := range c.steps {
			var p hooks.Packet
			p.Set(hooks.Outbound, reply4(echo), b.now)
			switch step {
			case deadline:
				b.pass()
				continue
			case netstack:
				p.Suppress()
			case fifo:
				p.Answer = &hooks.Answer{By: "fifo", Request: 1, Received: received, Asked: request4(echo), Reply: reply4(echo), Hand: reply4(echo)}
			}
			b.comparer.Outbound(&p)
			b.now = b.now.Add(time.Microsecond)
		}
		b.comparer.Close()
		var got []string
		for _, e := range b.rec.take() {
			switch e := e.(type) {
			case trace.Packet:
				got = append(got, fmt.Sprintf("#%d %s", e.Seq, e.Fate))
			case trace.Comparison:
				got = append(got, fmt.Sprintf("%s %s #%d live=%v", e.Responder, e.Result, e.Request, e.Live))
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.steps, diff)
		}
		in := b.ledger.Totals().InFates
		if in[hooks.Answered]+in[hooks.Delivered] != 1 {
			t.Errorf("%v: fates %v", c.steps, in)
		}
	}
}
