package hostile

import (
	"encoding/binary"

	"netstackd/hooks/wire"
)

// tcp is a segment of no connection: with any flags, numbers and options.
func (g *Generator) tcp() [][]byte {
	v6 := g.chance(50)
	src, dst := g.addresses(v6)
	s := segment{
		from: uint16(1024 + g.r.IntN(64512)), to: g.port(), seq: g.r.Uint32(), ack: g.r.Uint32(),
		flags: g.flags(), window: uint16(g.r.Uint32()),
	}
	if g.chance(10) {
		s.from = g.port()
	}
	if g.chance(20) {
		s.seq, s.ack = one(g, edges), one(g, edges)
	}
	if g.chance(40) {
		s.options = g.tcpOptions()
	}
	if g.chance(40) {
		s.data = g.bytes(g.size())
	}
	return [][]byte{g.spoil(g.frame(src, dst, wire.ProtocolTCP).packet(s.bytes(src, dst)))}
}

// edges are numbers at which arithmetic goes wrong.
var edges = []uint32{0, 1, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff}

// flags are those of a segment: usual ones, or any.
func (g *Generator) flags() uint8 {
	if g.chance(30) {
		return uint8(g.r.Uint32())
	}
	return one(g, []uint8{
		wire.TCPSyn, wire.TCPSyn, wire.TCPSyn | wire.TCPAck, wire.TCPAck, wire.TCPAck | wire.TCPPsh, wire.TCPAck | wire.TCPFin,
		wire.TCPRst, wire.TCPRst | wire.TCPAck, wire.TCPFin, 0, wire.TCPSyn | wire.TCPFin, wire.TCPSyn | wire.TCPRst,
		wire.TCPUrg | wire.TCPAck, wire.TCPSyn | wire.TCPEce | wire.TCPCwr,
	})
}

// tcpOptions are up to 40 bytes of options, some of them right.
func (g *Generator) tcpOptions() []byte {
	var b []byte
	for n := 1 + g.r.IntN(5); n > 0; n-- {
		switch g.r.IntN(10) {
		case 0:
			b = append(b, 1)
		case 1:
			b = append(b, 0)
		case 2:
			b = binary.BigEndian.AppendUint16(append(b, 2, 4), one(g, []uint16{0, 1, 7, 8, 88, 536, 1220, 1460, 65535, uint16(g.r.Uint32())}))
		case 3:
			b = append(b, 3, 3, uint8(g.r.IntN(18)))
		case 4:
			b = append(b, 4, 2)
		case 5:
			b = append(append(b, 8, 10), g.bytes(8)...)
		case 6:
			blocks := 1 + g.r.IntN(4)
			b = append(append(b, 5, byte(2+8*blocks)), g.bytes(8*blocks)...)
		case 7: // no room, or none at all
			b = append(b, one(g, []uint8{2, 3, 4, 5, 8, 30, 34, 254}), uint8(g.r.IntN(4)))
		case 8:
			b = append(b, uint8(g.r.Uint32()), uint8(g.r.Uint32()))
		default:
			body := g.bytes(g.r.IntN(8))
			b = append(append(b, one(g, []uint8{6, 19, 28, 29, 30, 34, 69, 253}), byte(2+len(body))), body...)
		}
	}
	return b[:min(len(b), 40)]
}
