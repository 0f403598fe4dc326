package stack

import (
	"slices"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"

	"netstackd/stack/iperf3"
)

// definition is one service: a name, a port, and what answers on it. Exactly
// what is not nil is opened.
type definition struct {
	name  string
	port  uint16
	about string // for the page

	// stream serves one TCP connection and returns when it is over. The caller
	// closes the connection: gracefully after nil, with a reset after an error.
	stream func(*stream) error

	// datagram answers one UDP datagram. nil opens no UDP port.
	datagram responder
	// mute says that datagram never replies, so that nothing can be built on it
	// and it takes datagrams from anyone.
	mute bool

	// web serves HTTP on the TCP port instead of stream.
	web bool

	// speed serves iperf3 on both ports instead of stream and datagram.
	speed bool
}

// responder makes a reply out of request, which it may hand back as it is. It
// owns request either way; the caller owns the reply. ok is false when there is
// nothing to send.
type responder func(request buffer.Buffer) (reply buffer.Buffer, ok bool)

// catalogue is every service there is, in the order of the ports.
func catalogue() []definition {
	return []definition{
		{name: "echo", port: 7, about: "sends back what it gets (RFC 862)", stream: echoStream, datagram: echoDatagram},
		{name: "discard", port: 9, about: "throws away what it gets (RFC 863)", stream: discardStream, datagram: discardDatagram, mute: true},
		{name: "chargen", port: 19, about: "sends lines of characters (RFC 864)", stream: chargenStream, datagram: chargenDatagram},
		{name: "http", port: 80, about: "this page", web: true},
		{name: "iperf3", port: iperf3.Port, about: "measures how fast this host is (iperf3 -c)", speed: true},
	}
}

// ServiceNames are the names of all services, in the order of their ports.
func ServiceNames() []string {
	var names []string
	for _, d := range catalogue() {
		names = append(names, d.name)
	}
	return names
}

// Ports returns the TCP and UDP ports on which a host with these services
// listens: all that it has, for it opens no connection itself. What is no
// service has none. Neither list is nil.
func Ports(services []string) (tcp, udp []uint16) {
	tcp, udp = []uint16{}, []uint16{}
	for _, d := range catalogue() {
		if !slices.Contains(services, d.name) {
			continue
		}
		if d.streams() {
			tcp = append(tcp, d.port)
		}
		if d.datagrams() {
			udp = append(udp, d.port)
		}
	}
	return tcp, udp
}

// streams reports whether the service has a TCP port.
func (d *definition) streams() bool { return d.stream != nil || d.web || d.speed }

// datagrams reports whether the service has a UDP port.
func (d *definition) datagrams() bool { return d.datagram != nil || d.speed }

// limits bound what clients may hold. They are the same for every service.
type limits struct {
	connections int           // TCP connections of one service at a time
	total       int           // TCP connections of all services at a time; 0 is twice those of one
	perSource   int           // TCP connections of one source at a time; 0 is no limit
	backlog     int           // TCP connections waiting to be accepted, and as many half open
	idle        time.Duration // a TCP connection without progress for so long is closed
	patience    time.Duration // one that moved less than progress for so long gives way to others
	drain       time.Duration // so long may those go on of a service that was taken away
}

// all is how many TCP connections there may be of all services.
func (l *limits) all() int {
	if l.total > 0 {
		return l.total
	}
	return 2 * l.connections
}

// ample is how many TCP connections there may be before each more is given little
// memory.
const ample = 64

// defaultLimits are those of a host that is not told others.
func defaultLimits() limits {
	return limits{
		connections: DefaultConnections,
		backlog:     DefaultHalfOpen,
		idle:        DefaultIdle,
		patience:    10 * time.Second,
		drain:       time.Minute,
	}
}
