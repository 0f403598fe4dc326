package compare_test

import (
	"testing"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/trace"
)

// deaf is a tracer that does nothing.
type deaf struct{}

var _ trace.Tracer = deaf{}

func (deaf) WantsBytes() bool          { return false }
func (deaf) WantsWorking() bool        { return false }
func (deaf) Packet(*trace.Packet)      {}
func (deaf) Compare(*trace.Comparison) {}

// bulk returns what a Comparer does about one packet of each kind that moves in
// bulk, in both directions.
func bulk() map[string]func() {
	c := compare.New(compare.Config{
		Host:   byhand.NewHost(byhand.Config{Addresses: addrs, TCPPorts: openPorts, UDPPorts: openPorts}),
		Ledger: hooks.NewLedger(), Tracer: deaf{}, Responder: "netstack",
	})
	data := func(src, dst string, srcPort, dstPort uint16) []byte {
		return bt.TCP{SrcPort: srcPort, DstPort: dstPort, Flags: bt.Ack, Data: bt.Data(1400)}.Packet(src, dst)
	}
	var p hooks.Packet
	now := time.Unix(1_000_000, 0)
	for _, syn := range [][]byte{segment(7, bt.Syn), segment6(7, bt.Syn)} {
		p.Set(hooks.Inbound, syn, now)
		c.Inbound(&p)
	}
	pass := func(d hooks.Direction, packet []byte) func() {
		var p hooks.Packet
		p.Set(d, packet, now)
		if d == hooks.Inbound {
			return func() { c.Inbound(&p) }
		}
		return func() { c.Outbound(&p) }
	}
	return map[string]func(){
		"TCP in":   pass(hooks.Inbound, data(peer4, host4, 4000, 7)),
		"TCP out":  pass(hooks.Outbound, data(host4, peer4, 7, 4000)),
		"TCP6 in":  pass(hooks.Inbound, data(peer6, host6, 4000, 7)),
		"TCP6 out": pass(hooks.Outbound, data(host6, peer6, 7, 4000)),
		"UDP in":   pass(hooks.Inbound, datagram(peer4, host4, 7, 1400)),
		"UDP out":  pass(hooks.Outbound, datagram(host4, peer4, 4000, 1400)),
	}
}

// TestBulkAllocs: comparing allocates nothing for what moves in bulk.
func TestBulkAllocs(t *testing.T) {
	for name, pass := range bulk() {
		if n := testing.AllocsPerRun(100, pass); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkBulk(b *testing.B) {
	for name, pass := range bulk() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pass()
			}
		})
	}
}

// BenchmarkAnswered has what a Comparer does about a request and its reply.
func BenchmarkAnswered(b *testing.B) {
	for name, pair := range map[string][2][]byte{
		"echo": {request4(echo), reply4(echo)},
		"reset": {segment(81, bt.Syn),
			bt.TCP{SrcPort: 81, DstPort: 4000, Ack: 1001, Flags: bt.Rst | bt.Ack}.Packet(host4, peer4)},
	} {
		b.Run(name, func(b *testing.B) {
			c := compare.New(compare.Config{
				Host:   byhand.NewHost(byhand.Config{Addresses: addrs, TCPPorts: openPorts, UDPPorts: openPorts}),
				Ledger: hooks.NewLedger(), Tracer: deaf{}, Responder: "netstack",
			})
			var in, out hooks.Packet
			b.ReportAllocs()
			for b.Loop() {
				in.Set(hooks.Inbound, pair[0], time.Now())
				out.Set(hooks.Outbound, pair[1], time.Now())
				c.Inbound(&in)
				c.Outbound(&out)
			}
			if got := c.Counts(); got.Match == 0 || got.Differ+got.Missing+got.Unexpected+got.Unjudged > 0 {
				b.Errorf("%+v", got)
			}
		})
	}
}
