package hostile

import (
	"encoding/binary"

	"netstackd/hooks/wire"
)

// mostOptions is how many bytes of options an IPv4 header has room for.
const mostOptions = 40

// options is an IPv4 packet with many of them.
func (g *Generator) options() [][]byte {
	src, dst := g.addresses(false)
	f := g.frame(src, dst, 0)
	protocol, data := g.upper(src, dst)
	f.protocol, f.options = protocol, g.ipOptions()
	return [][]byte{g.spoil(f.packet(data))}
}

// ipOptions are up to 40 bytes of options (RFC 791 §3.1), some of them right.
func (g *Generator) ipOptions() []byte {
	var b []byte
	for n := 1 + g.r.IntN(6); n > 0; n-- {
		switch g.r.IntN(9) {
		case 0:
			b = append(b, wire.OptionNop)
		case 1:
			if g.chance(50) {
				b = append(b, wire.OptionEnd)
			}
		case 2:
			b = append(b, g.route(wire.OptionRecordRoute)...)
		case 3:
			b = append(b, g.route(one(g, []uint8{wire.OptionLooseSourceRoute, wire.OptionStrictSourceRoute}))...)
		case 4, 5:
			b = append(b, g.timestamps()...)
		case 6: // router alert (RFC 2113)
			b = append(b, 148, 4, 0, byte(g.r.IntN(2)))
		case 7: // a length that lies
			b = append(b, uint8(g.r.Uint32()), uint8(g.r.IntN(45)))
		default:
			body := g.bytes(g.r.IntN(10))
			b = append(append(b, one(g, []uint8{25, 30, 94, 130, 134, 158, 205, 222}), byte(2+len(body))), body...)
		}
	}
	return b[:min(len(b), mostOptions)]
}

// route is a record route or source route option.
func (g *Generator) route(kind uint8) []byte {
	slots := g.r.IntN(10)
	b := append([]byte{kind, byte(3 + 4*slots), 4}, make([]byte, 4*slots)...)
	for i := range slots {
		if g.chance(60) {
			a := g.peer(false).As4()
			copy(b[3+4*i:], a[:])
		}
	}
	switch g.r.IntN(5) {
	case 0:
		b[2] = byte(4 + 4*g.r.IntN(slots+2))
	case 1:
		b[2] = uint8(g.r.Uint32())
	}
	if g.chance(5) {
		b[1] = uint8(g.r.IntN(45))
	}
	return b
}

// timestamps is an Internet timestamp option.
func (g *Generator) timestamps() []byte {
	flag := one(g, []uint8{0, 1, 3, 3, 2, uint8(g.r.IntN(16))})
	size := 8
	if flag == 0 {
		size = 4
	}
	slots := g.r.IntN(36/size + 1)
	b := append([]byte{68, byte(4 + size*slots), 5, flag}, make([]byte, size*slots)...)
	if flag == 3 && slots > 0 && g.chance(70) {
		a := g.cfg.Host4.As4()
		copy(b[4:], a[:])
	}
	switch g.r.IntN(6) {
	case 0:
		b[2] = byte(5 + size*g.r.IntN(slots+2))
	case 1:
		b[2] = uint8(g.r.Uint32())
	case 2:
		b[3] |= byte(g.r.IntN(16)) << 4 // overflow
	case 3:
		if slots > 0 {
			binary.BigEndian.PutUint32(b[4:], g.r.Uint32())
		}
	}
	if g.chance(5) {
		b[1] = uint8(g.r.IntN(45))
	}
	return b
}
