package hooks

import (
	"fmt"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// An Answer says of an outbound packet that it did not come from netstack: it is
// the reply of another answerer to an echo request, or a fragment of it. Its bytes
// are borrowed like the packet's.
type Answer struct {
	// By is who answers, as it stands in traces.
	By string
	// Mend is the mend that answers, if it is one.
	Mend string
	// Alone says that no packet was withheld for the answer: its mend is counted by
	// the answer itself.
	Alone bool
	// Request is the Seq of the packet that completed the request, or 0, and
	// Received when that was seen.
	Request  uint64
	Received time.Time
	// Asked is the whole request, Reply the whole reply, and Hand the reply made
	// by hand. They come with the reply's last fragment only.
	Asked, Reply, Hand []byte
	// AnySource says that the reply may come from any address of the host,
	// Optional that none was due, and RFC is the rule that allows it.
	AnySource, Optional bool
	RFC                 string
}

// Send sends a packet that another than netstack has made: it passes the chain,
// outbound, and goes to the child. It is one whole IP packet no longer than the MTU,
// with its checksums in place, and is borrowed.
func (e *Endpoint) Send(packet []byte, a Answer) error {
	pkt := newPacket(packet)
	defer pkt.DecRef()
	if !e.pass(Outbound, pkt, true, &a).forward {
		return nil
	}
	var one stack.PacketBufferList
	one.PushBack(pkt)
	if _, err := e.LinkEndpoint.WritePackets(one); err != nil {
		return fmt.Errorf("write packet: %s", err)
	}
	return nil
}

// newPacket returns a packet made here, of which it copies the bytes.
func newPacket(b []byte) *stack.PacketBuffer {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
	pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
	if len(b) > 0 && b[0]>>4 == 6 {
		pkt.NetworkProtocolNumber = header.IPv6ProtocolNumber
	}
	return pkt
}
