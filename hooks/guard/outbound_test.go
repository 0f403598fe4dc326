package guard_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/guard"
	"netstackd/hooks/wire"
)

// mode parses one, or fails.
func mode(t testing.TB, s string) guard.Mends {
	t.Helper()
	m, err := guard.ParseMode(s)
	if err != nil {
		t.Fatal(err)
	}
	return m.Mends
}

// strict returns a guard that makes every mend but those named.
func strict(t testing.TB, without ...string) *guard.Guard {
	s := "strict"
	for _, name := range without {
		s += ",-" + name
	}
	return guard.New(guard.Config{Mends: mode(t, s), Addresses: addrs})
}

// A mending is a packet that netstack answers wrongly, or rightly only mended.
type mending struct {
	name string
	// in are the packets that come, in their order.
	in [][]byte
	// mend is the name of what mends it; without it bare is what comes out, and with
	// it mended.
	mend         string
	bare, mended func(t *testing.T, out [][]byte)
}

func silent(t *testing.T, out [][]byte) {
	t.Helper()
	for _, b := range out {
		t.Errorf("sent: % x", b)
	}
}

// one wants one sound packet of an upper layer, of which ok is true.
func one(layer wire.Layer, ok func(p *wire.Packet) bool) func(t *testing.T, out [][]byte) {
	return func(t *testing.T, out [][]byte) {
		t.Helper()
		if len(out) != 1 {
			t.Fatalf("%d packets sent: % x", len(out), out)
		}
		var p wire.Packet
		if !p.Decode(out[0]) || p.Upper != layer || !ok(&p) {
			t.Errorf("sent: % x", out[0])
		}
		var checks [2]wire.Check
		for _, c := range p.Checksums(checks[:0]) {
			if c.Verdict != wire.OK {
				t.Errorf("checksum %+v of % x", c, out[0])
			}
		}
	}
}

// icmp4 wants one message of a type.
func icmp4(kind uint8) func(*testing.T, [][]byte) {
	return one(wire.LayerICMPv4, func(p *wire.Packet) bool { return p.ICMP.Type == kind })
}

// icmp6 is icmp4 over IPv6.
func icmp6(kind uint8) func(*testing.T, [][]byte) {
	return one(wire.LayerICMPv6, func(p *wire.Packet) bool { return p.ICMP.Type == kind })
}

func ping4(h byhandtest.IPv4) []byte {
	if h.Src == "" {
		h.Src = peer4
	}
	h.Dst, h.Protocol = host4, 1
	return h.Packet(byhandtest.Echo{ID: 1, Seq: 2, Data: byhandtest.Data(56)}.Request4())
}

// changed returns a packet with bytes of its IPv4 header set, and its checksum.
func changed(b []byte, at int, values ...byte) []byte {
	b = slices.Clone(b)
	copy(b[at:], values)
	byhandtest.SetHeaderChecksum(b)
	return b
}

var outboundMendings = []mending{
	{
		name: "reserved flag of an echo request", mend: "reserved-flag",
		in:     [][]byte{changed(ping4(byhandtest.IPv4{}), 6, 0x80, 0)},
		bare:   one(wire.LayerICMPv4, func(p *wire.Packet) bool { return p.IPv4.Reserved }),
		mended: one(wire.LayerICMPv4, func(p *wire.Packet) bool { return !p.IPv4.Reserved && p.ICMP.Type == 0 }),
	},
	{
		name: "closed port, asked from class E", mend: "class-e-error",
		in:   [][]byte{byhandtest.UDP{SrcPort: 1, DstPort: 9}.Packet("240.0.0.1", host4)},
		bare: icmp4(3), mended: silent,
	},
	{
		name: "closed port, asked from the network 0", mend: "zero-destination",
		in:   [][]byte{byhandtest.UDP{SrcPort: 1, DstPort: 9}.Packet("0.0.0.7", host4)},
		bare: icmp4(3), mended: silent,
	},
	{
		name: "bad option in a later fragment", mend: "error-about-fragment",
		in:   [][]byte{byhandtest.Fragment(headerWith(17, []byte{7, 39, 3, 0}), byhandtest.Data(16), 1, 8, true)},
		bare: icmp4(12), mended: silent,
	},
	{
		name: "echo from the network 0", mend: "zero-destination",
		in:   [][]byte{ping4(byhandtest.IPv4{Src: "0.0.0.7"})},
		bare: icmp4(0), mended: silent,
	},
	{
		name: "echo from nobody", mend: "zero-destination",
		in:   [][]byte{ping4(byhandtest.IPv4{Src: "0.0.0.0"})},
		bare: icmp4(0), mended: silent,
	},
	{
		name: "echo from nobody over IPv6", mend: "zero-destination",
		in: [][]byte{byhandtest.IPv6{Src: "::", Dst: host6}.Packet(
			byhandtest.Echo{ID: 1, Seq: 2, Data: byhandtest.Data(56)}.Request6("::", host6))},
		bare:   one(wire.LayerICMPv6, func(p *wire.Packet) bool { return p.ICMP.Type == 129 }),
		mended: silent,
	},
}

