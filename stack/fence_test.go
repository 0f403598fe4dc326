package stack

import (
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// nic takes every packet.
type nic struct{}

func (nic) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *netstack.PacketBuffer) {}
func (nic) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *netstack.PacketBuffer)    {}

// BenchmarkFence is what a fence costs an inbound packet.
func BenchmarkFence(b *testing.B) {
	killer := killers(1)
	for _, bm := range []struct {
		name  string
		bytes []byte
	}{
		{"whole", echoRequest(families[0].client, families[0].host, make([]byte, 1400))},
		{"fragment", killer[1]},
	} {
		b.Run(bm.name, func(b *testing.B) {
			var d netstack.NetworkDispatcher = nic{}
			f := &fence{losses: &losses{}}
			f.dispatcher.Store(&d)
			pkt := netstack.NewPacketBuffer(netstack.PacketBufferOptions{Payload: buffer.MakeWithData(bm.bytes)})
			b.ReportAllocs()
			for b.Loop() {
				f.DeliverNetworkPacket(header.IPv4ProtocolNumber, pkt)
			}
			f.forget()
			pkt.DecRef()
		})
	}
}
