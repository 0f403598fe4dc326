package hooks_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
)

const reasonTest = "test-reason"

func newLedger() *hooks.Ledger {
	return hooks.NewLedger(hooks.DropReasons(), map[string]string{reasonTest: "dropped by a test"})
}

// dropIf returns a hook's action that drops the packets whose data is listed.
func dropIf(fate hooks.Fate, reason string, drop ...string) func(*hooks.Packet) {
	return func(p *hooks.Packet) {
		for _, text := range drop {
			if strings.HasSuffix(string(p.Bytes), text) {
				p.Drop(fate, reason)
			}
		}
	}
}

// TestOrder: every hook sees every packet once, in the order given, in both
// directions, in the method of the direction, before it is forwarded.
func TestOrder(t *testing.T) {
	log := &spyLog{}
	c, n := newChild(), &netstack{}
	first := &spy{name: "first", log: log, do: func(*hooks.Packet) {
		if len(c.written)+len(n.delivered) > 0 {
			t.Error("a hook saw a packet that had been forwarded")
		}
		c.written, n.delivered = nil, nil
	}}
	e := hooks.New(c, newLedger(), hooks.Options{}, first, &spy{name: "second", log: log}, &spy{name: "third", log: log})
	e.Attach(n)

	b := packet("hello")
	deliver(t, e, b)
	if diff := cmp.Diff([][]byte{b}, n.delivered); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	n.delivered = nil
	l := list(outbound(b))
	defer l.DecRef()
	if k, err := e.WritePackets(l); k != 1 || err != nil {
		t.Errorf("WritePackets: %d, %v, want 1, nil", k, err)
	}
	if diff := cmp.Diff([][]byte{b}, c.written); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	var want []sight
	for _, d := range []hooks.Direction{hooks.Inbound, hooks.Outbound} {
		fate := hooks.Delivered
		if d == hooks.Outbound {
			fate = hooks.Sent
		}
		for _, name := range []string{"first", "second", "third"} {
			want = append(want, sight{Hook: name, Direction: d, Bytes: string(b), Fate: fate})
		}
	}
	if diff := cmp.Diff(want, log.seen); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
	if log.wrong != nil {
		t.Errorf("%v were given packets of the other direction", log.wrong)
	}
	if diff := cmp.Diff([]tcpip.NetworkProtocolNumber{header.IPv4ProtocolNumber}, n.protocols); diff != "" {
		t.Errorf("protocol (-want +got):\n%s", diff)
	}
}

