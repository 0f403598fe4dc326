package hooks_test

import (
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
	"netstackd/hooks/guard"
)

// sink is the least of a link and of a netstack: it takes everything.
type sink struct{ stack.LinkEndpoint }

func (sink) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error)           { return pkts.Len(), nil }
func (sink) Attach(stack.NetworkDispatcher)                                        {}
func (sink) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}
func (sink) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer)    {}

// passages are the ways through the endpoint, as with -trace off -guard on.
func passages(tb testing.TB) map[string]func() {
	tb.Helper()
	e := hooks.New(sink{}, newLedger(), hooks.Options{}, guard.New(guard.Config{}))
	e.Attach(sink{})
	b := packet(string(make([]byte, 1400)))
	in := inbound(b)
	one, several := list(outbound(b)), list(outbound(b, 100, 700), outbound(b, 1), outbound(b, 10, 20, 30))
	tb.Cleanup(in.DecRef)
	tb.Cleanup(one.DecRef)
	tb.Cleanup(several.DecRef)
	return map[string]func(){
		"inbound":                 func() { e.DeliverNetworkPacket(header.IPv4ProtocolNumber, in) },
		"outbound in two views":   func() { _, _ = e.WritePackets(one) },
		"three outbound in views": func() { _, _ = e.WritePackets(several) },
	}
}

// TestAllocs: with tracing off the chain allocates nothing for a packet. The
// least of several runs counts: a pool may be emptied at any time, and the race
// detector has it forget on purpose.
func TestAllocs(t *testing.T) {
	for name, pass := range passages(t) {
		least := testing.AllocsPerRun(1, pass)
		for range 200 {
			least = min(least, testing.AllocsPerRun(1, pass))
		}
		if least != 0 {
			t.Errorf("%s: %v allocations, want 0", name, least)
		}
	}
}

func BenchmarkEndpoint(b *testing.B) {
	for name, pass := range passages(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pass()
			}
		})
	}
}
