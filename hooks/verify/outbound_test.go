package verify_test

import (
	"sync"
	"testing"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/trace"
	"netstackd/hooks/verify"
	"netstackd/hooks/wire"
)

// outbound keeps what is seen of outbound packets.
type outbound struct {
	mu sync.Mutex
	// seen is guarded by mu.
	seen []trace.Packet
}

// sight returns what has been seen so far.
func (o *outbound) sight() []trace.Packet {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen
}

func (*outbound) WantsBytes() bool   { return false }
func (*outbound) WantsWorking() bool { return false }
func (o *outbound) Packet(p *trace.Packet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p.Direction == hooks.Outbound {
		o.seen = append(o.seen, *p)
	}
}
func (*outbound) Compare(*trace.Comparison) {}

// TestOutbound: netstack leaves the sum of a connection's segments to the link.
// The comparison takes them for what they are.
func TestOutbound(t *testing.T) {
	for _, a := range [][2]string{{peer4, host4}, {peer6, host6}} {
		out, ledger := &outbound{}, newLedger()
		c := compare.New(compare.Config{
			Host:   byhand.NewHost(byhand.Config{Addresses: addrs, TCPPorts: []uint16{7}, UDPPorts: []uint16{}}),
			Ledger: ledger, Responder: "netstack", Tracer: out,
		})
		n := newNetstack(t, ledger, new(verify.Verifier), c)
		if err := n.Listen([]uint16{7}, nil); err != nil {
			t.Fatal(err)
		}
		seg := bt.TCP{SrcPort: 4000, DstPort: 7, Seq: 1000, Flags: bt.Syn}
		n.InboundOffloaded(bt.Partial(seg.Packet(a[0], a[1])), partial)
		for wait := time.Now(); c.Awaited() > 0 && time.Since(wait) < 30*time.Second; {
			time.Sleep(time.Millisecond)
		}
		if got := c.Counts(); got != (compare.Counts{Match: 1}) || len(out.sight()) != 1 {
			t.Fatalf("%s: %+v, %d packets out", a[1], got, len(out.sight()))
		}
		// Until there is a connection netstack computes the whole sum.
		check := func(name string, i int, want wire.Verdict) {
			t.Helper()
			e := out.sight()[i]
			if last := e.Checks[e.NChecks-1]; last.Layer != wire.LayerTCP || last.Verdict != want || e.Segments != 1 {
				t.Errorf("%s, %s: %+v, %d segments, want %s", a[1], name, last, e.Segments, want)
			}
		}
		check("SYN-ACK", 0, wire.OK)
		seg.Seq, seg.Ack, seg.Flags = 1001, out.sight()[0].Packet.TCP.Seq+1, bt.Ack
		n.InboundOffloaded(bt.Partial(seg.Packet(a[0], a[1])), partial)
		// More than the window, so that it is acknowledged at once.
		seg.Data, seg.Flags = bt.Data(65000), bt.Ack|bt.Psh
		n.InboundOffloaded(bt.Partial(seg.Packet(a[0], a[1])), superSegment)
		for wait := time.Now(); len(out.sight()) < 2 && time.Since(wait) < 30*time.Second; {
			time.Sleep(time.Millisecond)
		}
		check("ACK", 1, wire.Partial)
		seg = bt.TCP{SrcPort: 4000, DstPort: closed, Seq: 1000, Flags: bt.Ack}
		n.InboundOffloaded(bt.Partial(seg.Packet(a[0], a[1])), partial)
		if got := c.Counts(); got != (compare.Counts{Match: 2}) {
			t.Fatalf("%s: %+v", a[1], got)
		}
		check("reset", len(out.sight())-1, wire.OK)
	}
}