// TestDropInbound: a dropped packet does not reach netstack, later hooks see it
// dropped, the first drop counts, and the next packet starts afresh.
func TestDropInbound(t *testing.T) {
	log, ledger, n := &spyLog{}, newLedger(), &netstack{}
	e := hooks.New(newChild(), ledger, hooks.Options{},
		&spy{name: "dropper", log: log, do: dropIf(hooks.Guarded, reasonTest, "bad")},
		&spy{name: "later", log: log, do: dropIf(hooks.Dropped, hooks.ReasonDetached, "bad")},
		&spy{name: "last", log: log, do: func(p *hooks.Packet) {
			if p.Stopped() {
				p.Expect(hooks.Answered, "") // too late, it has a fate
			}
		}})
	e.Attach(n)
	for _, text := range []string{"good", "bad", "good too"} {
		deliver(t, e, packet(text))
	}
	if diff := cmp.Diff([]string{"good", "good too"}, texts(n.delivered)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	bad := string(packet("bad"))
	want := []sight{
		{"dropper", hooks.Inbound, bad, hooks.Delivered, "", false},
		{"later", hooks.Inbound, bad, hooks.Guarded, reasonTest, true},
		{"last", hooks.Inbound, bad, hooks.Guarded, reasonTest, true},
	}
	if diff := cmp.Diff(want, log.seen[3:6]); diff != "" {
		t.Errorf("seen of the dropped packet (-want +got):\n%s", diff)
	}
	for _, s := range append(log.seen[:3:3], log.seen[6:]...) {
		if s.Fate != hooks.Delivered || s.Reason != "" || s.Stopped {
			t.Errorf("%s saw %+v, want it delivered", s.Hook, s)
		}
	}
	totals := ledger.Totals()
	if diff := cmp.Diff(map[hooks.Fate]uint64{"delivered": 2, "guarded": 1, "answered": 0, "dropped": 0}, totals.InFates); diff != "" {
		t.Errorf("fates (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]uint64{reasonTest: 1}, totals.Drops); diff != "" {
		t.Errorf("drops (-want +got):\n%s", diff)
	}
}

// TestDropOutbound drops packets at each place of a list. The rest is written
// in its order, in one list, and the dropped ones count as written.
func TestDropOutbound(t *testing.T) {
	for _, tt := range []struct {
		name  string
		drop  []string
		room  int // of the child
		want  []string
		n     int
		err   tcpip.Error
		lists int
	}{
		{name: "none", room: -1, want: []string{"a", "b", "c", "d"}, n: 4, lists: 1},
		{name: "first", drop: []string{"a"}, room: -1, want: []string{"b", "c", "d"}, n: 4, lists: 1},
		{name: "middle", drop: []string{"b"}, room: -1, want: []string{"a", "c", "d"}, n: 4, lists: 1},
		{name: "last", drop: []string{"d"}, room: -1, want: []string{"a", "b", "c"}, n: 4, lists: 1},
		{name: "first and last", drop: []string{"a", "d"}, room: -1, want: []string{"b", "c"}, n: 4, lists: 1},
		{name: "all but the last", drop: []string{"a", "b", "c"}, room: -1, want: []string{"d"}, n: 4, lists: 1},
		{name: "all", drop: []string{"a", "b", "c", "d"}, room: -1, n: 4},
		{name: "one, and the child fails", drop: []string{"b"}, room: 1, want: []string{"a"}, n: 2, err: &tcpip.ErrNoBufferSpace{}, lists: 1},
		{name: "none, and the child fails", room: 2, want: []string{"a", "b"}, n: 2, err: &tcpip.ErrNoBufferSpace{}, lists: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, ledger := newChild(), newLedger()
			c.room = tt.room
			e := hooks.New(c, ledger, hooks.Options{}, &spy{log: &spyLog{}, do: dropIf(hooks.Dropped, reasonTest, tt.drop...)})
			l := list(outbound(packet("a")), outbound(packet("b")), outbound(packet("c")), outbound(packet("d")))
			defer l.DecRef()
			before := append([]*stack.PacketBuffer(nil), l.AsSlice()...)
			n, err := e.WritePackets(l)
			if n != tt.n || !cmp.Equal(fmt.Sprint(err), fmt.Sprint(tt.err)) {
				t.Errorf("WritePackets: %d, %v, want %d, %v", n, err, tt.n, tt.err)
			}
			if diff := cmp.Diff(tt.want, texts(c.written)); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
			if c.lists != tt.lists {
				t.Errorf("the child got %d lists, want %d", c.lists, tt.lists)
			}
			for i, pkt := range l.AsSlice() {
				if pkt != before[i] {
					t.Errorf("the caller's list was changed at %d", i)
				}
			}
			totals := ledger.Totals()
			dropped := uint64(len(tt.drop))
			if diff := cmp.Diff(map[hooks.Fate]uint64{"sent": 4 - dropped, "dropped": dropped}, totals.OutFates); diff != "" {
				t.Errorf("fates (-want +got):\n%s", diff)
			}
			if totals.Drops[reasonTest] != dropped || totals.Out != 4 {
				t.Errorf("counted %d drops of %d packets, want %d of 4", totals.Drops[reasonTest], totals.Out, dropped)
			}
		})
	}
}

// TestHold: the packet goes on, and the ledger waits for the hook to settle it. It is
// counted until it is delivered.
func TestHold(t *testing.T) {
	ledger, n := newLedger(), &netstack{}
	var within atomic.Int64
	e := hooks.New(newChild(), ledger, hooks.Options{}, &spy{log: &spyLog{}, do: func(p *hooks.Packet) {
		p.Hold(&within)
		if within.Load() != 1 {
			t.Error("a held packet is not counted")
		}
	}})
	e.Attach(n)
	deliver(t, e, packet("held"))
	if len(n.delivered) != 1 {
		t.Fatal("a held packet was not delivered")
	}
	if within.Load() != 0 {
		t.Error("a held packet is counted when it is delivered")
	}
	if totals := ledger.Totals(); totals.In != 1 || sum(totals.InFates) != 0 {
		t.Errorf("before it was settled: %+v, want one packet in and no fate", totals)
	}
	ledger.Settle(hooks.Inbound, hooks.Answered, "")
	if totals := ledger.Totals(); totals.InFates[hooks.Answered] != 1 || sum(totals.InFates) != 1 {
		t.Errorf("after it was settled: %+v, want one packet answered", totals)
	}
}

// TestExpect: the packet goes on with the fate expected of it; a drop, before
// or after, is stronger.
func TestExpect(t *testing.T) {
	expect := func(p *hooks.Packet) { p.Expect(hooks.Dropped, hooks.ReasonDetached) }
	drop := func(p *hooks.Packet) { p.Drop(hooks.Guarded, reasonTest) }
	for _, tt := range []struct {
		name      string
		do        []func(*hooks.Packet)
		delivered int
		fate      hooks.Fate
		reason    string
	}{
		{"expect", []func(*hooks.Packet){expect}, 1, hooks.Dropped, hooks.ReasonDetached},
		{"expect, drop", []func(*hooks.Packet){expect, drop}, 0, hooks.Guarded, reasonTest},
		{"drop, expect", []func(*hooks.Packet){drop, expect}, 0, hooks.Guarded, reasonTest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ledger, n := newLedger(), &netstack{}
			var chain []hooks.Hook
			for _, do := range tt.do {
				chain = append(chain, &spy{log: &spyLog{}, do: do})
			}
			e := hooks.New(newChild(), ledger, hooks.Options{}, chain...)
			e.Attach(n)
			deliver(t, e, packet("x"))
			if len(n.delivered) != tt.delivered {
				t.Errorf("delivered %d times, want %d", len(n.delivered), tt.delivered)
			}
			totals := ledger.Totals()
			if totals.InFates[tt.fate] != 1 || sum(totals.InFates) != 1 || totals.Drops[tt.reason] != 1 || len(totals.Drops) != 1 {
				t.Errorf("counted %v and %v, want one %s for %s", totals.InFates, totals.Drops, tt.fate, tt.reason)
			}
		})
	}
}

