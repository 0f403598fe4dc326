package faults_test

import (
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks/faults"
)

// sink is the least of a link and of a netstack: it takes everything.
type sink struct{ stack.LinkEndpoint }

func (sink) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error)           { return pkts.Len(), nil }
func (sink) Attach(stack.NetworkDispatcher)                                        {}
func (sink) Wait()                                                                 {}
func (sink) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}
func (sink) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer)    {}

// passages are ways through the injector on which nothing is done: no rule
// names the packets, or the dice never hit.
func passages(tb testing.TB) map[string]func() {
	tb.Helper()
	e := faults.New(sink{}, parsed(tb, "icmp6 corrupt=100%,delay=100%", "any drop=0%,reorder=0%"), faults.Options{})
	e.Attach(sink{})
	b := samples()["tcp"]
	in, out := received(b), list(b, b, samples()["udp"])
	tb.Cleanup(func() {
		in.DecRef()
		out.DecRef()
		e.Attach(nil)
	})
	return map[string]func(){
		"inbound":        func() { e.DeliverNetworkPacket(header.IPv4ProtocolNumber, in) },
		"three outbound": func() { _, _ = e.WritePackets(out) },
	}
}

// TestAllocs: where nothing is done nothing is allocated. The least of several
// runs counts: a pool may be emptied at any time, and the race detector has it
// forget on purpose.
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

func BenchmarkPassage(b *testing.B) {
	for name, pass := range passages(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pass()
			}
		})
	}
}
