package verify_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/guard"
	"netstackd/hooks/trace"
	"netstackd/hooks/verify"
	"netstackd/hooks/wire"
)

const (
	peer4, host4 = "172.16.0.1", "172.16.0.2"
	peer6, host6 = "fd00:172::1", "fd00:172::2"
	closed       = 81
)

var addrs = []netip.Prefix{netip.MustParsePrefix(host4 + "/24"), netip.MustParsePrefix(host6 + "/64")}

func newLedger() *hooks.Ledger {
	return hooks.NewLedger(hooks.DropReasons(), verify.DropReasons(), guard.DropReasons(), byhand.DropReasons())
}

// newNetstack returns one that is told of receive offload, behind a chain.
func newNetstack(t testing.TB, ledger *hooks.Ledger, chain ...hooks.Hook) *comparetest.Netstack {
	t.Helper()
	n, err := comparetest.NewWith(hooks.Options{ReceiveOffload: true}, nil, ledger, addrs, chain...)
	if err != nil {
		t.Fatal(err)
	}
	n.Unlimited()
	t.Cleanup(n.Close)
	return n
}

// spoil returns a copy with one bit of the byte at an offset flipped; a negative
// offset counts from the end.
func spoil(b []byte, at int) []byte {
	b = slices.Clone(b)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 0x10
	return b
}

func clearSum(b []byte) []byte {
	b = slices.Clone(b)
	b[46], b[47] = 0, 0
	return b
}

func syn(src, dst string) []byte {
	return bt.TCP{SrcPort: 4000, DstPort: closed, Seq: 1000, Flags: bt.Syn, Data: bt.Data(1400)}.Packet(src, dst)
}

func datagram(src, dst string) []byte {
	return bt.UDP{SrcPort: 4000, DstPort: closed, Data: bt.Data(1400)}.Packet(src, dst)
}

func split(b []byte) [][]byte { return bt.Split(b, 77, 704) }

func reversed(b [][]byte) [][]byte { b = slices.Clone(b); slices.Reverse(b); return b }

func one(b []byte) [][]byte { return [][]byte{b} }

// A delivery is what a link delivers, to a closed port: an answer says that it
// got in.
type delivery struct {
	name    string
	packets [][]byte
	offload wire.Offload
	in      bool
	// reason and verdict are those of the last packet.
	reason  string
	verdict wire.Verdict
	// upper is the layer of the last check.
	upper wire.Layer
}

var (
	partial, validated = wire.Offload{Partial: true}, wire.Offload{Validated: true}
	superSegment       = wire.Offload{Partial: true, SegmentSize: 1448}
)

// super is as much as one packet takes.
func super(src, dst string, flags uint8) []byte {
	return bt.Partial(bt.TCP{SrcPort: 4000, DstPort: closed, Seq: 1000, Ack: 9, Flags: flags, Data: bt.Data(65495)}.Packet(src, dst))
}

// finished reports whether the checksum is said to be partial, but is a whole one
// that is right.
func (d delivery) finished() bool {
	return d.reason == verify.ReasonBadPartialChecksum && d.offload.SegmentSize == 0
}

