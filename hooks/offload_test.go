package hooks_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/wire"
)

const rx = stack.CapabilityRXChecksumOffload

// capableChild says what it can.
type capableChild struct {
	*child
	capabilities stack.LinkEndpointCapabilities
}

func (c capableChild) Capabilities() stack.LinkEndpointCapabilities { return c.capabilities }

// asking is a netstack that asks for the capabilities of each packet, as its NIC
// does.
type asking struct {
	netstack
	e *hooks.Endpoint

	mu sync.Mutex
	// told is what it was told, by the packet's bytes; guarded by mu.
	told map[string]map[stack.LinkEndpointCapabilities]int
}

func (a *asking) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	c, b := a.e.Capabilities(), string(bytesOf(pkt))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.told[b] == nil {
		a.told[b] = map[stack.LinkEndpointCapabilities]int{}
	}
	a.told[b][c]++
}

func tcpSegment(n int) []byte {
	return bt.TCP{SrcPort: 4000, DstPort: 7, Flags: bt.Ack, Data: bt.Data(n)}.Packet("172.16.0.1", "172.16.0.2")
}

func udpDatagram() []byte {
	return bt.UDP{SrcPort: 4000, DstPort: 7, Data: bt.Data(100)}.Packet("fd00:172::1", "fd00:172::2")
}

// TestMarks: hooks see what was left to hardware as the link and netstack say it,
// inbound if there is receive offload.
func TestMarks(t *testing.T) {
	partial, tcp, udp := wire.Offload{Partial: true}, bt.Partial(tcpSegment(100)), bt.Partial(udpDatagram())
	super := bt.Partial(tcpSegment(4000))
	seg := wire.Offload{Partial: true, SegmentSize: 1448}
	for _, tt := range []struct {
		name    string
		b       []byte
		mark    func(*stack.PacketBuffer) // after what is said of
		of      wire.Offload
		want    wire.Offload
		verdict wire.Verdict
	}{
		{"whole", tcpSegment(100), nil, wire.Offload{}, wire.Offload{}, wire.OK},
		{"vouched for", tcpSegment(100), nil, wire.Offload{Validated: true}, wire.Offload{Validated: true}, wire.OK},
		{"vouched for, and bytes behind it", append(tcpSegment(100), 0), nil, wire.Offload{Validated: true}, wire.Offload{}, wire.OK},
		{"partial TCP", tcp, nil, partial, partial, wire.Partial},
		{"partial UDP over IPv6", udp, nil, partial, partial, wire.Partial},
		{"super-segment", super, nil, seg, seg, wire.Partial},
		{"one segment, that could have been more", tcp, nil, seg, partial, wire.Partial},
		{"wrong", tcpSegment(100), nil, partial, partial, wire.Bad},
		{"of another header", tcp, func(p *stack.PacketBuffer) { p.GSOOptions.L3HdrLen = 24 }, partial, wire.Offload{}, wire.Bad},
		{"of another field", tcp, func(p *stack.PacketBuffer) { p.GSOOptions.CsumOffset = 6 }, partial, wire.Offload{}, wire.Bad},
		{"UDP with TCP's field", udp, func(p *stack.PacketBuffer) { p.GSOOptions.CsumOffset = 16 }, partial, wire.Offload{}, wire.Bad},
		{"not TCP", udp, func(p *stack.PacketBuffer) { p.GSOOptions.MSS = 10 }, seg, partial, wire.Partial},
		{"cut as gVisor would", super, func(p *stack.PacketBuffer) { p.GSOOptions.Type = stack.GSOGvisor }, seg, partial, wire.Partial},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got hooks.Packet
			see := &spy{log: &spyLog{}, do: func(p *hooks.Packet) { got = *p }}
			pkt := inbound(tt.b)
			defer pkt.DecRef()
			comparetest.Mark(pkt, tt.b, tt.of)
			if tt.mark != nil {
				tt.mark(pkt)
			}
			check := func(name string, want wire.Offload, verdict wire.Verdict) {
				t.Helper()
				if diff := cmp.Diff(want, got.Offload); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
				if c := got.Checks(); c[len(c)-1].Verdict != verdict {
					t.Errorf("%s: %+v, want %s", name, c, verdict)
				}
			}
			e := hooks.New(newChild(), newLedger(), hooks.Options{ReceiveOffload: true}, see)
			e.DeliverNetworkPacket(header.IPv4ProtocolNumber, pkt)
			check("inbound", tt.want, tt.verdict)
			if _, err := e.WritePackets(list(pkt.IncRef())); err != nil {
				t.Fatal(err)
			}
			pkt.DecRef()
			check("outbound", tt.want, tt.verdict)

			hooks.New(newChild(), newLedger(), hooks.Options{}, see).DeliverNetworkPacket(header.IPv4ProtocolNumber, pkt)
			verdict := tt.verdict
			switch {
			case verdict == wire.Partial:
				verdict = wire.Bad // as it stands
			case tt.name == "wrong":
				verdict = wire.OK // it is finished
			}
			check("inbound without receive offload", wire.Offload{}, verdict)
		})
	}
}

