package suite

import (
	"net/netip"
	"sync"

	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// An item is what an exchange finds in its inbox: a packet, or word that the
// sentinel of a number was answered.
type item struct {
	packet   []byte
	sentinel uint32 // 0 if it is a packet
}

// inboxLen is how much an inbox holds; what comes beyond is lost, and was a
// flood.
const inboxLen = 4096

// mail hands what a host sends to the exchanges.
type mail struct {
	mu sync.Mutex
	// The following are guarded by mu.
	byPeer    map[netip.Addr]*Exchange
	front     *Exchange // gets what is addressed to nobody
	waiting   map[uint32]*Exchange
	sentinels uint32
}

func newMail() *mail {
	return &mail{byPeer: map[netip.Addr]*Exchange{}, waiting: map[uint32]*Exchange{}}
}

// open begins an exchange.
func (m *mail) open(i, try int, front bool) *Exchange {
	x := &Exchange{inbox: make(chan item, inboxLen), Port: uint16(20000 + i), ID: uint16(1 + i)}
	x.Peer4, x.Peer6, x.Via4 = peers(i, try)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.assign(x, x)
	if front {
		m.front = x
	}
	return x
}

// close ends an exchange: what still comes for it is nobody's, and not that of
// the next either.
func (m *mail) close(x *Exchange) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.assign(x, nil)
	if m.front == x {
		m.front = nil
	}
}

// assign gives what goes to the addresses of an exchange to another. The caller
// holds mu.
func (m *mail) assign(x, to *Exchange) {
	for _, a := range []string{x.Peer4, x.Peer6, x.Via4} {
		m.byPeer[netip.MustParseAddr(a)] = to
	}
}

// sentinel makes an echo request whose reply marks the end.
func (m *mail) sentinel(x *Exchange) (n uint32, packet []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sentinels++
	n = m.sentinels
	m.waiting[n] = x
	e := byhandtest.Echo{ID: uint16(n >> 16), Seq: uint16(n)}
	return n, byhandtest.IPv4{Src: sentinel4, Dst: Host4, ID: uint16(n)}.Packet(e.Request4())
}

var sentinelAddr = netip.MustParseAddr(sentinel4)

// deliver takes a packet that the host sent, and keeps its bytes.
func (m *mail) deliver(b []byte) {
	var p wire.Packet
	p.Decode(b)
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.Dst == sentinelAddr {
		if p.Upper == wire.LayerICMPv4 && p.ICMP.Type == wire.ICMPv4EchoReply {
			n := uint32(p.ICMP.ID)<<16 | uint32(p.ICMP.Seq)
			if x := m.waiting[n]; x != nil {
				delete(m.waiting, n)
				x.put(item{sentinel: n})
			}
		}
		return
	}
	x, known := m.byPeer[p.Dst]
	if !known && !near[p.Dst] && !background(&p) {
		x = m.front
	}
	if x != nil {
		x.put(item{packet: b})
	}
}

func (x *Exchange) put(i item) {
	select {
	case x.inbox <- i:
	default:
	}
}

// background reports whether a packet is what every node says by itself, asked
// by nobody: group membership and router solicitations.
func background(p *wire.Packet) bool {
	switch {
	case p.Version == 4:
		return p.Protocol == 2 // IGMP
	case p.Upper == wire.LayerICMPv6:
		t := p.ICMP.Type
		return t >= 130 && t <= 133 || t == 143
	}
	return false
}

// upper returns the upper-layer protocol that a packet names first.
func upper(b []byte) byte {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return b[9]
	case len(b) >= 40 && b[0]>>4 == 6:
		var p wire.Packet
		p.Decode(b)
		return p.Protocol
	}
	return 0
}

// beside reports whether a host may answer a packet beside those that follow:
// TCP, or a UDP service.
func beside(b []byte) bool {
	protocol := upper(b)
	if protocol != wire.ProtocolUDP {
		return protocol == wire.ProtocolTCP
	}
	var p wire.Packet
	p.Decode(b)
	return p.Upper != wire.LayerUDP || p.UDP.DstPort != ClosedPort
}
