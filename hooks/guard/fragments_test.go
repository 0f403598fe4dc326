package guard_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/guard"
	"netstackd/hooks/wire"
)

// marked returns a packet with an ECN field, and its header's checksum.
func marked(b []byte, ecn byte) []byte {
	b = slices.Clone(b)
	if b[0]>>4 == 6 {
		b[1] = b[1]&^0x30 | ecn<<4
		return b
	}
	return changed(b, 1, b[1]&^3|ecn)
}

const notECT, ect0, ce = 0, 2, 3

// ecnPing4 and ecnPing6 are the two fragments of a ping, with ECN fields.
func ecnPing4(first, last byte) [][]byte {
	f := byhandtest.Split(ping4(byhandtest.IPv4{}), 1, 16)
	return [][]byte{marked(f[0], first), marked(f[1], last)}
}

func ecnPing6(first, last byte) [][]byte {
	f := byhandtest.Split(ping6(), 1, 16)
	return [][]byte{marked(f[0], first), marked(f[1], last)}
}

// ping6 is an echo request with extension headers.
func ping6(extensions ...byhandtest.Extension) []byte {
	return byhandtest.IPv6{Src: peer6, Dst: host6, Extensions: extensions}.Packet(
		byhandtest.Echo{ID: 1, Seq: 2, Data: byhandtest.Data(56)}.Request6(peer6, host6))
}

// echoed wants an echo reply with an ECN field.
func echoed(ecn byte) func(*testing.T, [][]byte) {
	return func(t *testing.T, out [][]byte) {
		t.Helper()
		layer := wire.LayerICMPv4
		if len(out) == 1 && out[0][0]>>4 == 6 {
			layer = wire.LayerICMPv6
		}
		one(layer, func(p *wire.Packet) bool {
			return p.ICMP.Type%129 == 0 && (p.IPv4.TOS|p.IPv6.TrafficClass)&3 == ecn
		})(t, out)
	}
}

// problem6 wants a parameter problem over IPv6.
func problem6(code uint8, pointer uint32) func(*testing.T, [][]byte) {
	return one(wire.LayerICMPv6, func(p *wire.Packet) bool {
		return p.ICMP.Type == 4 && p.ICMP.Code == code && binary.BigEndian.Uint32(p.Data()[4:]) == pointer
	})
}

func backwards(fragments [][]byte) [][]byte {
	slices.Reverse(fragments)
	return fragments
}

var fragmentMendings = []mending{
	{
		name: "congestion in the last", mend: "ecn-reassembly",
		in: ecnPing4(ect0, ce), bare: echoed(ect0), mended: echoed(ce),
	},
	{
		name: "congestion in the last, which comes first", mend: "ecn-reassembly",
		in: backwards(ecnPing4(ect0, ce)), bare: echoed(ect0), mended: echoed(ce),
	},
	{
		name: "congestion of a sender that does not know of it", mend: "ecn-reassembly",
		in: ecnPing4(ce, notECT), bare: echoed(ce), mended: silent,
	},
	{
		name: "congestion in the last over IPv6", mend: "ecn-reassembly",
		in: ecnPing6(ect0, ce), bare: echoed(ect0), mended: echoed(ce),
	},
	{
		name: "congestion in the last, which comes first, over IPv6", mend: "ecn-reassembly",
		in: backwards(ecnPing6(ect0, ce)), bare: echoed(ect0), mended: echoed(ce),
	},
	{
		name: "congestion of a sender that does not know of it over IPv6", mend: "ecn-reassembly",
		in: ecnPing6(notECT, ce), bare: echoed(notECT), mended: silent,
	},
	{
		name: "congestion, and then another datagram by its name", mend: "ecn-reassembly",
		in:   append(ecnPing4(ect0, ce), backwards(ecnPing4(notECT, ce))...),
		bare: func(*testing.T, [][]byte) {}, mended: echoed(ce),
	},
	{
		name: "not ECN-capable, and then another datagram by its name", mend: "ecn-reassembly",
		in:   append(ecnPing6(notECT, ce), ecnPing6(ect0, ect0)...),
		bare: func(*testing.T, [][]byte) {}, mended: echoed(ect0),
	},
	{
		name: "not ECN-capable, backwards, and then another datagram by its name", mend: "ecn-reassembly",
		in:   append(backwards(ecnPing4(notECT, ce)), backwards(ecnPing4(ect0, ect0))...),
		bare: func(*testing.T, [][]byte) {}, mended: echoed(ect0),
	},
	{
		name: "the same behind a header", mend: "ecn-reassembly",
		in: func() [][]byte {
			f := byhandtest.Split(ping6(padding), 1, 24)
			return [][]byte{marked(f[1], ce), f[0], marked(f[1], ect0), marked(f[0], ect0)}
		}(),
		bare: func(*testing.T, [][]byte) {}, mended: echoed(ect0),
	},
	{
		// What is put in its place is shorter than its header.
		name: "not ECN-capable, with options that are to be ignored", mend: "ecn-reassembly",
		in: [][]byte{
			marked(byhandtest.Fragment(headerWith(1, nil), echo[:16], 1, 0, true), ce),
			marked(byhandtest.Fragment(headerWith(1, slices.Repeat([]byte{148, 4, 0, 1}, 10)), echo[16:], 1, 16, false), notECT),
		},
		bare: echoed(ce), mended: silent,
	},
	{
		name: "congestion in the first, which comes last, and has an option that is to be ignored", mend: "ignored-options",
		in: [][]byte{
			marked(byhandtest.Fragment(headerWith(1, nil), echo[16:], 1, 16, false), ce),
			marked(byhandtest.Fragment(headerWith(1, []byte{148, 4, 0, 1}), echo[:16], 1, 0, true), ect0),
		},
		bare: func(*testing.T, [][]byte) {}, mended: echoed(ce),
	},
	{
		name: "bad option in the first", mend: "fragment-option",
		in:   byhandtest.Split(ping4(byhandtest.IPv4{Options: []byte{7, 39, 4, 0}}), 1, 16),
		bare: silent, mended: one(wire.LayerICMPv4, func(p *wire.Packet) bool { return p.ICMP.Type == 12 && p.Data()[4] == 21 }),
	},
	{
		name: "the header in the second", mend: "header-chain",
		in:   byhandtest.Split(ping6(padding), 1, 8),
		bare: echoed(0), mended: problem6(3, 0),
	},
	{
		name: "hop-by-hop behind the fragment header", mend: "hop-by-hop-in-fragment",
		in:   byhandtest.Split(ping6(byhandtest.Extension{Protocol: 0, Body: []byte{0, 1, 4, 0, 0, 0, 0}}), 1, 24),
		bare: echoed(0), mended: problem6(1, 40),
	},
	{
		// A destination unreachable of which the first fragment is odd.
		name: "an error, in a fragment that is to be reported", mend: "error-about-error",
		in:   [][]byte{byhandtest.Fragment(header6(), append([]byte{1}, byhandtest.Data(12)...), 1, 0, true)},
		bare: problem6(0, 4), mended: silent,
	},
}