// TestCapabilities: receive offload is what the options say, and all else what
// the child says.
func TestCapabilities(t *testing.T) {
	for _, offload := range []bool{false, true} {
		for _, of := range []stack.LinkEndpointCapabilities{0, rx, stack.CapabilitySaveRestore} {
			want := of &^ rx
			if offload {
				want |= rx
			}
			e := hooks.New(capableChild{newChild(), of}, newLedger(), hooks.Options{ReceiveOffload: offload})
			if got := e.Capabilities(); got != want {
				t.Errorf("receive offload %v over %b: %b, want %b", offload, of, got, want)
			}
		}
	}
}

// TestUnverified: whoever carries what at the same time, netstack is told of each
// packet whether its sums are verified.
func TestUnverified(t *testing.T) {
	spoiled := tcpSegment(100)
	spoiled[50] ^= 1
	unknown := packet("of an unknown protocol")
	fragments := bt.Split(udpDatagram(), 5, 64)
	damaged := packet("with a wrong header sum")
	damaged[8]--
	vouched := wire.Offload{Validated: true}
	cases := []struct {
		b    []byte
		o    wire.Offload
		want stack.LinkEndpointCapabilities
	}{
		{tcpSegment(10), wire.Offload{}, rx},
		{udpDatagram(), wire.Offload{}, rx},
		{bt.Partial(tcpSegment(20)), wire.Offload{Partial: true}, rx},
		{bt.Partial(tcpSegment(30)), wire.Offload{}, 0},
		{spoiled, wire.Offload{}, 0},
		{append([]byte(nil), append(tcpSegment(40), 0)...), wire.Offload{}, 0},
		{unknown, wire.Offload{}, 0},
		{damaged, vouched, 0},
		{fragments[0], wire.Offload{}, 0},
		{fragments[1], vouched, 0},
		{nil, wire.Offload{}, 0},
	}
	a := &asking{told: map[string]map[stack.LinkEndpointCapabilities]int{}}
	a.e = hooks.New(capableChild{newChild(), 0}, newLedger(), hooks.Options{ReceiveOffload: true})
	a.e.Attach(a)
	const workers, rounds = 4, 50
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range rounds {
				for _, c := range cases {
					pkt := inbound(c.b)
					comparetest.Mark(pkt, c.b, c.o)
					a.e.DeliverNetworkPacket(header.IPv4ProtocolNumber, pkt)
					pkt.DecRef()
				}
			}
		})
	}
	group.Wait()
	for i, c := range cases {
		want := map[stack.LinkEndpointCapabilities]int{c.want: workers * rounds}
		if diff := cmp.Diff(want, a.told[string(c.b)]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", fmt.Sprint("packet ", i), diff)
		}
	}
}

