package respond_test

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/respond"
)

// A turn is a hook that has others answer at its place in the chain, once.
type turn struct{ do func() }

func (t *turn) Inbound(*hooks.Packet) {
	if do := t.do; do != nil {
		t.do = nil
		do()
	}
}

func (*turn) Outbound(*hooks.Packet) {}

const deskName = "fifo:/somewhere"

// newTurning is newHost with a desk that is asked when somebody says so, and a turn at
// each place between the hooks.
func newTurning(t *testing.T, c respond.Config) (*host, *respond.Desk, []*turn) {
	t.Helper()
	h := &host{ledger: hooks.NewLedger(hooks.DropReasons(), byhand.DropReasons())}
	c.Addresses = addrs
	d := respond.NewDesk(respond.DeskConfig{Name: deskName, Send: func(reply []byte, a hooks.Answer) error { return h.Send(reply, a) }})
	c.Desks = []*respond.Desk{d}
	h.Answerers = respond.New(c)
	h.comparer = compare.New(compare.Config{
		Host: byhand.New(addrs), Ledger: h.ledger, Tracer: &h.diary, Responder: respond.Netstack, Live: h.LiveOf,
		Unshadowed: func() bool { return !h.Shadowed(respond.Netstack) },
	})
	turns := []*turn{{}, {}, {}, {}}
	h.build(t, addrs, turns[0], h.Suppress(), turns[1], h.comparer, turns[2], h.Ask(), turns[3])
	return h, d, turns
}

// answered returns the replies that left after a request, from the desk too.
func (h *host) answered(t *testing.T, d *respond.Desk) (replies [][]byte) {
	t.Helper()
	replies = h.echoes()
	for _, r := range d.Pending() {
		q, ok := respond.NewQuestion(byhand.New(addrs), r.Packet, r.Received)
		if !ok {
			t.Fatalf("%x waits", r.Packet)
		}
		if _, err := d.Reply(q.Hand); err != nil {
			t.Fatal(err)
		}
	}
	return append(replies, h.echoes()...)
}

var turned = []respond.Config{
	{Default: respond.Netstack},
	{Default: respond.Netstack, Shadows: both},
	{Default: respond.ByHand, Shadows: both},
	{Default: respond.ByHand},
	{Default: deskName, Shadows: both},
	{Default: respond.Netstack, For: map[netip.Addr]string{netip.MustParseAddr(host4): deskName}},
}

// TestChangeUnderWay: wherever a request is when others are to answer, there is one reply
// to it, and the comparison knows whose; so there is to the next one.
func TestChangeUnderWay(t *testing.T) {
	for from, before := range turned {
		for to, after := range turned {
			for at := range 4 {
				t.Run(fmt.Sprintf("%d to %d at %d", from, to, at), func(t *testing.T) {
					h, d, turns := newTurning(t, before)
					turns[at].do = func() { h.Change(after) }
					for seq := range uint16(3) {
						echo := bt.Echo{ID: 9, Seq: seq, Data: bt.Data(56)}
						h.Inbound(request4(echo))
						if out := h.answered(t, d); len(out) != 1 {
							t.Errorf("%d replies to request %d, want one", len(out), seq)
						}
						who := before.Default
						if at == 0 || seq > 0 {
							who = after.Default
						}
						if c := [2]respond.Config{before, after}[btoi(at == 0 || seq > 0)]; c.For != nil {
							who = deskName
						}
						live := 0
						for _, line := range h.diary.take() {
							var by string
							var of uint64
							if _, err := fmt.Sscanf(line, "match of %s to #%d, live true", &by, &of); err == nil {
								live++
								if by != who && by+":/somewhere" != who {
									t.Errorf("request %d: %s, want %s", seq, line, who)
								}
							}
						}
						if live != 1 {
							t.Errorf("request %d is compared %d times as live", seq, live)
						}
					}
					for _, c := range h.Scorecards() {
						if c.Unasked > 0 || c.Repeated > 0 || len(c.Wrong) > 0 || c.Answered != c.Requests {
							t.Errorf("scorecard %+v", c)
						}
					}
				})
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestChangeFragmented: the same for a request that has come in part.
func TestChangeFragmented(t *testing.T) {
	for from, before := range turned {
		for to, after := range turned {
			h, d, _ := newTurning(t, before)
			for _, c := range []respond.Config{after, before, after} {
				for i, f := range bt.Split(request4(bt.Echo{ID: 9, Seq: 7, Data: bt.Data(900)}), 1, bt.Every(400, 908)...) {
					h.Inbound(f)
					if i == 0 {
						h.Change(c)
					}
				}
				if out := h.answered(t, d); len(out) != 1 {
					t.Errorf("%d to %d: %d replies, want one", from, to, len(out))
				}
			}
		}
	}
}

// TestChangeStorm: whatever changes while packets come, there is one reply to each.
func TestChangeStorm(t *testing.T) {
	h, d, _ := newTurning(t, turned[0])
	done := make(chan struct{})
	var changing sync.WaitGroup
	changing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				h.Change(turned[i%len(turned)])
			}
		}
	})
	for seq := range uint16(300) {
		h.Inbound(request4(bt.Echo{ID: 9, Seq: seq, Data: bt.Data(56)}))
		h.Inbound(request6(bt.Echo{ID: 9, Seq: seq, Data: bt.Data(56)}))
		if out := h.answered(t, d); len(out) != 2 {
			t.Fatalf("%d replies to two requests", len(out))
		}
	}
	close(done)
	changing.Wait()
	for _, line := range h.diary.take() {
		if slices.ContainsFunc([]string{"differ", "missing", "unexpected"}, func(bad string) bool { return len(line) > len(bad) && line[:len(bad)] == bad }) {
			t.Error(line)
		}
	}
}

// TestChangeScorecards: who has answered keeps its scorecard, and says whether it is live.
func TestChangeScorecards(t *testing.T) {
	h, d, _ := newTurning(t, turned[0])
	lives := func() map[string]bool {
		live := map[string]bool{}
		for _, c := range h.Scorecards() {
			live[c.Name] = c.Live
		}
		return live
	}
	want(t, "netstack alone", map[string]bool{}, lives())
	h.Change(respond.Config{Default: deskName, Shadows: both})
	h.Inbound(request4(bt.Echo{ID: 9, Seq: 1}))
	h.answered(t, d)
	want(t, "a desk", map[string]bool{deskName: true, respond.Netstack: false, respond.ByHand: false}, lives())
	h.Change(turned[0])
	want(t, "netstack again", map[string]bool{deskName: false, respond.Netstack: true, respond.ByHand: false}, lives())
	if c := h.Scorecards()[1]; c.Name != deskName || c.Answered != 1 {
		t.Errorf("the desk's: %+v", c)
	}
}

// TestDeskClose: what waits when a desk is closed is counted, and what comes after that.
func TestDeskClose(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	for range 3 {
		b.ask(t, bits(t, goldenRequest))
	}
	if _, err := b.Reply(bits(t, goldenReply)); err != nil {
		t.Fatal(err)
	}
	b.Close()
	b.ask(t, bits(t, goldenRequest))
	b.Close()
	if diff := cmp.Diff(map[string]uint64{respond.ReasonEnded: 3}, b.Drops()); diff != "" {
		t.Error(diff)
	}
}
