package comparetest

import (
	"fmt"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// backlog is that of each TCP port.
const backlog = 64

// Listen opens ports over both families. Nobody accepts what connects to them,
// or reads what is sent.
func (n *Netstack) Listen(tcpPorts, udpPorts []uint16) error {
	for _, port := range tcpPorts {
		ep, err := n.open(tcp.ProtocolNumber, port)
		if err != nil {
			return err
		}
		if err := ep.Listen(backlog); err != nil {
			return fmt.Errorf("listen on TCP port %d: %v", port, err)
		}
	}
	for _, port := range udpPorts {
		if _, err := n.open(udp.ProtocolNumber, port); err != nil {
			return err
		}
	}
	return nil
}

// Accept returns the connection that has waited longest at the TCP port which Listen
// opened first, or nil if none waits. Close closes it.
func (n *Netstack) Accept() (tcpip.Endpoint, error) {
	ep, _, err := n.sockets[0].Accept(nil)
	switch err.(type) {
	case nil:
		n.sockets = append(n.sockets, ep)
		return ep, nil
	case *tcpip.ErrWouldBlock:
		return nil, nil
	}
	return nil, fmt.Errorf("accept: %v", err)
}

// open binds a socket of its own to a port. Close closes it.
func (n *Netstack) open(protocol tcpip.TransportProtocolNumber, port uint16) (tcpip.Endpoint, error) {
	ep, err := n.stack.NewEndpoint(protocol, ipv6.ProtocolNumber, new(waiter.Queue))
	if err != nil {
		return nil, fmt.Errorf("open port %d: %v", port, err)
	}
	n.sockets = append(n.sockets, ep)
	if err := ep.Bind(tcpip.FullAddress{Port: port}); err != nil {
		return nil, fmt.Errorf("bind port %d: %v", port, err)
	}
	return ep, nil
}

// RateLimited counts the ICMP errors that netstack has kept back.
func (n *Netstack) RateLimited() uint64 {
	s := n.stack.Stats().ICMP
	return s.V4.PacketsSent.RateLimited.Value() + s.V6.PacketsSent.RateLimited.Value()
}

// Unlimited lets netstack send ICMP errors at any rate.
func (n *Netstack) Unlimited() {
	n.stack.SetICMPLimit(1 << 30)
	n.stack.SetICMPBurst(1 << 30)
}

// Refused counts the segments that netstack has dropped for want of room.
func (n *Netstack) Refused() uint64 {
	s := n.stack.Stats()
	return s.DroppedPackets.Value() + s.TCP.ListenOverflowSynDrop.Value() + s.TCP.FailedConnectionAttempts.Value()
}
