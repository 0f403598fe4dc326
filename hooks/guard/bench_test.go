package guard_test

import (
	"fmt"
	"testing"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/guard"
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

// TestConforming: what needs no mend passes untouched, both ways, and costs no
// allocation.
func TestConforming(t *testing.T) {
	g, now := strict(t), time.Now()
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

// BenchmarkGuard is what a guard costs a packet, there and back.
func BenchmarkGuard(b *testing.B) {
	for _, s := range []string{"on", "strict"} {
		for name, packet := range conforming() {
			b.Run(fmt.Sprintf("%s/%s", s, name), func(b *testing.B) {
				g, now := guard.New(guard.Config{Mends: mode(b, s), Addresses: addrs}), time.Now()
				var in, out hooks.Packet
				in.Set(hooks.Inbound, packet, now)
				out.Set(hooks.Outbound, packet, now)
				b.ReportAllocs()
				for b.Loop() {
					g.Inbound(&in)
					g.Outbound(&out)
				}
			})
		}
	}
}
