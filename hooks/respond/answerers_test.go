package respond_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/respond"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// A diary is a tracer that notes what it is told, a line each.
type diary struct {
	mu sync.Mutex
	// lines is guarded by mu.
	lines []string
}

func (*diary) WantsBytes() bool   { return false }
func (*diary) WantsWorking() bool { return false }

func (d *diary) Packet(p *trace.Packet) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf("#%d %s %s%s", p.Seq, p.Direction, p.Fate, p.Reason))
}

func (d *diary) Compare(c *trace.Comparison) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf("%s of %s to #%d, live %v, due %s", c.Result, c.Responder, c.Request, c.Live, c.Due))
}

func (d *diary) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

// A host is netstack with answerers around the comparison.
type host struct {
	*comparetest.Netstack
	*respond.Answerers
	diary    diary
	ledger   *hooks.Ledger
	comparer *compare.Comparer
	// now is the comparison's clock.
	now time.Time
}

var otherHost = netip.MustParsePrefix("172.16.0.3/24")

func newHost(t *testing.T, c respond.Config) *host {
	t.Helper()
	h := &host{ledger: hooks.NewLedger(hooks.DropReasons(), byhand.DropReasons()), now: time.Now()}
	c.Addresses = append(slices.Clone(addrs), otherHost)
	h.Answerers = respond.New(c)
	h.comparer = compare.New(compare.Config{
		Host: byhand.New(c.Addresses), Ledger: h.ledger, Tracer: &h.diary, Responder: respond.Netstack, Live: h.LiveOf,
		Unshadowed: func() bool { return !h.Shadowed(respond.Netstack) }, Now: func() time.Time { return h.now },
	})
	h.build(t, c.Addresses, h.Suppress(), h.comparer, h.Ask())
	return h
}

// build puts netstack behind the hooks, and takes what it says at its start.
func (h *host) build(t *testing.T, addresses []netip.Prefix, chain ...hooks.Hook) {
	t.Helper()
	var err error
	if h.Netstack, err = comparetest.New(h.ledger, addresses, chain...); err != nil {
		t.Fatal(err)
	}
	h.Connect(h.Chain())
	t.Cleanup(func() {
		h.Answerers.Close()
		h.Netstack.Close()
		h.comparer.Close()
	})
	h.Outbound()
	h.diary.take()
}

// echoes are the packets among those that are ICMP echo replies, or fragments.
func (h *host) echoes() (out [][]byte) {
	for _, b := range h.Outbound() {
		var p wire.Packet
		p.Decode(b)
		if p.Fragment.IsFragment() || p.Upper == wire.LayerICMPv4 && p.ICMP.Type == 0 || p.Upper == wire.LayerICMPv6 && p.ICMP.Type == 129 {
			out = append(out, b)
		}
	}
	return out
}

