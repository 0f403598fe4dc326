package stack

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/stack/iperf3"
)

// speedPort shows a socket to iperf3. Like the others it takes datagrams in the
// goroutine that delivers them, so that none is lost to a queue and no wake-up
// is in the measurement.
type speedPort struct {
	*socket
	server *iperf3.Server

	// order is held from taking a datagram out of the endpoint until it is
	// counted: what two goroutines take must not overtake.
	order sync.Mutex
	head  datagramHead // guarded by order

	noStream, short, failed atomic.Uint64
}

var _ iperf3.Datagrams = (*speedPort)(nil)

// serve is that of socket.
func (p *speedPort) serve() bool {
	p.order.Lock()
	defer p.order.Unlock()
	p.head.n = 0
	res, terr := p.ep.Read(&p.head, tcpip.ReadOptions{NeedRemoteAddr: true})
	switch terr.(type) {
	case nil:
	case *tcpip.ErrWouldBlock, *tcpip.ErrClosedForReceive:
		return false
	default:
		// Such as an ICMP error netstack remembers: reading took it away.
		return true
	}
	p.received.Add(1)
	local := netip.AddrPortFrom(toAddr(destination(&res.ControlMessages)), p.port)
	switch p.server.Datagram(local, toAddrPort(res.RemoteAddr), p.head.bytes[:min(p.head.n, iperf3.HeadSize)], p.head.n) {
	case iperf3.Answered:
		p.replied.Add(1)
	case iperf3.NoStream:
		p.noStream.Add(1)
	case iperf3.TooShort:
		p.short.Add(1)
	case iperf3.Failed:
		p.failed.Add(1)
	}
	return true
}

// datagramHead is an io.Writer that keeps the beginning of what it is given, and
// counts all of it.
type datagramHead struct {
	bytes [iperf3.HeadSize]byte
	n     int
}

func (h *datagramHead) Write(p []byte) (int, error) {
	if h.n < len(h.bytes) {
		copy(h.bytes[h.n:], p)
	}
	h.n += len(p)
	return len(p), nil
}

// Send implements iperf3.Datagrams.
func (p *speedPort) Send(local, remote netip.AddrPort, payload []byte) error {
	terr := p.send(fromAddr(local.Addr()), fullOf(remote), buffer.MakeWithData(payload))
	return asError(terr, "send datagram")
}

// Open implements iperf3.Datagrams.
func (p *speedPort) Open(local, remote netip.AddrPort, body []byte, o iperf3.PathOptions) (iperf3.Path, error) {
	route, terr := p.stack.FindRoute(nicID, fromAddr(local.Addr()), fromAddr(remote.Addr()), protocolOf(local.Addr()), false /* multicastLoop */)
	if terr != nil {
		return nil, asError(terr, "find route to %s", remote.Addr())
	}
	return &speedPath{
		socket: p.socket,
		route:  route,
		remote: remote.Port(),
		body:   buffer.MakeWithData(body),
		params: netstack.NetworkHeaderParams{TOS: o.TOS, DF: o.DontFragment},
	}, nil
}

func fullOf(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{Addr: fromAddr(a.Addr()), Port: a.Port()}
}

// speedPath sends datagrams over one route. They share their body, which is
// copied once, when the path is opened.
type speedPath struct {
	*socket
	route  *netstack.Route
	remote uint16
	body   buffer.Buffer
	params netstack.NetworkHeaderParams
}

var _ iperf3.Path = (*speedPath)(nil)

// Send implements iperf3.Path.
func (p *speedPath) Send(head []byte) error {
	payload := buffer.MakeWithData(head)
	body := p.body.Clone()
	payload.Merge(&body)
	return asError(p.sendVia(p.route, p.remote, payload, p.params), "send datagram")
}

// Close implements iperf3.Path.
func (p *speedPath) Close() {
	p.body.Release()
	p.route.Release()
}