func deliveries() []delivery {
	none := wire.Offload{}
	var out []delivery
	for _, a := range [][2]string{{peer4, host4}, {peer6, host6}} {
		tcp, udp := syn(a[0], a[1]), datagram(a[0], a[1])
		v := "v4 "
		if a[0] == peer6 {
			v = "v6 "
		}
		const badTCP, badUDP, badPartial = byhand.ReasonBadTCPChecksum, byhand.ReasonBadUDPChecksum, verify.ReasonBadPartialChecksum
		out = append(out,
			delivery{v + "TCP", one(tcp), none, true, "", wire.OK, wire.LayerTCP},
			delivery{v + "bad TCP", one(spoil(tcp, -1)), none, false, badTCP, wire.Bad, wire.LayerTCP},
			delivery{v + "UDP", one(udp), none, true, "", wire.OK, wire.LayerUDP},
			delivery{v + "bad UDP", one(spoil(udp, -1)), none, false, badUDP, wire.Bad, wire.LayerUDP},
			delivery{v + "TCP in fragments", split(tcp), none, true, "", wire.OK, wire.LayerTCP},
			delivery{v + "bad TCP in fragments", split(spoil(tcp, -1)), none, false, badTCP, wire.Bad, wire.LayerTCP},
			delivery{v + "bad TCP in fragments, last first", reversed(split(spoil(tcp, -1))), none, false, badTCP, wire.Bad, wire.LayerTCP},
			delivery{v + "UDP in fragments", split(udp), none, true, "", wire.OK, wire.LayerUDP},
			delivery{v + "UDP in fragments, last first", reversed(split(udp)), none, true, "", wire.OK, wire.LayerUDP},
			delivery{v + "bad UDP in fragments", split(spoil(udp, -1)), none, false, badUDP, wire.Bad, wire.LayerUDP},
			delivery{v + "bad UDP in fragments, last first", reversed(split(spoil(udp, -1))), none, false, badUDP, wire.Bad, wire.LayerUDP},
			// Nobody vouches for a datagram by vouching for its fragments.
			delivery{v + "bad UDP in fragments, vouched for", split(spoil(udp, -1)), validated, false, badUDP, wire.Bad, wire.LayerUDP},
			delivery{v + "partial TCP", one(bt.Partial(tcp)), partial, true, "", wire.Partial, wire.LayerTCP},
			delivery{v + "partial UDP", one(bt.Partial(udp)), partial, true, "", wire.Partial, wire.LayerUDP},
			// Of the payload a partial sum says nothing.
			delivery{v + "partial TCP, payload changed", one(spoil(bt.Partial(tcp), -1)), partial, true, "", wire.Partial, wire.LayerTCP},
			delivery{v + "super-segment", one(super(a[0], a[1], bt.Ack)), superSegment, true, "", wire.Partial, wire.LayerTCP},
			// Its reset acknowledges the whole length.
			delivery{v + "super-segment without ACK", one(super(a[0], a[1], bt.Psh)), superSegment, true, "", wire.Partial, wire.LayerTCP},
			delivery{v + "bad super-segment", one(spoil(super(a[0], a[1], bt.Ack), map[string]int{host4: 36, host6: 56}[a[1]])), superSegment, false,
				badPartial, wire.Bad, wire.LayerTCP},
			delivery{v + "bad partial TCP", one(tcp), partial, false, badPartial, wire.Bad, wire.LayerTCP},
			delivery{v + "bad partial UDP", one(udp), partial, false, badPartial, wire.Bad, wire.LayerUDP},
			delivery{v + "bad partial TCP, vouched for", one(tcp), wire.Offload{Partial: true, Validated: true}, false, badPartial, wire.Bad, wire.LayerTCP},
			delivery{v + "partial TCP without a mark", one(bt.Partial(tcp)), none, false, badTCP, wire.Bad, wire.LayerTCP},
			delivery{v + "partial UDP without a mark", one(bt.Partial(udp)), none, false, badUDP, wire.Bad, wire.LayerUDP},
			delivery{v + "bad TCP, vouched for", one(spoil(tcp, -1)), validated, true, "", wire.Bad, wire.LayerTCP},
			delivery{v + "bad UDP, vouched for", one(spoil(udp, -1)), validated, true, "", wire.Bad, wire.LayerUDP},
		)
	}
	unsummed := datagram(peer4, host4)
	unsummed[26], unsummed[27] = 0, 0
	const badIP = byhand.ReasonBadIPv4Checksum
	echo4 := bt.IPv4{Src: peer4, Dst: host4}.Packet(bt.Echo{Data: bt.Data(800)}.Request4())
	echo6 := bt.IPv6{Src: peer6, Dst: host6}.Packet(bt.Echo{Data: bt.Data(800)}.Request6(peer6, host6))
	for _, o := range []wire.Offload{none, validated} {
		name := map[bool]string{true: ", vouched for"}[o.Validated]
		out = append(out,
			delivery{"echo" + name, one(echo4), o, true, "", wire.OK, wire.LayerICMPv4},
			delivery{"echo6" + name, one(echo6), o, true, "", wire.OK, wire.LayerICMPv6},
			// Netstack discards these itself.
			delivery{"bad echo" + name, one(spoil(echo4, -1)), o, false, "", wire.Bad, wire.LayerICMPv4},
			delivery{"bad echo6" + name, one(spoil(echo6, -1)), o, false, "", wire.Bad, wire.LayerICMPv6},
			delivery{"bad echo in fragments" + name, split(spoil(echo4, -1)), o, false, "", wire.OK, wire.LayerIPv4},
			delivery{"bad echo6 in fragments" + name, split(spoil(echo6, -1)), o, false, "", "", ""},
			delivery{"bad IPv4 header, TCP" + name, one(spoil(syn(peer4, host4), 8)), o, false, badIP, wire.OK, wire.LayerTCP},
			delivery{"bad IPv4 header, echo" + name, one(spoil(echo4, 8)), o, false, badIP, wire.OK, wire.LayerICMPv4},
			delivery{"bad IPv4 header, fragment" + name, one(spoil(split(datagram(peer4, host4))[0], 8)), o, false, badIP, wire.Bad, wire.LayerIPv4},
			delivery{"UDP without a sum" + name, one(unsummed), o, true, "", wire.Absent, wire.LayerUDP},
			delivery{"UDP without a sum, in fragments" + name, split(unsummed), o, true, "", wire.Absent, wire.LayerUDP},
			delivery{"UDP over IPv6 without a sum in fragments" + name, split(clearSum(datagram(peer6, host6))), o, false,
				byhand.ReasonBadUDPChecksum, wire.Bad, wire.LayerUDP},
		)
	}
	return append(out,
		delivery{"UDP over IPv6 without a sum", one(clearSum(datagram(peer6, host6))), none, false, byhand.ReasonBadUDPChecksum, wire.Bad, wire.LayerUDP},
		delivery{"bad IPv4 header, partial TCP", one(spoil(bt.Partial(syn(peer4, host4)), 8)), partial, false, badIP, wire.Partial, wire.LayerTCP},
	)
}

