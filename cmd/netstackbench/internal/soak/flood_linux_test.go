package soak_test

import (
	"net/netip"
	"testing"

	"netstackd/cmd/netstackbench/internal/soak"
	"netstackd/hooks/wire"
)

// TestFloods: what a flood sends is what it says, and a SYN's checksum is right.
func TestFloods(t *testing.T) {
	host4, host6 := netip.MustParseAddr("172.16.0.2"), netip.MustParseAddr("fd00:172::2")
	peer4, peer6 := netip.MustParseAddr("172.16.0.1"), netip.MustParseAddr("fd00:172::1")
	sources, datagrams := map[netip.Addr]bool{}, map[uint32]bool{}
	syn := soak.SYNs(netip.AddrPortFrom(host4, 7), soak.Rand(1))
	fragment4, fragment6 := soak.Fragments(peer4, host4, soak.Rand(1)), soak.Fragments(peer6, host6, soak.Rand(1))
	const count = 1000
	for n := range count {
		var p wire.Packet
		b := syn(n)
		b[10], b[11] = 0, 0
		sum := wire.Checksum(b[:20]) // the kernel's to fill in
		b[10], b[11] = byte(sum>>8), byte(sum)
		p.Decode(b)
		var checks [2]wire.Check
		for _, c := range p.Checksums(checks[:0]) {
			if c.Verdict != wire.OK {
				t.Fatalf("SYN %d: %v of %v", n, c.Verdict, c.Layer)
			}
		}
		if !p.Problem.IsZero() || p.Protocol != wire.ProtocolTCP || wire.TCPFlagString(p.TCP.Flags) != "S" || p.Dst != host4 {
			t.Fatalf("SYN %d: %+v", n, p)
		}
		sources[p.Src] = true
		p.Decode(fragment4(n))
		if p.Src != peer4 || p.Dst != host4 || !p.Fragment.More {
			t.Fatalf("fragment %d: %+v", n, p)
		}
		datagrams[p.Fragment.ID] = true
		p.Decode(fragment6(n))
		if !p.Problem.IsZero() || p.Src != peer6 || p.Dst != host6 || !p.Fragment.IsFragment() || !p.Fragment.More {
			t.Fatalf("fragment %d: %+v", n, p)
		}
	}
	if len(sources) < count*9/10 || len(datagrams) != count {
		t.Errorf("%d sources, %d datagrams, of %d", len(sources), len(datagrams), count)
	}
}
