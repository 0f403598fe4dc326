package guard_test

import (
	"bytes"
	"testing"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

var inboundMendings = []mending{
	{
		name: "router alert with a reserved value", mend: "ignored-options",
		in:   [][]byte{ping4(byhandtest.IPv4{Options: []byte{148, 4, 0, 1}})},
		bare: icmp4(12), mended: icmp4(0),
	},
	{
		name: "an unknown option twice", mend: "ignored-options",
		in:   [][]byte{ping4(byhandtest.IPv4{Options: []byte{25, 4, 0, 0, 25, 4, 0, 0}})},
		bare: icmp4(12), mended: icmp4(0),
	},
	{
		name: "an unknown option twice, in fragments", mend: "ignored-options",
		in: [][]byte{
			byhandtest.Fragment(headerWith(1, []byte{25, 4, 0, 0, 25, 4, 0, 0}), echo[:16], 1, 0, true),
			byhandtest.Fragment(headerWith(1, nil), echo[16:], 1, 16, false),
		},
		bare: func(*testing.T, [][]byte) {}, mended: icmp4(0),
	},
	{
		name: "an option of an experiment", mend: "ignored-options",
		in:   [][]byte{ping4(byhandtest.IPv4{Options: []byte{30, 3, 7, 1}})},
		bare: icmp4(12), mended: icmp4(0),
	},
	{
		name: "bytes behind an echo request with destination options", mend: "trailing-bytes",
		in:   [][]byte{append(ping6(padding), 1, 2, 3)},
		bare: silent, mended: echoed(0),
	},
	{
		name: "bytes behind its last fragment", mend: "trailing-bytes",
		in: func() [][]byte {
			f := byhandtest.Split(ping6(padding), 1, 24)
			return append(f[:1], append(f[1], 1, 2, 3))
		}(),
		bare: silent, mended: echoed(0),
	},
	{
		name: "bytes behind what is quoted", mend: "trailing-bytes",
		in:     [][]byte{append(ping6(unknownOption), 1, 2, 3)},
		bare:   quotes6(append(ping6(unknownOption), 1, 2, 3)),
		mended: quotes6(ping6(unknownOption)),
	},
	{
		name: "a solicitation with a prefix information too short", mend: "neighbour-option",
		in:   [][]byte{solicitation(3, 1, 0, 0, 0, 0, 0, 0)},
		bare: silent, mended: advertised,
	},
	{
		name: "a solicitation with options of router advertisements without contents", mend: "neighbour-option",
		in: [][]byte{solicitation(
			14, 1, 1, 2, 3, 4, 5, 6, 24, 1, 129, 0, 0, 0, 0, 0, 25, 1, 0, 0, 0, 0, 0, 0, 31, 1, 0, 0, 0, 0, 0, 0)},
		bare: silent, mended: advertised,
	},
	{
		name: "a datagram without a checksum, whose sum comes to 0", mend: "zero-checksum",
		in:   [][]byte{unchecked(16)},
		bare: icmp6(1), mended: silent,
	},
	{
		name: "the same in fragments", mend: "zero-checksum",
		in:   byhandtest.Split(unchecked(64), 1, 24, 48),
		bare: icmp6(1), mended: silent,
	},
	{
		name: "an unknown option, and bytes behind a datagram", mend: "quote-length",
		in:     [][]byte{longer(unknownOption)},
		bare:   quotes6(longer(unknownOption)[:40+8+8+16]),
		mended: quotes6(longer(unknownOption)),
	},
	{
		name: "nothing wrong, and bytes behind a datagram", mend: "quote-length",
		in:   [][]byte{longer(padding)},
		bare: icmp6(1), mended: icmp6(1),
	},
	{
		name: "an unknown option behind a long header", mend: "far-pointer",
		in:   [][]byte{ping6(long, unknownOption)},
		bare: problem6(2, 40+2), mended: problem6(2, 40+256+2),
	},
	{
		name: "a routing header behind a long header", mend: "far-pointer",
		in:   [][]byte{ping6(long, padding, byhandtest.Extension{Protocol: 43, Body: []byte{0, 200, 1, 0, 0, 0, 0}})},
		bare: problem6(0, 40+8+2), mended: problem6(0, 40+256+8+2),
	},
	{
		name: "an unknown protocol behind a long header, and another", mend: "far-pointer",
		in:   [][]byte{byhandtest.IPv6{Src: peer6, Dst: host6, Protocol: 250, Extensions: []byhandtest.Extension{long, padding}}.Packet(byhandtest.Data(16))},
		bare: problem6(1, 40), mended: problem6(1, 40+256),
	},
	{
		name: "an unknown option behind a long header, in a fragment", mend: "far-pointer",
		in:   byhandtest.Split(ping6(long, unknownOption), 1, 256+8+16)[:1],
		bare: silent, mended: problem6(2, 40+8+256+2),
	},
	{
		name: "a datagram too long in fragments, each behind a long header", mend: "far-pointer",
		in:   [][]byte{byhandtest.Fragment(byhandtest.IPv6{Src: peer6, Dst: host6, Extensions: []byhandtest.Extension{long}}.Packet(nil), byhandtest.Data(16), 1, 65528, false)},
		bare: problem6(0, 40+2), mended: problem6(0, 40+256+2),
	},
	{
		name: "a last fragment again, with other data", mend: "fragment-duplicate",
		in:   duplicated(1, 1, 0),
		bare: echoed(0), mended: silent,
	},
	{
		name: "a first fragment again, with other data", mend: "fragment-duplicate",
		in:   duplicated(0, 0, 1),
		bare: echoed(0), mended: silent,
	},
	{
		name: "one whose edges are those of the longest datagram", mend: "fragment-duplicate",
		in: func() [][]byte {
			f := byhandtest.Fragment(ping6()[:40], byhandtest.Data(65528), 1, 0, true)
			other := bytes.Clone(f)
			other[len(other)-1]++
			return [][]byte{f, other}
		}(),
		bare: silent, mended: silent,
	},
}

// duplicated are the fragments of an echo request in an order, the second of them with
// other data than the first, which has its place.
func duplicated(order ...int) (f [][]byte) {
	whole := byhandtest.Split(ping6(), 1, 24)
	for _, i := range order {
		f = append(f, bytes.Clone(whole[i]))
	}
	f[1][len(f[1])-1]++
	return f
}

// unchecked is a datagram over IPv6 of n bytes of data, an even number, to a port where
// nobody listens. Its checksum comes to 0, and the field has that.
func unchecked(n int) []byte {
	d := byhandtest.UDP{SrcPort: 1, DstPort: 9, Data: byhandtest.Data(n)}
	d.Data[0], d.Data[1] = 0, 0
	b := d.Datagram(peer6, host6)
	d.Data[0], d.Data[1] = b[6], b[7]
	b = d.Packet(peer6, host6)
	b[46], b[47] = 0, 0
	return b
}

// longer is a datagram of 16 bytes of data to a port where nobody listens, with 24 bytes
// behind it, behind an extension header.
func longer(e byhandtest.Extension) []byte {
	d := byhandtest.UDP{SrcPort: 1, DstPort: 9, Data: byhandtest.Data(16)}.Datagram(peer6, host6)
	return byhandtest.IPv6{Src: peer6, Dst: host6, Protocol: 17, Extensions: []byhandtest.Extension{e}}.Packet(append(d, byhandtest.Data(24)...))
}

// Extension headers.
var (
	padding       = byhandtest.Extension{Protocol: 60, Body: []byte{0, 1, 4, 0, 0, 0, 0}}
	long          = byhandtest.Extension{Protocol: 60, Body: append([]byte{31, 0x1e, 252}, make([]byte, 252)...)}
	unknownOption = byhandtest.Extension{Protocol: 60, Body: []byte{0, 0x9e, 4, 0, 0, 0, 0}}
)

// quotes6 wants a parameter problem that quotes a packet.
func quotes6(want []byte) func(*testing.T, [][]byte) {
	return one(wire.LayerICMPv6, func(p *wire.Packet) bool { return p.ICMP.Type == 4 && bytes.Equal(p.Data()[8:], want) })
}

// solicitation asks for the host's address, by that, with options.
func solicitation(options ...byte) []byte {
	return byhandtest.Neighbour{Target: host6, HopLimit: 255, Options: options}.Packet(peer6, host6)
}

// advertised wants a neighbour advertisement.
func advertised(t *testing.T, out [][]byte) {
	t.Helper()
	one(wire.LayerICMPv6, func(p *wire.Packet) bool { return p.ICMP.Type == 136 && p.Dst.String() == peer6 })(t, out)
}

var handMendings = []mending{
	{
		name: "echo by a source route", mend: "source-route",
		in:   [][]byte{ping4(byhandtest.IPv4{Options: []byte{131, 11, 12, 10, 0, 0, 1, 10, 0, 0, 2, 1}})},
		bare: one(wire.LayerICMPv4, func(p *wire.Packet) bool { return p.ICMP.Type == 0 && p.Dst.String() == peer4 && !hasOption(p, 131) }),
		mended: one(wire.LayerICMPv4, func(p *wire.Packet) bool {
			// By 10.0.0.2 and 10.0.0.1 it came; back it goes the other way round.
			return p.ICMP.Type == 0 && p.Dst.String() == "10.0.0.2" &&
				bytes.Equal(p.Bytes[20:31], []byte{131, 11, 4, 10, 0, 0, 1, 172, 16, 0, 1})
		}),
	},
	{
		name: "multicast solicitation without a link-layer address", mend: "solicitation",
		in:   [][]byte{byhandtest.Neighbour{Target: host6, HopLimit: 255}.Packet(peer6, "ff02::1:ff00:2")},
		bare: silent, mended: one(wire.LayerICMPv6, func(p *wire.Packet) bool { return p.ICMP.Type == 136 && p.Dst.String() == peer6 }),
	},
}

func hasOption(p *wire.Packet, kind byte) bool {
	return p.IPv4.HasOptions() && bytes.IndexByte(p.Bytes[20:p.IPv4.HeaderLen], kind) >= 0
}

func TestByHandMends(t *testing.T) { testMends(t, handMendings) }

var echo = byhandtest.Echo{ID: 1, Seq: 2, Data: byhandtest.Data(56)}.Request4()

func TestInboundMends(t *testing.T) { testMends(t, inboundMendings) }

// TestResetWithSyn: netstack answers a reset with SYN and ACK to a port that
// listens, and does not if it is mended.
func TestResetWithSyn(t *testing.T) {
	segment := byhandtest.TCP{SrcPort: 1234, DstPort: 7, Seq: 1, Ack: 2, Flags: byhandtest.Syn | byhandtest.Ack | byhandtest.Rst}.Packet(peer4, host4)
	for _, test := range []struct {
		without []string
		wait    time.Duration
		resets  int
	}{{[]string{"reset-with-syn"}, 5 * time.Second, 1}, {nil, 50 * time.Millisecond, 0}} {
		n, _ := newNetstack(t, strict(t, test.without...))
		if err := n.Listen([]uint16{7}, nil); err != nil {
			t.Fatal(err)
		}
		n.Inbound(segment)
		var out [][]byte
		// Netstack takes segments in its own time.
		for deadline := time.Now().Add(test.wait); len(out) == 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
			out = n.Outbound()
		}
		if len(out) != test.resets {
			t.Errorf("without %q: sent % x", test.without, out)
		}
	}
}