// last notes the last inbound packet.
type last struct {
	fate   hooks.Fate
	reason string
	check  wire.Check
}

func (l *last) Inbound(p *hooks.Packet) {
	*l = last{fate: p.Fate, reason: p.Reason}
	if n := len(p.Checks()); n > 0 {
		l.check = p.Checks()[n-1]
	}
}
func (*last) Outbound(*hooks.Packet) {}

// TestNetstack: real netstack, told that its checksums are verified, answers
// nothing that has a wrong one. What is refused has a reason, and is counted.
func TestNetstack(t *testing.T) {
	for _, test := range deliveries() {
		t.Run(test.name, func(t *testing.T) {
			ledger, seen, v := newLedger(), &last{}, new(verify.Verifier)
			n := newNetstack(t, ledger, v, seen)
			for _, b := range test.packets {
				n.InboundOffloaded(b, test.offload)
			}
			if replies := len(n.Outbound()); (replies > 0) != test.in {
				t.Errorf("%d replies, want it in: %v", replies, test.in)
			}
			want := last{hooks.Delivered, "", wire.Check{Layer: test.upper, Verdict: test.verdict}}
			drops := map[string]uint64{}
			if test.reason != "" {
				want.fate, want.reason = hooks.Dropped, test.reason
				drops[test.reason] = 1
			}
			seen.check = wire.Check{Layer: seen.check.Layer, Verdict: seen.check.Verdict}
			if diff := cmp.Diff(want, *seen, cmp.AllowUnexported(last{})); diff != "" {
				t.Errorf("the last packet (-want +got):\n%s", diff)
			}
			totals := ledger.Totals()
			if diff := cmp.Diff(drops, totals.Drops); diff != "" {
				t.Errorf("drops (-want +got):\n%s", diff)
			}
			if got := v.Dropped(); got != uint64(len(drops)) {
				t.Errorf("the hook counts %d drops, want %d", got, len(drops))
			}
			if test.verdict != "" && totals.Verdicts[test.verdict] == 0 {
				t.Errorf("verdicts %v, want one %s", totals.Verdicts, test.verdict)
			}
		})
	}
}