// TestNoteReassembled: the sum of the whole datagram counts once.
func TestNoteReassembled(t *testing.T) {
	ledger := newLedger()
	check := wire.Check{Layer: wire.LayerUDP, Offset: 26, Seen: 1, Hand: 2, Verdict: wire.Bad}
	e := hooks.New(newChild(), ledger, hooks.Options{}, &spy{log: &spyLog{}, do: func(p *hooks.Packet) {
		if p.Reassembled() {
			t.Error("reassembled before a hook said so")
		}
		p.NoteReassembled(check)
		p.NoteReassembled(wire.Check{Verdict: wire.OK})
		if got := p.Checks(); !p.Reassembled() || got[len(got)-1] != check {
			t.Errorf("checks %+v", got)
		}
	}})
	e.Attach(&netstack{})
	for range 2 {
		deliver(t, e, packet("a fragment, say"))
	}
	want := map[wire.Verdict]uint64{wire.OK: 2, wire.Bad: 2, wire.Partial: 0, wire.Absent: 0}
	if diff := cmp.Diff(want, ledger.Totals().Verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

// TestHead: of a partial packet in several views hooks see the headers, and all
// of it if they ask; of any other they see all.
func TestHead(t *testing.T) {
	whole := tcpSegment(4000)
	partial, small := bt.Partial(whole), bt.Partial(tcpSegment(0))
	of := wire.Offload{Partial: true, SegmentSize: 1448}
	for _, tt := range []struct {
		name string
		b    []byte
		o    wire.Offload
		cuts []int // of the data behind the IP header
		head int
	}{
		{"headers in a view", partial, of, []int{20, 2000}, 40},
		{"headers and data in a view", partial, of, []int{30, 2000}, 50},
		{"one view", partial, of, nil, len(partial)},
		{"no data", small, of, nil, len(small)},
		{"headers in two views", partial, of, []int{10, 2000}, len(partial)},
		{"not marked", whole, wire.Offload{}, []int{20, 2000}, len(whole)},
		{"of another field", partial, wire.Offload{SegmentSize: 1448}, []int{20, 2000}, len(partial)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pkt := inView(tt.b, tt.cuts...)
			comparetest.Mark(pkt, tt.b, tt.o)
			l := list(pkt)
			defer l.DecRef()
			for _, asks := range []bool{false, true} {
				seen := false
				e := hooks.New(newChild(), newLedger(), hooks.Options{}, &spy{log: &spyLog{}, do: func(p *hooks.Packet) {
					seen = true
					if len(p.Bytes) != tt.head || len(p.Bytes)+p.Missing != len(tt.b) || p.Len != len(tt.b) || p.DataLen() != len(tt.b)-20 {
						t.Errorf("%d bytes and %d missing, length %d, data %d", len(p.Bytes), p.Missing, p.Len, p.DataLen())
					}
					for _, n := range []int{0, 20, 40, 45, 60, 2000, len(tt.b), math.MaxInt} {
						if got := p.Clone(n); !bytes.Equal(got, tt.b[:min(n, len(tt.b))]) || len(p.Bytes) != tt.head {
							t.Errorf("of %d bytes the copy has %d", n, len(got))
						}
					}
					if asks && (!bytes.Equal(p.All(), tt.b) || !bytes.Equal(p.Bytes, tt.b) || p.Missing != 0) {
						t.Error("all is not all")
					}
				}}, &spy{log: &spyLog{}, do: func(p *hooks.Packet) {
					if asks && !bytes.Equal(p.Bytes, tt.b) {
						t.Error("the next hook does not see what was joined")
					}
				}})
				if _, err := e.WritePackets(l); err != nil || !seen {
					t.Fatal(err)
				}
			}
		})
	}
}

// inView is outbound with the IP header in the first view, and as much data with
// it as the first cut says.
func inView(b []byte, cuts ...int) *stack.PacketBuffer {
	first := len(b)
	if len(cuts) > 0 {
		first = 20 + cuts[0]
	}
	var payload buffer.Buffer
	from := first
	for _, to := range append(slices.Clone(cuts), len(b)-20)[min(1, len(cuts)):] {
		if to+20 > from {
			_ = payload.Append(buffer.NewViewWithData(b[from : to+20]))
			from = to + 20
		}
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: first, Payload: payload})
	copy(pkt.TransportHeader().Push(first-20), b[20:first])
	copy(pkt.NetworkHeader().Push(20), b[:20])
	return pkt
}

// stuckInside is a netstack that a packet does not come back from.
type stuckInside struct {
	netstack
	entered, release chan struct{}
}

func (s *stuckInside) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {
	close(s.entered)
	<-s.release
}

// TestStuckInside: a packet, verified or not, that never comes back from a netstack
// which panicked holds up none that goes to the next.
func TestStuckInside(t *testing.T) {
	verified, not := tcpSegment(10), packet("nothing to verify it by")
	for _, first := range [][]byte{verified, not} {
		e := hooks.New(capableChild{child: newChild()}, newLedger(), hooks.Options{ReceiveOffload: true})
		stuck := &stuckInside{entered: make(chan struct{}), release: make(chan struct{})}
		e.Attach(stuck)
		var gone sync.WaitGroup
		gone.Go(func() { deliver(t, e, first) })
		<-stuck.entered
		e.Attach(nil)
		next := &asking{e: e, told: map[string]map[stack.LinkEndpointCapabilities]int{}}
		e.Attach(next)
		deliver(t, e, verified)
		deliver(t, e, not)
		want := map[string]map[stack.LinkEndpointCapabilities]int{string(verified): {rx: 1}, string(not): {0: 1}}
		if diff := cmp.Diff(want, next.told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		close(stuck.release)
		gone.Wait()
	}
}