// TestDefaultMSS: a SYN over IPv6 gets the option that it means, with its
// checksums, whole or partial; one that has it, or no room, passes as it is.
func TestDefaultMSS(t *testing.T) {
	syn := byhandtest.TCP{SrcPort: 1234, DstPort: 7, Seq: 1, Flags: byhandtest.Syn, Options: []byte{1, 3, 3, 7, 4, 2, 1, 1}}
	with, full, ack := syn, syn, syn
	with.Options = []byte{1, 1, 2, 4, 5, 160, 1, 1}
	full.Options = bytes.Repeat([]byte{1}, 40)
	ack.Flags |= byhandtest.Ack
	for name, test := range map[string]struct {
		packet []byte
		o      wire.Offload
		mended bool
	}{
		"without":                  {syn.Packet(peer6, host6), wire.Offload{}, true},
		"without, partial":         {byhandtest.Partial(syn.Packet(peer6, host6)), wire.Offload{Partial: true}, true},
		"with":                     {with.Packet(peer6, host6), wire.Offload{}, false},
		"no room":                  {full.Packet(peer6, host6), wire.Offload{}, false},
		"acknowledged":             {ack.Packet(peer6, host6), wire.Offload{}, false},
		"IPv4, where 536 is right": {syn.Packet(peer4, host4), wire.Offload{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var p hooks.Packet
			p.SetOffloaded(hooks.Inbound, test.packet, test.o, time.Now())
			strict(t).Inbound(&p)
			b := p.Instead()
			if (b != nil) != test.mended || p.Stopped() {
				t.Fatalf("mended into % x, mends %v", b, p.Mends())
			}
			if b == nil {
				return
			}
			var got hooks.Packet
			got.SetOffloaded(hooks.Inbound, b, test.o, time.Now())
			options := b[got.Payload+20 : got.Payload+got.TCP.DataOffset]
			if !got.Problem.IsZero() || !bytes.Equal(options, append([]byte{2, 4, 4, 196}, syn.Options...)) {
				t.Errorf("options % x, problem %v", options, got.Problem)
			}
			for _, c := range got.Checks() {
				if c.Verdict != wire.OK && c.Verdict != wire.Partial {
					t.Errorf("checksum %+v", c)
				}
			}
		})
	}
}

// TestMendSpoils: a mend does not make a wrong checksum right.
func TestMendSpoils(t *testing.T) {
	for _, b := range [][]byte{
		byhandtest.TCP{SrcPort: 1234, DstPort: 7, Flags: byhandtest.Syn, Spoil: 1}.Packet(peer6, host6),
		byhandtest.TCP{SrcPort: 1234, DstPort: 7, Flags: byhandtest.Syn | byhandtest.Rst, Spoil: 1}.Packet(peer4, host4),
		byhandtest.Neighbour{Target: host6, HopLimit: 255, Options: []byte{3, 1, 0, 0, 0, 0, 0, 0}, Spoil: 1}.Packet(peer6, host6),
	} {
		var p, got hooks.Packet
		p.Set(hooks.Inbound, b, time.Now())
		strict(t).Inbound(&p)
		if p.Instead() == nil {
			t.Fatal("not mended")
		}
		got.Set(hooks.Inbound, p.Instead(), time.Now())
		bad := 0
		for _, c := range got.Checks() {
			if c.Verdict == wire.Bad {
				bad++
			}
		}
		if bad != 1 {
			t.Errorf("checks %+v", got.Checks())
		}
	}
}
