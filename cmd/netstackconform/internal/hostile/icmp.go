package hostile

import (
	"encoding/binary"
	"net/netip"

	"netstackd/hooks/wire"
)

// echo is a ping, spoiled more often than not.
func (g *Generator) echo() [][]byte {
	v6 := g.chance(50)
	src, dst := g.addresses(v6)
	kind := uint8(wire.ICMPv4EchoRequest)
	if v6 {
		kind = wire.ICMPv6EchoRequest
	}
	if g.chance(4) { // a reply, which nobody asked for
		kind = wire.ICMPv4EchoReply
		if v6 {
			kind = wire.ICMPv6EchoReply
		}
	}
	code := uint8(0)
	if g.chance(5) {
		code = uint8(g.r.Uint32())
	}
	m := icmpMessage(src, dst, kind, code, g.number(), g.bytes(g.size()))
	return [][]byte{g.spoil(g.frame(src, dst, protocolICMP(dst)).packet(m))}
}

// icmpError is an error about a packet that the host may have sent.
func (g *Generator) icmpError() [][]byte {
	v6 := g.chance(50)
	src, dst := g.addresses(v6)
	var kind uint8
	if v6 {
		kind = one(g, []uint8{1, 2, 3, 4, 0, 100, 127, uint8(g.r.IntN(128))})
	} else {
		kind = one(g, []uint8{3, 4, 5, 11, 12, 31, 40})
	}
	word := g.r.Uint32()
	if g.chance(50) {
		word = uint32(one(g, []int{0, 1, 40, 68, 576, 1280, 1500, 65535})) // a pointer, or the next hop's MTU
	}
	var quote []byte
	switch g.r.IntN(4) {
	case 0:
		s := segment{from: one(g, g.cfg.Open), to: g.port(), seq: g.r.Uint32(), ack: g.r.Uint32(), flags: wire.TCPAck}
		quote = g.frame(dst, src, wire.ProtocolTCP).packet(s.bytes(dst, src))
	case 1:
		quote = g.frame(dst, src, wire.ProtocolUDP).packet(datagram(dst, src, one(g, g.cfg.Open), g.port(), g.bytes(g.r.IntN(40))))
	case 2:
		quote = g.frame(dst, src, protocolICMP(src)).packet(icmpMessage(dst, src, 0, 0, g.number(), g.bytes(g.r.IntN(40))))
	default:
		quote = g.bytes(g.r.IntN(100))
	}
	if g.chance(40) {
		quote = g.damage(quote)
	}
	m := icmpMessage(src, dst, kind, uint8(g.r.IntN(17)), word, quote)
	return [][]byte{g.spoil(g.frame(src, dst, protocolICMP(dst)).packet(m))}
}

// query is one of the other messages of ICMP: of any type there is, or is not.
func (g *Generator) query() [][]byte {
	v6 := g.chance(40)
	src, dst := g.addresses(v6)
	kind := uint8(g.r.Uint32())
	if !v6 && g.chance(60) {
		kind = one(g, []uint8{9, 10, 13, 14, 15, 16, 17, 18, 30, 37})
	}
	if v6 && g.chance(60) {
		kind = one(g, []uint8{130, 131, 132, 138, 139, 140, 143, 144, 160})
	}
	data := g.bytes(g.r.IntN(48))
	if len(data) >= 4 && g.chance(30) {
		binary.BigEndian.PutUint32(data, 0)
	}
	m := icmpMessage(src, dst, kind, uint8(g.r.IntN(3)), g.number(), data)
	return [][]byte{g.spoil(g.frame(src, dst, protocolICMP(dst)).packet(m))}
}

// Ping is a right echo request with data.
func Ping(src, dst netip.Addr, word uint32, data []byte) Packet {
	kind := uint8(wire.ICMPv4EchoRequest)
	if dst.Is6() {
		kind = wire.ICMPv6EchoRequest
	}
	f := frame{src: src, dst: dst, protocol: protocolICMP(dst), hops: 64}
	return Packet{Kind: Echo, Bytes: f.packet(icmpMessage(src, dst, kind, 0, word, data))}
}