func want[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var both = []string{respond.Netstack, respond.ByHand}

// TestByHandLive: the reference host answers, netstack's reply is compared and
// suppressed, and other addresses are netstack's.
func TestByHandLive(t *testing.T) {
	h := newHost(t, respond.Config{
		Default: respond.Netstack, Shadows: both,
		For: map[netip.Addr]string{netip.MustParseAddr(host4): respond.ByHand, netip.MustParseAddr(host6): respond.ByHand},
	})
	echo := bt.Echo{ID: 9, Seq: 1, Data: bt.Data(56)}
	live := []string{
		"#1 in answered", "#2 out sent", "match of byhand to #1, live true, due reply",
		"#4 out suppressed", "match of netstack to #1, live false, due reply",
	}
	h.Inbound(request4(echo))
	want(t, "replies", [][]byte{reply4(echo)}, h.echoes())
	want(t, "events", live, h.diary.take())

	h.Inbound(request6(echo))
	want(t, "replies", [][]byte{reply6(echo)}, h.echoes())
	h.diary.take()

	h.Inbound(bt.IPv4{Src: peer4, Dst: "172.16.0.3"}.Packet(echo.Request4()))
	if out := h.echoes(); len(out) != 1 {
		t.Errorf("%d replies from netstack's address", len(out))
	}
	want(t, "events", []string{"#11 in answered", "#12 out sent", "match of netstack to #11, live true, due reply"}, h.diary.take())

	bad := request4(bt.Echo{ID: 9, Seq: 2, Spoil: 1})
	h.Inbound(bad)
	if out := h.echoes(); len(out) != 0 {
		t.Errorf("a request with a bad checksum is answered: %x", out)
	}
	cards := h.Scorecards()
	for i := range cards {
		if cards[i].Latency == nil {
			t.Errorf("%s has no latency", cards[i].Name)
		}
		cards[i].Latency = nil
	}
	want(t, "scorecards", []respond.Scorecard{
		{Name: "byhand", Live: true, Requests: 3, Answered: 3, RightFirstTime: 3, Wrong: map[string]uint64{}},
		{Name: "netstack", Live: true, Requests: 3, Answered: 3, RightFirstTime: 3, Wrong: map[string]uint64{}},
	}, cards)
	if f := h.ledger.Totals().OutFates; f[hooks.Suppressed] != 2 {
		t.Errorf("fates out: %v", f)
	}
}

// TestFragmented: a request in fragments is asked whole, and its reply leaves in
// fragments no longer than the MTU; netstack's are all suppressed.
func TestFragmented(t *testing.T) {
	h := newHost(t, respond.Config{Default: respond.ByHand, Shadows: both})
	for _, size := range []int{1473, 1453, 1480, 3000, 20000, 65000} {
		for _, version := range []int{4, 6} {
			echo := bt.Echo{ID: uint16(size), Seq: uint16(version), Data: bt.Data(size)}
			request, reply := request4(echo), reply4(echo)
			if version == 6 {
				request, reply = request6(echo), reply6(echo)
			}
			if len(request) <= comparetest.MTU {
				continue
			}
			for _, f := range bt.Split(request, uint32(size), bt.Every(1400, size+8)...) {
				h.Inbound(f)
			}
			var r byhand.Reassembler
			var whole []byte
			out := h.echoes()
			for _, b := range out {
				var p wire.Packet
				p.Decode(b)
				if len(b) > comparetest.MTU || !p.Fragment.IsFragment() || !p.Problem.IsZero() {
					t.Fatalf("IPv%d, %d bytes: %d bytes in a packet, fragment %+v", version, size, len(b), p.Fragment)
				}
				if got, _ := r.Add(&p, time.Now()); got != nil {
					whole = got
				}
			}
			if version == 4 && whole != nil { // the identification is another
				copy(whole[4:6], reply[4:6])
				copy(whole[10:12], reply[10:12])
			}
			if !bytes.Equal(whole, reply) {
				t.Errorf("IPv%d, %d bytes: the %d packets make %d bytes, want %d", version, size, len(out), len(whole), len(reply))
			}
		}
	}
	for _, c := range h.Scorecards() {
		if c.Requests != 11 || c.RightFirstTime != 11 || c.Answered != 11 {
			t.Errorf("scorecard %+v", c)
		}
	}
}

// TestDeskLive: what a desk is asked it may answer late; netstack's reply is not
// sent, and the request's fate not held up.
func TestDeskLive(t *testing.T) {
	var h *host
	d := respond.NewDesk(respond.DeskConfig{Name: "fifo:/somewhere", Send: func(reply []byte, a hooks.Answer) error { return h.Send(reply, a) }})
	h = newHost(t, respond.Config{Default: d.Name(), Desks: []*respond.Desk{d}, Shadows: both})
	echo := bt.Echo{ID: 9, Seq: 1, Data: bt.Data(56)}
	h.Inbound(request4(echo))
	want(t, "replies", nil, h.echoes())
	want(t, "events", []string{"#2 out suppressed", "match of netstack to #1, live false, due reply"}, h.diary.take())
	if _, err := d.Reply(reply4(echo)); err != nil {
		t.Fatal(err)
	}
	want(t, "replies", [][]byte{reply4(echo)}, h.echoes())
	want(t, "events", []string{"#1 in answered", "#4 out sent", "match of fifo to #1, live true, due reply"}, h.diary.take())

	h.Inbound(request6(echo))
	h.diary.take()
	h.now = h.now.Add(2 * compare.DefaultDeadline)
	h.comparer.Sweep(h.now)
	want(t, "events", []string{"#6 in delivered"}, h.diary.take())
	if _, err := d.Reply(reply6(echo)); err != nil {
		t.Fatal(err)
	}
	want(t, "replies", [][]byte{reply6(echo)}, h.echoes())
	want(t, "events", []string{"#9 out sent", "match of fifo to #6, live true, due reply"}, h.diary.take())
	totals := h.ledger.Totals()
	if totals.InFates[hooks.Answered] != 1 || totals.InFates[hooks.Delivered] != 1 || totals.OutFates[hooks.Suppressed] != 2 || totals.OutFates[hooks.Sent] < 2 {
		t.Errorf("totals %+v", totals)
	}
	if sum := totals.InFates[hooks.Answered] + totals.InFates[hooks.Delivered] + totals.InFates[hooks.Dropped]; sum != totals.In {
		t.Errorf("%d fates of %d packets in", sum, totals.In)
	}
}

// TestBadReplySent: the comparison tells what the answerer did wrong.
func TestBadReplySent(t *testing.T) {
	var h *host
	d := respond.NewDesk(respond.DeskConfig{Name: "mcp", SendBadReplies: true, Send: func(reply []byte, a hooks.Answer) error { return h.Send(reply, a) }})
	h = newHost(t, respond.Config{Default: d.Name(), Desks: []*respond.Desk{d}})
	h.Inbound(request4(bt.Echo{ID: 9, Seq: 1}))
	bad := reply4(bt.Echo{ID: 9, Seq: 1, Spoil: 1})
	if v, err := d.Reply(bad); err == nil || !v.Sent {
		t.Errorf("verdict %+v, %v", v, err)
	}
	want(t, "replies", [][]byte{bad}, h.echoes())
	// Nothing is said of netstack's, for it is no shadow.
	want(t, "events", []string{"#2 out suppressed", "#1 in answered", "#3 out sent", "differ of mcp to #1, live true, due reply"}, h.diary.take())
}

// TestGroups: one reply at most to a ping to all, by the rule of the first address.
func TestGroups(t *testing.T) {
	for _, who := range []string{respond.Netstack, respond.ByHand} {
		h := newHost(t, respond.Config{
			Default: respond.Netstack, Shadows: both,
			For: map[netip.Addr]string{netip.MustParseAddr(host4): who, netip.MustParseAddr(host6): who},
		})
		for _, dst := range []string{"172.16.0.255", "255.255.255.255", "224.0.0.1"} {
			h.Inbound(bt.IPv4{Src: peer4, Dst: dst}.Packet(bt.Echo{ID: 1, Seq: 2}.Request4()))
			if out := h.echoes(); len(out) > 1 || len(out) == 0 && who == respond.ByHand {
				t.Errorf("%s, %s: %d replies", who, dst, len(out))
			}
		}
		h.Inbound(bt.IPv6{Src: peer6, Dst: "ff02::1"}.Packet(bt.Echo{ID: 1, Seq: 3}.Request6(peer6, "ff02::1")))
		if out := h.echoes(); len(out) > 1 || len(out) == 0 && who == respond.ByHand {
			t.Errorf("%s, ff02::1: %d replies", who, len(out))
		}
	}
}
