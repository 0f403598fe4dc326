package guard

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
)

// withholdRoute withholds a packet whose source route leads on from here, to be
// reported.
func (g *Guard) withholdRoute(p *hooks.Packet) {
	if p.Fragment.Header || g.hand.endpoint.Load() == nil {
		return
	}
	if pr := g.hand.predict(p); pr.Reason == byhand.ReasonSourceRoute && pr.Reply != nil {
		p.Withhold(nameOf(mendRouteFailed))
	}
}

// routes are those of the TCP connections that came by one, as many as were noted
// last. The zero value is ready.
type routes struct {
	// any says that there are some.
	any atomic.Bool
	// mu guards all below.
	mu   sync.Mutex
	last [64]route
	next int
}

// A route is the way back to a peer: the first hop, and the options with the rest.
type route struct {
	flow    uint64
	hop     [4]byte
	n       int
	options [maxOptions]byte
}

// noteRoute notes by which route a SYN came, and has netstack leave room for the
// options with it.
func (g *mender) noteRoute(p *hooks.Packet) {
	var options []byte
	r := route{flow: g.flows.hash(p.Dst, p.Src, p.TCP.DstPort, p.TCP.SrcPort)}
	if p.IPv4.HasOptions() && sound(p) {
		hop, back := byhand.ReturnRoute(&p.Packet)
		if options = back; options != nil {
			r.hop = hop.As4()
		}
	}
	r.n = copy(r.options[:], options)
	if r.n == 0 && !g.routes.any.Load() {
		return
	}
	g.routes.note(r)
	if r.n > 0 {
		lowerMSS(p, uint16(r.n))
	}
}

// note remembers a route, or forgets it if it has none.
func (rs *routes) note(r route) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for i := range rs.last {
		if e := &rs.last[i]; e.n > 0 && e.flow == r.flow {
			*e = r
			return
		}
	}
	if r.n > 0 {
		rs.last[rs.next] = r
		rs.next = (rs.next + 1) % len(rs.last)
		rs.any.Store(true)
	}
}

// of returns the route of a connection, whose n is 0 if it has none.
func (rs *routes) of(flow uint64) route {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for i := range rs.last {
		if e := &rs.last[i]; e.n > 0 && e.flow == flow {
			return *e
		}
	}
	return route{}
}

// sendByRoute sends a segment of netstack's by the route that its connection has.
func (g *mender) sendByRoute(p *hooks.Packet) {
	if !g.routes.any.Load() || p.IPv4.HasOptions() || p.Fragment.IsFragment() {
		return
	}
	r := g.routes.of(g.flows.hash(p.Src, p.Dst, p.TCP.SrcPort, p.TCP.DstPort))
	all := p.All()
	if r.n == 0 || len(all)+r.n > maxDatagram {
		return
	}
	b := make([]byte, 0, len(all)+r.n)
	b = append(append(append(b, all[:minHeader]...), r.options[:r.n]...), all[minHeader:]...)
	b[0] = 4<<4 | byte((minHeader+r.n)/4)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[16:], r.hop[:])
	setHeaderChecksum(b)
	p.Replace(nameOf(mendSegmentRoute), b)
}

// lowerMSS lowers the maximum segment size that a SYN offers, if it does: without
// one it is small enough.
func lowerMSS(p *hooks.Packet, by uint16) {
	at := mssAt(p.Data()[tcpHeader:p.TCP.DataOffset])
	if at < 0 {
		return
	}
	at += p.Payload + tcpHeader + 2
	before := binary.BigEndian.Uint16(p.Bytes[at:])
	if before <= by {
		return
	}
	b := p.Edit(nameOf(mendSegmentRoute))
	binary.BigEndian.PutUint16(b[at:], before-by)
	if tcp := b[p.Payload:]; !p.Offload.Partial {
		if (at-p.Payload)%2 == 0 {
			adjust(tcp[tcpChecksum:], before, before-by)
		} else { // the bytes stand the other way in their words
			adjust(tcp[tcpChecksum:], before<<8|before>>8, (before-by)<<8|(before-by)>>8)
		}
	}
}