// TestFragmentMends: what netstack makes of fragments.
func TestFragmentMends(t *testing.T) { testMends(t, fragmentMendings) }

// TestFragmentsConform: of datagrams that need no mend each fragment passes as it
// is, in any order.
func TestFragmentsConform(t *testing.T) {
	for name, packets := range map[string][][]byte{
		"not ECN-capable":     ecnPing4(notECT, notECT),
		"ECN-capable":         ecnPing4(ect0, ect0),
		"congestion in all":   ecnPing4(ce, ce),
		"congestion in first": ecnPing4(ce, ect0),
		"IPv6":                ecnPing6(ect0, ect0),
		"IPv6, congestion":    ecnPing6(ce, ce),
		"options":             byhandtest.Split(ping4(byhandtest.IPv4{Options: recordRoute}), 1, 16),
		"destination options": byhandtest.Split(ping6(padding), 1, 24),
	} {
		for _, packets := range [][][]byte{packets, backwards(slices.Clone(packets))} {
			g := strict(t)
			for i, b := range packets {
				var p hooks.Packet
				p.Set(hooks.Inbound, b, time.Now())
				g.Inbound(&p)
				if p.Stopped() || p.Instead() != nil {
					t.Errorf("%s, fragment %d: %s %s, mends %v", name, i, p.Fate, p.Reason, p.Mends())
				}
			}
		}
	}
}

// TestICMPReassemblyTimeout: of an ICMPv4 message that did not become whole there
// is a time exceeded, once, when its time is up; netstack tells of no such.
func TestICMPReassemblyTimeout(t *testing.T) {
	g := strict(t)
	n, ledger := newNetstack(t, g, g.Answer())
	g.Connect(n.Chain())
	f := byhandtest.Split(ping4(byhandtest.IPv4{}), 1, 16)
	n.Inbound(f[0])
	n.Inbound(byhandtest.Split(ping4(byhandtest.IPv4{}), 2, 16)[1]) // without the first
	for _, b := range byhandtest.Split(ping4(byhandtest.IPv4{}), 3, 16) {
		n.Inbound(b) // whole
	}
	n.Outbound()
	begin := time.Now()
	if pending := g.Sweep(begin); !pending {
		t.Error("no fragment waits")
	}
	silent(t, n.Outbound())
	// From long before on, for the machine may have stood still before it began.
	for at := 20 * time.Second; at <= 30*time.Second+100*time.Millisecond; at += 100 * time.Millisecond {
		g.Sweep(begin.Add(at))
	}
	one(wire.LayerICMPv4, func(p *wire.Packet) bool {
		return p.ICMP.Type == 11 && p.ICMP.Code == 1 && slices.Equal(p.Data()[8:], f[0])
	})(t, n.Outbound())
	if pending := g.Sweep(begin.Add(62 * time.Second)); pending {
		t.Error("fragments wait for ever")
	}
	silent(t, n.Outbound())
	if got := ledger.Totals().Mends["icmp-reassembly-timeout"]; got != 1 {
		t.Errorf("%d mends counted", got)
	}
}

// TestGuardCloses: what Start starts ends with Close, while fragments wait and
// while none do.
func TestGuardCloses(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		g := strict(t)
		g.Start()
		if waiting {
			verdict(g, byhandtest.Split(ping4(byhandtest.IPv4{}), 1, 16)[0], time.Now())
		}
		g.Close()
	}
	var _ hooks.Hook = guard.New(guard.Config{})
}