// quotes wants one error that quotes a packet, of which the header has to be right.
func quotes(want []byte, header func(quoted []byte) bool) func(*testing.T, [][]byte) {
	return one(wire.LayerICMPv4, func(p *wire.Packet) bool {
		quoted := p.Data()[8:]
		n := 4 * int(quoted[0]&0xf)
		return p.ICMP.Type == 3 && header(quoted[:n]) && slices.Equal(quoted[n:], want[n:])
	})
}

var (
	datagram = udp4(nil)
	routed   = udp4(recordRoute)
)

// udp4 is a datagram to a port where nobody listens.
func udp4(options []byte) []byte {
	return byhandtest.IPv4{Src: peer4, Dst: host4, ID: 1, Protocol: 17, Options: options}.Packet(
		byhandtest.UDP{SrcPort: 1, DstPort: 9, Data: byhandtest.Data(24)}.Datagram(peer4, host4))
}

var quoteMendings = []mending{
	{
		name: "record route", mend: "quoted-options", in: [][]byte{routed},
		bare:   quotes(routed, func(h []byte) bool { return h[22] == 8 && wire.Checksum(h) != 0 }),
		mended: quotes(routed, func(h []byte) bool { return slices.Equal(h, routed[:60]) }),
	},
	{
		name: "fragments", mend: "quoted-checksum", in: byhandtest.Split(datagram, 1, 16),
		bare:   quotes(datagram, func(h []byte) bool { return wire.Checksum(h) != 0 }),
		mended: quotes(datagram, func(h []byte) bool { return wire.Checksum(h) == 0 }),
	},
	{
		name: "record route in fragments", mend: "quoted-options", in: byhandtest.Split(routed, 1, 16),
		bare:   quotes(routed, func(h []byte) bool { return h[22] == 8 && wire.Checksum(h) != 0 }),
		mended: quotes(routed, func(h []byte) bool { return slices.Equal(h[20:], routed[20:60]) && wire.Checksum(h) == 0 }),
	},
}

// TestQuoteMends: what an error quotes is the header as it came.
func TestQuoteMends(t *testing.T) { testMends(t, quoteMendings) }

// TestOverride: an advertisement without a link-layer address overrides none.
func TestOverride(t *testing.T) {
	overrides := func(want bool) func(*testing.T, [][]byte) {
		return one(wire.LayerICMPv6, func(p *wire.Packet) bool { return p.ICMP.Type == 136 && p.Data()[4]&0x20 != 0 == want })
	}
	testMends(t, []mending{{
		name: "solicitation", mend: "advertisement-override",
		in:   [][]byte{byhandtest.Neighbour{Target: host6, HopLimit: 255}.Packet(peer6, host6)},
		bare: overrides(true), mended: overrides(false),
	}})
}

func TestOutboundMends(t *testing.T) { testMends(t, outboundMendings) }

// testMends: netstack does without a mend what it should not, and with it what it
// should.
func testMends(t *testing.T, mendings []mending) {
	for _, test := range mendings {
		t.Run(test.name, func(t *testing.T) {
			bare, _ := newStrict(t, test.mend)
			for _, b := range test.in {
				bare.Inbound(b)
			}
			test.bare(t, bare.Outbound())
			n, ledger := newStrict(t)
			for _, b := range test.in {
				n.Inbound(b)
			}
			test.mended(t, n.Outbound())
			if unknown := ledger.Totals().Drops[hooks.ReasonUnknown]; unknown != 0 {
				t.Errorf("%d packets dropped for no reason on the list", unknown)
			}
		})
	}
}

// newStrict returns a netstack behind a guard that makes every mend but those
// named, with all that answers by hand.
func newStrict(t *testing.T, without ...string) (*comparetest.Netstack, *hooks.Ledger) {
	g := strict(t, without...)
	n, ledger := newNetstack(t, g, g.Answer())
	g.Connect(n.Chain())
	return n, ledger
}

// TestParseMode: what may stand on the command line; the refusals are in the
// golden file of the command line's own tests.
func TestParseMode(t *testing.T) {
	every := guard.Mends(1<<len(guard.List()) - 1)
	for s, want := range map[string]guard.Mode{
		"off": {}, "on": {On: true}, "strict": {On: true, Mends: every},
		"strict,-" + guard.List()[0].Name: {On: true, Mends: every &^ 1},
	} {
		got, err := guard.ParseMode(s)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", s, err, diff)
		}
		if got.String() != s {
			t.Errorf("%q is written as %q", s, got)
		}
	}
}
