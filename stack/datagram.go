package stack

import (
	"math"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// lowestClientPort is the lowest source port that echo and chargen answer. Lower
// ones belong to services; answering them is how two services are made to
// answer each other for ever.
const lowestClientPort = 1024

// socket is the UDP port of one service, over IPv4 and IPv6.
//
// It answers in the goroutine that delivers: netstack notifies it while the
// datagram is on its way up, and it reads, judges and replies there. A queue
// with a goroutine behind it costs a wake-up each way, and netstack bounds that
// queue by bytes of payload alone: empty datagrams are not bounded at all, and
// one-byte ones at a million, each with a packet buffer behind it. Without a
// queue a flood is bounded by the link that carries it.
//
// Replies do not go out through the endpoint either. netstack lets an IPv6
// endpoint choose the source address of a datagram, an IPv4 one not; a reply has
// to come from the address that was asked, so it takes a route from there, as
// netstack's own ICMP replies and TCP resets do.
type socket struct {
	// serve takes one datagram out of the endpoint and does with it what the
	// service does. It returns false when there is none left.
	serve   func() bool
	respond responder // of answer
	mute    bool      // of answer
	stack   *netstack.Stack
	own     *ownAddresses
	ep      tcpip.Endpoint
	wq      waiter.Queue
	entry   waiter.Entry
	port    uint16

	// gate is held for reading by each delivery and for writing, for good, by
	// close: nothing runs after close returned. Deliveries only ever try it.
	gate sync.RWMutex

	// purged counts those that came and were lost to close.
	purged   atomic.Uint64
	received atomic.Uint64
	replied  atomic.Uint64
	ignored  [len(datagramReasons)]atomic.Uint64 // by place in datagramReasons
}

var _ waiter.EventListener = (*socket)(nil)

// listenUDP opens a UDP port on every address the host has or will have. The
// caller may set another serve before the host starts.
func listenUDP(s *netstack.Stack, d definition, own *ownAddresses) (*socket, error) {
	k := &socket{respond: d.datagram, mute: d.mute, stack: s, own: own, port: d.port}
	k.serve = k.answer
	// An IPv6 endpoint bound to no address takes IPv4 too.
	ep, terr := s.NewEndpoint(udp.ProtocolNumber, ipv6.ProtocolNumber, &k.wq)
	if terr != nil {
		return nil, asError(terr, "open %s on UDP port %d", d.name, d.port)
	}
	ep.SocketOptions().SetV6Only(false)
	ep.SocketOptions().SetReceivePacketInfo(true)
	ep.SocketOptions().SetIPv6ReceivePacketInfo(true)
	if terr := ep.Bind(tcpip.FullAddress{Port: d.port}); terr != nil {
		ep.Close()
		return nil, asError(terr, "bind %s to UDP port %d", d.name, d.port)
	}
	k.ep = ep
	k.entry.Init(k, waiter.ReadableEvents)
	k.wq.EventRegister(&k.entry)
	return k, nil
}

// close closes the port and waits for the deliveries under way. It must not be
// called by a delivery.
func (k *socket) close() {
	k.ep.Close()
	k.gate.Lock() // never unlocked: see gate
	k.wq.EventUnregister(&k.entry)
	if s, ok := k.ep.Stats().(*tcpip.TransportEndpointStats); ok {
		// What it took and nobody has read. Those that it did not take are counted there.
		came := s.PacketsReceived.Value() - s.ReceiveErrors.ReceiveBufferOverflow.Value() - s.ReceiveErrors.ClosedReceiver.Value()
		if read := k.received.Load(); came > read {
			k.purged.Store(came - read)
		}
	}
}

// NotifyEvent implements waiter.EventListener: there are datagrams to read. It
// is called by whichever goroutine delivers, several at once when the link has
// several, and must not touch the queue that calls it.
func (k *socket) NotifyEvent(waiter.EventMask) {
	if !k.gate.TryRLock() {
		return
	}
	defer k.gate.RUnlock()
	for k.serve() {
	}
}

// answer takes one datagram out of the endpoint and answers or ignores it. It
// returns false when there is none left.
func (k *socket) answer() bool {
	var payload collector
	res, terr := k.ep.Read(&payload, tcpip.ReadOptions{NeedRemoteAddr: true})
	switch terr.(type) {
	case nil:
	case *tcpip.ErrWouldBlock, *tcpip.ErrClosedForReceive:
		return false
	default:
		// Such as an ICMP error netstack remembers: reading took it away, and
		// what comes behind it is as good as before.
		payload.Release()
		return true
	}
	k.received.Add(1)
	from, to := res.RemoteAddr, destination(&res.ControlMessages)
	if reason := k.judge(from, to); reason != answerIt {
		k.ignored[reason].Add(1)
		payload.Release()
		return true
	}
	reply, ok := k.respond(payload.Buffer)
	if !ok {
		return true
	}
	if terr := k.send(to, from, reply); terr != nil {
		k.ignored[replyFailed].Add(1)
		return true
	}
	k.replied.Add(1)
	return true
}

// judge says whether a datagram is answered.
func (k *socket) judge(from tcpip.FullAddress, to tcpip.Address) datagramReason {
	switch {
	case k.mute:
		return answerIt
	case from.Port < lowestClientPort:
		return lowSourcePort
	case !k.own.is(to):
		return notToUnicast
	case !k.own.isUnicast(from.Addr):
		return notFromUnicast
	}
	return answerIt
}

// destination is the address a datagram was sent to.
func destination(cm *tcpip.ReceivableControlMessages) tcpip.Address {
	if cm.HasIPPacketInfo {
		return cm.PacketInfo.DestinationAddr
	}
	return cm.IPv6PacketInfo.Addr
}

// send sends payload from port k.port of local, and owns payload.
func (k *socket) send(local tcpip.Address, remote tcpip.FullAddress, payload buffer.Buffer) tcpip.Error {
	route, terr := k.stack.FindRoute(nicID, local, remote.Addr, protocolOf(toAddr(local)), false /* multicastLoop */)
	if terr != nil {
		payload.Release()
		k.stack.Stats().UDP.PacketSendErrors.Increment()
		return terr
	}
	defer route.Release()
	return k.sendVia(route, remote.Port, payload, netstack.NetworkHeaderParams{})
}

// sendVia sends payload from port k.port over a route to a port at its other
// end, and owns payload. Of params it takes TOS and DF.
func (k *socket) sendVia(route *netstack.Route, remotePort uint16, payload buffer.Buffer, params netstack.NetworkHeaderParams) tcpip.Error {
	stats := k.stack.Stats().UDP
	pkt := netstack.NewPacketBuffer(netstack.PacketBufferOptions{
		ReserveHeaderBytes: header.UDPMinimumSize + int(route.MaxHeaderLength()),
		Payload:            payload,
	})
	defer pkt.DecRef()
	hdr := header.UDP(pkt.TransportHeader().Push(header.UDPMinimumSize))
	pkt.TransportProtocolNumber = udp.ProtocolNumber
	// A reply is no longer than its request, and what iperf3 sends is bounded,
	// so it fits.
	length := uint16(pkt.Size())
	hdr.Encode(&header.UDPFields{SrcPort: k.port, DstPort: remotePort, Length: length})
	if route.RequiresTXTransportChecksum() {
		sum := hdr.CalculateChecksum(checksum.Combine(
			header.PseudoHeaderChecksum(udp.ProtocolNumber, route.LocalAddress(), route.RemoteAddress(), length),
			pkt.Data().Checksum()))
		// A computed 0 goes out as all ones; 0 would mean none (RFC 768).
		if sum != math.MaxUint16 {
			sum = ^sum
		}
		hdr.SetChecksum(sum)
	}
	params.Protocol, params.TTL = udp.ProtocolNumber, route.DefaultTTL()
	if terr := route.WritePacket(params, pkt); terr != nil {
		stats.PacketSendErrors.Increment()
		return terr
	}
	stats.PacketsSent.Increment()
	return nil
}

// collector is an io.Writer that copies what it is given into pooled views:
// the payload of one datagram, once, at its own size.
type collector struct{ buffer.Buffer }

func (c *collector) Write(p []byte) (int, error) {
	if err := c.Append(buffer.NewViewWithData(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// ownAddresses are the host's addresses and subnets. It does not change.
type ownAddresses struct {
	addrs    []tcpip.Address
	networks []netip.Addr // all-zeros and all-ones hosts of the IPv4 subnets
}

func newOwnAddresses(prefixes []netip.Prefix) *ownAddresses {
	o := &ownAddresses{}
	for _, p := range prefixes {
		o.addrs = append(o.addrs, fromAddr(p.Addr()))
		if b := broadcastOf(p); b.IsValid() {
			o.networks = append(o.networks, b, networkOf(p))
		}
	}
	return o
}

// is tells whether a is one of the host's addresses. Everything else that
// netstack delivers is a broadcast or a multicast.
func (o *ownAddresses) is(a tcpip.Address) bool {
	for i := range o.addrs {
		if o.addrs[i] == a {
			return true
		}
	}
	return false
}

// isUnicast tells whether a can be the address of one host: as source of a
// datagram, and so as destination of a reply.
func (o *ownAddresses) isUnicast(a tcpip.Address) bool {
	addr := toAddr(a)
	switch {
	case !addr.IsValid(), addr.IsUnspecified(), addr.IsMulticast(), addr == limitedBroadcast:
		return false
	}
	for _, n := range o.networks {
		if n == addr {
			return false
		}
	}
	return true
}
