package hostile

import (
	"net/netip"

	"netstackd/hooks/wire"
)

// An Opening is a connection whose first segment is sent. When the host's SYN-ACK
// has come, the rest of the group follows.
type Opening struct {
	Peer, Host         netip.Addr
	PeerPort, HostPort uint16

	g      *Generator
	seq    uint32
	v6     bool
	packet func(s segment) []byte
}

// open opens a connection to a service.
func (g *Generator) open() Group {
	// What follows must not depend on whether an answer came.
	own := New(Config{Seed: g.r.Uint64(), Part: g.r.Uint64(), Host4: g.cfg.Host4, Host6: g.cfg.Host6, Open: g.cfg.Open})
	v6 := g.chance(50)
	o := &Opening{
		Peer: g.peer(v6), Host: g.host(v6), PeerPort: uint16(1024 + g.r.IntN(64512)), HostPort: one(g, g.cfg.Open),
		g: own, seq: g.r.Uint32(), v6: v6,
	}
	f := frame{src: o.Peer, dst: o.Host, protocol: wire.ProtocolTCP, hops: 64}
	o.packet = func(s segment) []byte {
		s.from, s.to = o.PeerPort, o.HostPort
		return f.packet(s.bytes(o.Peer, o.Host))
	}
	syn := segment{seq: o.seq, flags: wire.TCPSyn, window: uint16(g.r.Uint32())}
	if g.chance(60) {
		syn.options = []byte{2, 4, 5, 0xb4, 1, 3, 3, byte(g.r.IntN(15)), 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0}
	}
	return Group{Packets: []Packet{{Kind: Connected, Bytes: o.packet(syn)}}, Opening: o}
}

// Follow returns what comes after a SYN-ACK with a sequence number: segments near
// what the connection expects, in whatever state they bring it, and in the end a
// reset that fits, unless one of those before has led elsewhere.
func (o *Opening) Follow(seq uint32) []Packet {
	g := o.g
	next, ack := o.seq+1, seq+1
	var out []Packet
	send := func(s segment, spoiled bool) {
		b := o.packet(s)
		if spoiled {
			b = g.spoil(b)
		}
		out = append(out, Packet{Kind: Connected, Bytes: b, Header: g.header(b)})
	}
	if g.chance(85) {
		send(segment{seq: next, ack: ack, flags: wire.TCPAck, window: 65535}, false)
	}
	for n := 2 + g.r.IntN(14); n > 0; n-- {
		s := segment{seq: next, ack: ack, flags: wire.TCPAck, window: uint16(g.r.Uint32())}
		switch g.r.IntN(10) {
		case 0, 1: // data in order
			s.flags |= wire.TCPPsh
			s.data = g.bytes(1 + g.r.IntN(600))
			next += uint32(len(s.data))
			send(s, false)
			continue
		case 2: // data out of order, before and behind
			s.seq += uint32(g.r.IntN(4000) - 2000)
			s.data = g.bytes(g.r.IntN(600))
		case 3: // an acknowledgement of what was not sent, or long ago
			s.ack += uint32(g.r.IntN(200_000) - 100_000)
		case 4:
			s.seq, s.ack = g.r.Uint32(), g.r.Uint32()
		case 5:
			s.flags = g.flags()
		case 6: // the end
			s.flags |= wire.TCPFin
			if g.chance(50) {
				next++
				send(s, false)
				continue
			}
		case 7: // any reset but the right one
			s.flags = wire.TCPRst
			s.seq += uint32(1 + g.r.IntN(60_000))
		case 8:
			s.flags = wire.TCPSyn
		case 9: // urgent data, a closed window
			s.flags |= wire.TCPUrg
			s.window = 0
		}
		if g.chance(30) {
			s.options = g.tcpOptions()
		}
		send(s, g.chance(30))
	}
	send(segment{seq: next, ack: ack, flags: wire.TCPRst | wire.TCPAck}, false)
	return out
}
