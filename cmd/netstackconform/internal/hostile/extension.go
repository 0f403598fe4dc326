package hostile

import (
	"encoding/binary"
	"net/netip"

	"netstackd/hooks/wire"
)

// extensions is an IPv6 packet behind a chain of extension headers, in any order.
func (g *Generator) extensions() [][]byte {
	src, dst := g.addresses(true)
	protocol, data := g.upper(src, dst)
	chain := []byte{}
	first := protocol
	// From the last header to the first, each in front.
	for n := 1 + g.r.IntN(4); n > 0; n-- {
		kind, header := g.extension(first)
		chain, first = append(header, chain...), kind
	}
	if g.chance(3) { // a long chain
		for len(chain) < 1000 {
			kind, header := g.extension(first)
			chain, first = append(header, chain...), kind
		}
	}
	f := g.frame(src, dst, first)
	return [][]byte{g.spoil(f.packet(append(chain, data...)))}
}

// extension makes one header in front of what follows.
func (g *Generator) extension(next uint8) (kind uint8, header []byte) {
	kind = one(g, []uint8{
		wire.ProtocolHopByHop, wire.ProtocolHopByHop, wire.ProtocolDestination, wire.ProtocolDestination, wire.ProtocolRouting,
		wire.ProtocolFragment, wire.ProtocolAH, wire.ProtocolMobility, wire.ProtocolHIP, wire.ProtocolShim6, wire.ProtocolNoNext, 253, 254,
	})
	switch kind {
	case wire.ProtocolHopByHop, wire.ProtocolDestination:
		header = g.optionHeader(next)
	case wire.ProtocolRouting:
		segments := g.r.IntN(4)
		header = append([]byte{next, byte(2 * segments), one(g, []uint8{0, 0, 1, 2, 3, 4, 253, 77}), byte(g.r.IntN(3)), 0, 0, 0, 0}, g.bytes(16*segments)...)
	case wire.ProtocolFragment: // atomic, but for a few (RFC 6946)
		header = []byte{next, 0, 0, 0, 0, 0, 0, 0}
		binary.BigEndian.PutUint32(header[4:], g.number())
		if g.chance(20) {
			binary.BigEndian.PutUint16(header[2:], uint16(g.r.Uint32()))
		}
	case wire.ProtocolAH: // counted in words of 4 bytes
		header = append([]byte{next, 4}, g.bytes(22)...)
	default:
		header = append([]byte{next, 0}, g.bytes(6)...)
	}
	if g.chance(5) {
		header[1] = uint8(g.r.Uint32())
	}
	return kind, header
}

// optionHeader is a hop-by-hop or destination options header (RFC 8200 §4.2).
func (g *Generator) optionHeader(next uint8) []byte {
	b := []byte{next, 0}
	for n := g.r.IntN(5); n > 0; n-- {
		switch g.r.IntN(8) {
		case 0:
			b = append(b, 0) // Pad1
		case 1, 2:
			pad := g.r.IntN(6)
			b = append(append(b, 1, byte(pad)), make([]byte, pad)...)
		case 3:
			b = append(b, 5, 2, 0, byte(g.r.IntN(3))) // router alert (RFC 2711)
		case 4:
			b = binary.BigEndian.AppendUint32(append(b, 0xc2, 4), g.r.Uint32()) // jumbo payload (RFC 2675)
		case 5: // a length that lies
			b = append(b, uint8(g.r.Uint32()), uint8(g.r.Uint32()))
		default: // unknown, with any of the four ways to be so
			body := g.bytes(g.r.IntN(12))
			b = append(append(b, byte(g.r.IntN(4)<<6|30), byte(len(body))), body...)
		}
	}
	switch pad := (8 - len(b)%8) % 8; pad {
	case 0:
	case 1:
		b = append(b, 0)
	default:
		b = append(append(b, 1, byte(pad-2)), make([]byte, pad-2)...)
	}
	b[1] = byte(len(b)/8 - 1)
	return b
}

// upper is what may stand behind the headers: a ping, a datagram, a segment.
func (g *Generator) upper(src, dst netip.Addr) (protocol uint8, data []byte) {
	switch g.r.IntN(8) {
	case 0:
		return wire.ProtocolUDP, datagram(src, dst, uint16(1024+g.r.IntN(64512)), g.port(), g.bytes(g.r.IntN(64)))
	case 1:
		s := segment{from: uint16(1024 + g.r.IntN(64512)), to: g.port(), seq: g.r.Uint32(), flags: g.flags(), window: 65535}
		return wire.ProtocolTCP, s.bytes(src, dst)
	case 2:
		return wire.ProtocolNoNext, g.bytes(g.r.IntN(16))
	}
	kind := uint8(wire.ICMPv4EchoRequest)
	if src.Is6() {
		kind = wire.ICMPv6EchoRequest
	}
	return protocolICMP(dst), icmpMessage(src, dst, kind, 0, g.number(), g.bytes(g.r.IntN(64)))
}
