package compare_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/tcpip/faketime"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/trace"
)

// TestReassemblyTimeouts: what netstack does, and what it is called, when the
// rest of a datagram does not come.
func TestReassemblyTimeouts(t *testing.T) {
	const timeout4, timeout6 = 30 * time.Second, 60 * time.Second
	udp4, udp6 := bt.Split(datagram(peer4, host4, 7, 3000), 5, 1000, 2000), bt.Split(datagram(peer6, host6, 7, 3000), 5, 1000, 2000)
	long := bt.Echo{ID: 1, Data: bt.Data(3000)}
	for _, test := range []struct {
		name    string
		packets [][]byte
		timeout time.Duration
		want    compare.Counts
	}{
		{"IPv4", udp4[:1], timeout4, compare.Counts{Match: 1}},
		{"IPv4, all but one", udp4[:2], timeout4, compare.Counts{Match: 1}},
		{"IPv6", udp6[:1], timeout6, compare.Counts{Match: 1}},
		{"IPv4, without the first", udp4[1:], timeout4, compare.Counts{}},
		{"IPv6, without the first", udp6[1:], timeout6, compare.Counts{}},
		{"whole", udp4, timeout4, compare.Counts{}},
		{"deviation: an echo (RFC 1122 §3.3.2)", bt.Split(request4(long), 5, 1000)[:1], timeout4, compare.Counts{Missing: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := &recorder{}
			ledger := hooks.NewLedger(hooks.DropReasons(), byhand.DropReasons())
			c := compare.New(compare.Config{
				Host:   byhand.NewHost(byhand.Config{Addresses: addrs, UDPPorts: openPorts}),
				Ledger: ledger, Tracer: rec, Responder: "netstack",
			})
			clock := faketime.NewManualClock()
			n, err := comparetest.NewAt(clock, ledger, addrs, c)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			if err := n.Listen(nil, openPorts); err != nil {
				t.Fatal(err)
			}
			for _, p := range test.packets {
				n.Inbound(p)
			}
			now := time.Now()
			for at := time.Duration(0); at < test.timeout; at += time.Second / 4 {
				c.Sweep(now.Add(at)) // up to the very end
			}
			clock.Advance(test.timeout + time.Millisecond)
			n.Outbound()
			c.Sweep(now.Add(test.timeout + 3*time.Second))
			if diff := cmp.Diff(test.want, c.Counts()); diff != "" {
				t.Error(diff)
			}
			for _, e := range comparisons(rec.take()) {
				if e.Request != 1 || e.Reason != byhand.ReasonReassemblyTimeout {
					t.Errorf("%+v", e)
				}
			}
			totals := ledger.Totals()
			if n := totals.InFates[hooks.Delivered]; n != totals.In {
				t.Errorf("%d of %d delivered", n, totals.In)
			}
		})
	}
}

// TestLateFragment: a last fragment that comes when the time is about up leaves
// it open whether an error is due.
func TestLateFragment(t *testing.T) {
	b := newServingBench()
	fragments := bt.Split(datagram(peer4, host4, 7, 2000), 5, 1000)
	b.in(fragments[0])
	start := b.now
	b.now = start.Add(29500 * time.Millisecond)
	b.comparer.Sweep(b.now)
	b.in(fragments[1])
	b.now = start.Add(40 * time.Second)
	b.comparer.Sweep(b.now)
	if diff := cmp.Diff(compare.Counts{}, b.comparer.Counts()); diff != "" {
		t.Error(diff)
	}
	for _, c := range comparisons(b.rec.take()) {
		t.Errorf("%s", trace.Result(c.Result))
	}
}

// TestLateSweeper: a sweeper that stood still while a datagram's time ran out accuses
// nobody, for the error may have gone out meanwhile.
func TestLateSweeper(t *testing.T) {
	b := newServingBench()
	fragments := bt.Split(datagram(peer4, host4, 7, 2000), 5, 1000)
	b.in(fragments[0])
	start := b.now
	b.now = start.Add(30500 * time.Millisecond)
	b.comparer.Sweep(start.Add(29500 * time.Millisecond))
	b.now = start.Add(40 * time.Second)
	b.comparer.Sweep(b.now)
	if diff := cmp.Diff(compare.Counts{}, b.comparer.Counts()); diff != "" {
		t.Error(diff)
	}
	for _, c := range comparisons(b.rec.take()) {
		t.Errorf("%s", trace.Result(c.Result))
	}
}