// TestAttach follows the endpoint through its life. While it is detached
// nothing is delivered, but seen by the hooks and counted.
func TestAttach(t *testing.T) {
	c, ledger, log := newChild(), newLedger(), &spyLog{}
	e := hooks.New(c, ledger, hooks.Options{}, &spy{log: log})
	if e.IsAttached() {
		t.Error("attached before Attach")
	}
	deliver(t, e, packet("early"))

	n := &netstack{}
	e.Attach(n)
	if !e.IsAttached() || !c.IsAttached() {
		t.Error("not attached after Attach")
	}
	if c.dispatcher != stack.NetworkDispatcher(e) {
		t.Error("the child does not deliver to the chain")
	}
	c.dispatcher.DeliverNetworkPacket(header.IPv4ProtocolNumber, release(t, inbound(packet("in time"))))
	e.DeliverLinkPacket(header.IPv4ProtocolNumber, release(t, inbound(packet("link"))))

	e.Attach(nil)
	if e.IsAttached() || c.IsAttached() {
		t.Error("attached after Attach(nil)")
	}
	deliver(t, e, packet("late"))
	e.DeliverLinkPacket(header.IPv4ProtocolNumber, release(t, inbound(packet("link"))))

	again := &netstack{}
	e.Attach(again)
	deliver(t, e, packet("again"))

	if diff := cmp.Diff([]string{"in time"}, texts(n.delivered)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"again"}, texts(again.delivered)); diff != "" {
		t.Errorf("delivered to the second dispatcher (-want +got):\n%s", diff)
	}
	if n.link != 1 {
		t.Errorf("%d link packets, want 1", n.link)
	}
	if diff := cmp.Diff([]bool{true, false, true}, c.attached); diff != "" {
		t.Errorf("the child was attached (-want +got):\n%s", diff)
	}
	totals := ledger.Totals()
	if totals.In != 4 || totals.InFates[hooks.Dropped] != 2 || totals.InFates[hooks.Delivered] != 2 || totals.Drops[hooks.ReasonDetached] != 2 {
		t.Errorf("counted %+v, want 2 of 4 packets dropped as detached", totals)
	}
	if len(log.seen) != 4 || !log.seen[0].Stopped || log.seen[0].Reason != hooks.ReasonDetached || log.seen[1].Stopped {
		t.Errorf("the hook saw %+v", log.seen)
	}
}

// release lets a packet go when the test ends.
func release(t *testing.T, pkt *stack.PacketBuffer) *stack.PacketBuffer {
	t.Cleanup(pkt.DecRef)
	return pkt
}

