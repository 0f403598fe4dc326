package comparetest

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// MTU is that of the link, in bytes.
const MTU = 1500

// queueLen bounds the packets that wait for Outbound: the replies to one
// inbound packet, in fragments.
const queueLen = 256

// A Netstack is netstack with addresses, on a link without an other end. One
// goroutine at a time may send; the others must not take what it caused.
type Netstack struct {
	stack   *stack.Stack
	link    *device
	chain   *hooks.Endpoint
	sockets []tcpip.Endpoint
}

// A device is a link that can be down, as a device can.
type device struct {
	*channel.Endpoint
	down atomic.Bool
}

// WritePackets implements stack.LinkWriter.
func (d *device) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	if d.down.Load() {
		return 0, &tcpip.ErrNetworkUnreachable{}
	}
	return d.Endpoint.WritePackets(pkts)
}

// Down has the link take nothing any more.
func (n *Netstack) Down() { n.link.down.Store(true) }

// New returns a running netstack behind a chain of hooks. Close it.
func New(ledger *hooks.Ledger, addrs []netip.Prefix, chain ...hooks.Hook) (*Netstack, error) {
	return NewAt(nil, ledger, addrs, chain...)
}

// NewAt is New with a clock for netstack's timers; nil is the time.
func NewAt(clock tcpip.Clock, ledger *hooks.Ledger, addrs []netip.Prefix, chain ...hooks.Hook) (*Netstack, error) {
	return NewWith(hooks.Options{}, clock, ledger, addrs, chain...)
}

// NewWith is NewAt with options for the endpoint around the chain.
func NewWith(o hooks.Options, clock tcpip.Clock, ledger *hooks.Ledger, addrs []netip.Prefix, chain ...hooks.Hook) (*Netstack, error) {
	n := &Netstack{
		stack: stack.New(stack.Options{
			Clock:              clock,
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
			HandleLocal:        true,
		}),
		link: &device{Endpoint: channel.New(queueLen, MTU, "")},
	}
	if o.ReceiveOffload {
		// The two come together: netstack leaves sums and segments to the link.
		n.link.SupportedGSOKind = stack.HostGSOSupported
	}
	n.chain = hooks.New(n.link, ledger, o, chain...)
	if err := n.stack.CreateNIC(1, n.chain); err != nil {
		n.Close()
		return nil, fmt.Errorf("create NIC: %v", err)
	}
	for _, p := range addrs {
		protocol := ipv4.ProtocolNumber
		if p.Addr().Is6() {
			protocol = ipv6.ProtocolNumber
		}
		err := n.stack.AddProtocolAddress(1, tcpip.ProtocolAddress{
			Protocol: protocol,
			AddressWithPrefix: tcpip.AddressWithPrefix{
				Address: tcpip.AddrFromSlice(p.Addr().AsSlice()), PrefixLen: p.Bits(),
			},
		}, stack.AddressProperties{})
		if err != nil {
			n.Close()
			return nil, fmt.Errorf("add address %v: %v", p, err)
		}
	}
	n.stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: 1},
		{Destination: header.IPv6EmptySubnet, NIC: 1},
	})
	return n, nil
}

// Chain is the endpoint around the hooks.
func (n *Netstack) Chain() *hooks.Endpoint { return n.chain }

// Inbound delivers a packet, a copy of it, to the chain.
func (n *Netstack) Inbound(packet []byte) { n.InboundOffloaded(packet, wire.Offload{}) }

// InboundOffloaded is Inbound for a packet that the link says o of: in the fields
// of the packet buffer, as it would.
func (n *Netstack) InboundOffloaded(packet []byte, o wire.Offload) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	defer pkt.DecRef()
	Mark(pkt, packet, o)
	protocol := ipv4.ProtocolNumber
	if len(packet) > 0 && packet[0]>>4 == 6 {
		protocol = ipv6.ProtocolNumber
	}
	n.link.InjectInbound(protocol, pkt)
}

// Outbound takes the packets that netstack has sent since the last call.
func (n *Netstack) Outbound() [][]byte {
	var out [][]byte
	for pkt := n.link.Read(); pkt != nil; pkt = n.link.Read() {
		v := pkt.ToView()
		out = append(out, append([]byte(nil), v.AsSlice()...))
		v.Release()
		pkt.DecRef()
	}
	return out
}

// Close ends netstack.
func (n *Netstack) Close() {
	for _, s := range n.sockets {
		s.Close()
	}
	n.stack.Destroy()
	n.link.Close()
}

// Mark says o of a packet in the fields of its buffer, as a link does.
func Mark(pkt *stack.PacketBuffer, packet []byte, o wire.Offload) {
	pkt.RXChecksumValidated = o.Validated
	var p wire.Packet
	p.Decode(packet)
	if o.Partial {
		pkt.GSOOptions.NeedsCsum = true
		pkt.GSOOptions.L3HdrLen = uint16(p.Payload)
		pkt.GSOOptions.CsumOffset = header.TCPChecksumOffset
		if p.Protocol == wire.ProtocolUDP {
			pkt.GSOOptions.CsumOffset = header.UDPMinimumSize - 2
		}
	}
	if o.SegmentSize > 0 {
		pkt.GSOOptions.Type, pkt.GSOOptions.MSS = stack.GSOTCPv4, uint16(o.SegmentSize)
		if p.Version == 6 {
			pkt.GSOOptions.Type = stack.GSOTCPv6
		}
	}
}