// TestEndpointAlone: the endpoint lets in no more than that without the hook.
func TestEndpointAlone(t *testing.T) {
	for _, test := range deliveries() {
		ledger := newLedger()
		n := newNetstack(t, ledger)
		for _, b := range test.packets {
			n.InboundOffloaded(b, test.offload)
		}
		// A sum that is finished already netstack finds right.
		in := test.in || test.finished()
		if replies := len(n.Outbound()); (replies > 0) != in {
			t.Errorf("%s: %d replies, want it in: %v", test.name, replies, in)
		}
		if drops := ledger.Totals().Drops; len(drops) != 0 {
			t.Errorf("%s: drops %v", test.name, drops)
		}
	}
}

// TestMarksWithoutOffload: netstack verifies all itself when it is not told
// otherwise, whatever the link says of a packet, and so does the hand.
func TestMarksWithoutOffload(t *testing.T) {
	for _, test := range deliveries() {
		ledger := newLedger()
		n, err := comparetest.New(ledger, addrs)
		if err != nil {
			t.Fatal(err)
		}
		n.Unlimited()
		for _, b := range test.packets {
			n.InboundOffloaded(b, test.offload)
		}
		in := test.verdict == wire.OK && test.in || test.verdict == wire.Absent || test.finished()
		if replies := len(n.Outbound()); (replies > 0) != in {
			t.Errorf("%s: %d replies, want it in: %v", test.name, replies, in)
		}
		if n := ledger.Totals().Verdicts[wire.Partial]; n != 0 {
			t.Errorf("%s: %d partial", test.name, n)
		}
		n.Close()
	}
}

// TestCompared: the comparison agrees with netstack about each of them, judged or
// kept from it.
func TestCompared(t *testing.T) {
	for _, test := range deliveries() {
		t.Run(test.name, func(t *testing.T) {
			ledger := newLedger()
			var results []string
			c := compare.New(compare.Config{
				Host:   byhand.NewHost(byhand.Config{Addresses: addrs, TCPPorts: []uint16{7}, UDPPorts: []uint16{7}}),
				Ledger: ledger, Responder: "netstack", Tracer: tracer{compare: func(e *trace.Comparison) {
					results = append(results, fmt.Sprintf("%s %v", e.Result, e.Diffs))
				}},
			})
			n := newNetstack(t, ledger, new(verify.Verifier), guard.New(guard.Config{}), c)
			for _, b := range test.packets {
				n.InboundOffloaded(b, test.offload)
			}
			n.Outbound()
			c.Close()
			counts := c.Counts()
			if counts.Differ+counts.Missing+counts.Unexpected+counts.Unjudged > 0 {
				t.Errorf("%+v: %v", counts, results)
			}
			if test.in && len(test.packets) == 1 && counts.Match == 0 {
				t.Errorf("no match: %+v", counts)
			}
			totals := ledger.Totals()
			if test.in && totals.InFates[hooks.Answered] != 1 {
				t.Errorf("fates %v", totals.InFates)
			}
			sum := uint64(0)
			for _, n := range totals.InFates {
				sum += n
			}
			if sum != totals.In || totals.In != uint64(len(test.packets)) {
				t.Errorf("fates %v of %d packets", totals.InFates, totals.In)
			}
			if test.upper == wire.LayerTCP || test.upper == wire.LayerUDP {
				// Once, whoever has put the fragments together.
				whole := totals.Verdicts[wire.OK] + totals.Verdicts[wire.Bad] + totals.Verdicts[wire.Partial] + totals.Verdicts[wire.Absent]
				want := uint64(1)
				if test.packets[0][0]>>4 == 4 {
					want += uint64(len(test.packets))
				}
				outbound := uint64(0)
				if test.in {
					outbound = map[byte]uint64{4: 2, 6: 1}[test.packets[0][0]>>4]
				}
				if whole != want+outbound {
					t.Errorf("%d verdicts, want %d in and %d out: %v", whole, want, outbound, totals.Verdicts)
				}
			}
		})
	}
}

type tracer struct{ compare func(*trace.Comparison) }

func (tracer) WantsBytes() bool              { return false }
func (tracer) WantsWorking() bool            { return false }
func (tracer) Packet(*trace.Packet)          {}
func (t tracer) Compare(c *trace.Comparison) { t.compare(c) }
