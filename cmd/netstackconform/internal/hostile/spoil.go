package hostile

import (
	"encoding/binary"
)

// spoil does something to a right packet, or nothing, and may make the checksums
// right afterwards, so that what was done gets further than to them.
func (g *Generator) spoil(b []byte) []byte {
	if g.chance(25) || len(b) == 0 {
		return b
	}
	for n := 1 + g.r.IntN(2); n > 0; n-- {
		b = g.damage(b)
	}
	if g.chance(75) {
		Complete(b)
	}
	return b
}

// damage does one thing.
func (g *Generator) damage(b []byte) []byte {
	if len(b) < 2 {
		return b
	}
	headers := min(len(b), 80)
	switch g.r.IntN(12) {
	case 0, 1: // bits
		for n := 1 + g.r.IntN(4); n > 0; n-- {
			b[g.r.IntN(headers)] ^= 1 << g.r.IntN(8)
		}
	case 2: // a byte at an edge
		b[g.r.IntN(headers)] = one(g, []byte{0, 1, 0x7f, 0x80, 0xfe, 0xff})
	case 3: // two bytes of any value
		binary.BigEndian.PutUint16(b[g.r.IntN(headers-1):], uint16(g.r.Uint32()))
	case 4: // cut short
		b = b[:1+g.r.IntN(len(b))]
	case 5: // bytes behind the packet
		if len(b) < mostPacket-64 {
			b = append(b, g.bytes(1+g.r.IntN(60))...)
		}
	case 6:
		b = g.lengths(b)
	case 7: // the version, the header's length
		b[0] = one(g, []byte{0x40, 0x44, 0x46, 0x4f, 0x45, 0x60, 0x65, 0x50, 0xf0, 0x00})
	case 8:
		b = g.place(b)
	case 9:
		b[1] = uint8(g.r.Uint32())
	case 10: // TTL, protocol and sum, or the beginning of an IPv6 source
		if len(b) > 12 {
			b[8+g.r.IntN(4)] = uint8(g.r.Uint32())
		}
	case 11:
		b[len(b)-1] ^= uint8(1 + g.r.IntN(255))
	}
	return b
}

// lengths makes the length of a packet a lie.
func (g *Generator) lengths(b []byte) []byte {
	at, true16 := 2, len(b)
	if b[0]>>4 == 6 {
		at, true16 = 4, len(b)-header6Len
	}
	if len(b) < at+2 {
		return b
	}
	n := one(g, []int{0, 1, 19, 20, 21, 28, 40, true16 - 1, true16 + 1, true16 + 8, true16 / 2, 65535})
	binary.BigEndian.PutUint16(b[at:], uint16(n))
	return b
}

// place makes a packet a fragment, or says so in a flag.
func (g *Generator) place(b []byte) []byte {
	if len(b) < 8 {
		return b
	}
	if b[0]>>4 == 6 {
		b[6] = uint8(one(g, []int{0, 6, 17, 43, 44, 51, 58, 59, 60, 135, 253, 255}))
		return b
	}
	binary.BigEndian.PutUint16(b[6:], one(g, []uint16{0x8000, 0x2000, 0x4000, 0x6000, 0x0001, 0x1fff, 0x3fff, 0xe000, uint16(g.r.Uint32())}))
	return b
}
