package guard_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/guard"
	"netstackd/hooks/wire"
)

// conforming are packets of each kind that need no mend.
func conforming() map[string][]byte {
	return map[string][]byte{
		"ping":     ping4(byhandtest.IPv4{}),
		"ping6":    byhandtest.IPv6{Src: peer6, Dst: host6}.Packet(byhandtest.Echo{Data: byhandtest.Data(56)}.Request6(peer6, host6)),
		"segment":  byhandtest.TCP{SrcPort: 1, DstPort: 7, Flags: byhandtest.Ack, Data: byhandtest.Data(1448)}.Packet(peer4, host4),
		"syn":      byhandtest.TCP{SrcPort: 1, DstPort: 7, Flags: byhandtest.Syn, Options: []byte{2, 4, 5, 180}}.Packet(peer6, host6),
		"datagram": byhandtest.UDP{SrcPort: 1, DstPort: 7, Data: byhandtest.Data(1400)}.Packet(peer4, host4),
		"options":  ping4(byhandtest.IPv4{Options: recordRoute}),
		"first":    fragment(headerWith(1, recordRoute), 0, 1400, true),
		"last":     byhandtest.Fragment(header4(1, 0), byhandtest.Data(27), 2, 65488, false),
	}
}

// establish has a guard see the connection that the segment is of.
func establish(g *guard.Guard, now time.Time) {
	var p hooks.Packet
	p.Set(hooks.Outbound, byhandtest.TCP{SrcPort: 7, DstPort: 1, Seq: 1<<32 - 1, Flags: byhandtest.Syn | byhandtest.Ack}.Packet(host4, peer4), now)
	g.Outbound(&p)
}

// TestConforming: what needs no mend passes untouched, both ways, and costs no
// allocation.
func TestConforming(t *testing.T) {
	g, now := strict(t), time.Now()
	establish(g, now)
	for name, b := range conforming() {
		for _, d := range []hooks.Direction{hooks.Inbound, hooks.Outbound} {
			var p hooks.Packet
			allocs := testing.AllocsPerRun(100, func() {
				p.Set(d, b, now)
				if d == hooks.Inbound {
					g.Inbound(&p)
				} else {
					g.Outbound(&p)
				}
			})
			if p.Stopped() || p.Instead() != nil || len(p.Mends()) > 0 || allocs > 0 {
				t.Errorf("%s %s: fate %s %s, mends %v, %v allocations", name, d, p.Fate, p.Reason, p.Mends(), allocs)
			}
		}
	}
}

// sentBack returns a packet as from the host to the peer, if it is a segment: its
// sums are wrong then.
func sentBack(b []byte) []byte {
	var p wire.Packet
	if p.Decode(b); p.Upper != wire.LayerTCP {
		return b
	}
	b = slices.Clone(b)
	address := len(p.Src.AsSlice())
	at := 12
	if p.Version == 6 {
		at = 8
	}
	copy(b[at:], p.Dst.AsSlice())
	copy(b[at+address:], p.Src.AsSlice())
	copy(b[p.Payload:], []byte{0, 7, 0, 1})
	return b
}

// BenchmarkGuard is what a guard costs a packet, there and back.
func BenchmarkGuard(b *testing.B) {
	for _, s := range []string{"on", "strict"} {
		for name, packet := range conforming() {
			b.Run(fmt.Sprintf("%s/%s", s, name), func(b *testing.B) {
				g, now := guard.New(guard.Config{Mends: mode(b, s), Addresses: addrs}), time.Now()
				establish(g, now)
				var in, out hooks.Packet
				in.Set(hooks.Inbound, packet, now)
				out.Set(hooks.Outbound, sentBack(packet), now)
				b.ReportAllocs()
				for b.Loop() {
					g.Inbound(&in)
					g.Outbound(&out)
				}
			})
		}
	}
}