// TestViews: whatever views a packet lies in, hooks see its bytes, and those
// after a packet that was longer too.
func TestViews(t *testing.T) {
	b := packet("in several pieces")
	log := &spyLog{}
	e := hooks.New(newChild(), newLedger(), hooks.Options{}, &spy{log: log})
	for _, cuts := range [][]int{{}, {1}, {5, 9}, {0}, {0, 0, 17}, {3, 3, 3}, {1, 2, 3, 4, 5, 6}, {17}} {
		l := list(outbound(packet(strings.Repeat("longer", 50)), 7), outbound(b, cuts...))
		if _, err := e.WritePackets(l); err != nil {
			t.Fatal(err)
		}
		l.DecRef()
		if got := log.seen[len(log.seen)-1].Bytes; got != string(b) {
			t.Errorf("cut at %v: %q, want %q", cuts, got, b)
		}
	}
	// A packet without any byte is one too.
	e.Attach(&netstack{})
	deliver(t, e, nil)
	if got := log.seen[len(log.seen)-1]; got.Bytes != "" || got.Direction != hooks.Inbound {
		t.Errorf("of an empty packet a hook saw %+v", got)
	}
}

// TestBorrowed: a hook sees the very bytes of an inbound packet, not a copy.
func TestBorrowed(t *testing.T) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet("inbound"))})
	defer pkt.DecRef()
	views, _ := pkt.AsViewList()
	own := &views.Front().AsSlice()[0]
	e := hooks.New(newChild(), newLedger(), hooks.Options{}, &spy{log: &spyLog{}, do: func(p *hooks.Packet) {
		if &p.Bytes[0] != own {
			t.Error("the bytes were copied")
		}
	}})
	e.DeliverNetworkPacket(header.IPv4ProtocolNumber, pkt)
}

// gsoChild is a child that offers GSO.
type gsoChild struct{ *child }

func (gsoChild) GSOMaxSize() uint32               { return 65535 }
func (gsoChild) SupportedGSO() stack.SupportedGSO { return stack.HostGSOSupported }

// TestGSO: the endpoint offers what its child offers.
func TestGSO(t *testing.T) {
	e := hooks.New(newChild(), newLedger(), hooks.Options{})
	if e.GSOMaxSize() != 0 || e.SupportedGSO() != stack.GSONotSupported {
		t.Errorf("GSO %d, %v without a child that has it", e.GSOMaxSize(), e.SupportedGSO())
	}
	e = hooks.New(gsoChild{newChild()}, newLedger(), hooks.Options{})
	if e.GSOMaxSize() != 65535 || e.SupportedGSO() != stack.HostGSOSupported {
		t.Errorf("GSO %d, %v, want the child's", e.GSOMaxSize(), e.SupportedGSO())
	}
}

// TestConcurrent sends packets both ways from many goroutines while netstack
// is attached and detached. Every packet has its bytes and one fate.
func TestConcurrent(t *testing.T) {
	const workers, rounds = 4, 200
	ledger, c, n := newLedger(), newChild(), &netstack{}
	want := packet("a packet that nobody else may write to")
	e := hooks.New(c, ledger, hooks.Options{}, &spy{log: &spyLog{}, do: func(p *hooks.Packet) {
		if !bytes.Equal(p.Bytes, want) {
			t.Errorf("a hook saw %q", p.Bytes)
		}
		if p.Time.Nanosecond()%7 == 0 {
			p.Drop(hooks.Dropped, reasonTest)
		}
	}})
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range rounds {
				deliver(t, e, want)
			}
		})
		group.Go(func() {
			for range rounds {
				l := list(outbound(want, 3), outbound(want), outbound(want, 9, 20))
				if k, err := e.WritePackets(l); k != 3 || err != nil {
					t.Errorf("WritePackets: %d, %v", k, err)
				}
				l.DecRef()
			}
		})
	}
	group.Go(func() {
		for range rounds {
			e.Attach(n)
			e.Attach(nil)
			ledger.Totals()
		}
	})
	group.Wait()
	totals := ledger.Totals()
	if totals.In != workers*rounds || totals.Out != 3*workers*rounds {
		t.Errorf("%d packets in, %d out, want %d and %d", totals.In, totals.Out, workers*rounds, 3*workers*rounds)
	}
	checkSums(t, totals)
	if got := uint64(len(n.delivered)); got != totals.InFates[hooks.Delivered] {
		t.Errorf("%d packets were delivered, %d counted", got, totals.InFates[hooks.Delivered])
	}
	if got := uint64(len(c.written)); got != totals.OutFates[hooks.Sent] {
		t.Errorf("%d packets were written, %d counted", got, totals.OutFates[hooks.Sent])
	}
}
