package hostile

import (
	"encoding/binary"

	"netstackd/hooks/wire"
)

// port is any port: an open one, a well-known one, any.
func (g *Generator) port() uint16 {
	switch g.r.IntN(10) {
	case 0:
		return one(g, []uint16{0, 1, 53, 1023, 1024, 5201, 65535})
	case 1, 2, 3, 4, 5:
		return one(g, g.cfg.Open)
	}
	return uint16(1024 + g.r.IntN(64512))
}

// udp is a datagram for an open port or a closed one, or a packet of a protocol
// that the host does not speak.
func (g *Generator) udp() [][]byte {
	v6 := g.chance(50)
	src, dst := g.addresses(v6)
	if g.chance(12) {
		protocol := uint8(g.r.Uint32())
		return [][]byte{g.spoil(g.frame(src, dst, protocol).packet(g.bytes(g.size())))}
	}
	from := uint16(1024 + g.r.IntN(64512))
	if g.chance(10) {
		from = g.port()
	}
	d := datagram(src, dst, from, g.port(), g.bytes(g.size()))
	switch g.r.IntN(12) {
	case 0: // a length that lies, under a sum that is right for it
		binary.BigEndian.PutUint16(d[4:], uint16(one(g, []int{0, 1, 7, 8, 9, len(d) - 1, len(d) + 1, len(d) + 8, 65535})))
		if g.chance(60) {
			d[6], d[7] = 0, 0
			sum := ^wire.Sum(d, wire.PseudoHeader(src, dst, wire.ProtocolUDP, int(binary.BigEndian.Uint16(d[4:]))))
			binary.BigEndian.PutUint16(d[6:], sum)
		}
	case 1: // no sum
		d[6], d[7] = 0, 0
	}
	return [][]byte{g.spoil(g.frame(src, dst, wire.ProtocolUDP).packet(d))}
}
