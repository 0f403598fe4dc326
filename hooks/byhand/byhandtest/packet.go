package byhandtest

import (
	"encoding/binary"
	"net/netip"
)

// An IPv4 is an IPv4 header to be. A TTL of 0 becomes 64, a Protocol of 0
// ICMP; all else is as it stands.
type IPv4 struct {
	Src, Dst     string
	TOS          uint8
	ID           uint16
	Reserved, DF bool
	TTL          uint8
	Protocol     uint8
	// Options must be whole words.
	Options []byte
}

// Packet returns the packet with the given payload.
func (h IPv4) Packet(payload []byte) []byte {
	b := make([]byte, 20, 20+len(h.Options)+len(payload))
	b = append(b, h.Options...)
	b[0] = 4<<4 | byte(len(b)/4)
	b[1] = h.TOS
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+len(payload)))
	binary.BigEndian.PutUint16(b[4:], h.ID)
	if h.Reserved {
		b[6] |= 0x80
	}
	if h.DF {
		b[6] |= 0x40
	}
	b[8], b[9] = h.TTL, h.Protocol
	if h.TTL == 0 {
		b[8] = 64
	}
	if h.Protocol == 0 {
		b[9] = 1
	}
	src, dst := netip.MustParseAddr(h.Src).As4(), netip.MustParseAddr(h.Dst).As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	SetHeaderChecksum(b)
	return append(b, payload...)
}

// An IPv6 is an IPv6 header to be, with extension headers. A HopLimit of 0
// becomes 64, a Protocol of 0 ICMPv6.
type IPv6 struct {
	Src, Dst     string
	TrafficClass uint8
	FlowLabel    uint32
	HopLimit     uint8
	Protocol     uint8
	Extensions   []Extension
}

// An Extension is an extension header; Body is all of it but the first byte.
type Extension struct {
	Protocol uint8
	Body     []byte
}

// Packet returns the packet with the given payload.
func (h IPv6) Packet(payload []byte) []byte {
	b := make([]byte, 40)
	binary.BigEndian.PutUint32(b, 6<<28|uint32(h.TrafficClass)<<20|h.FlowLabel)
	b[7] = h.HopLimit
	if h.HopLimit == 0 {
		b[7] = 64
	}
	src, dst := netip.MustParseAddr(h.Src).As16(), netip.MustParseAddr(h.Dst).As16()
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
	next := 6
	for _, e := range h.Extensions {
		b[next] = e.Protocol
		next = len(b)
		b = append(append(b, 0), e.Body...)
	}
	b[next] = h.Protocol
	if h.Protocol == 0 {
		b[next] = 58
	}
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

// An Echo is an ICMP echo message to be.
type Echo struct {
	Code    uint8
	ID, Seq uint16
	Data    []byte
	// Spoil is added to the right checksum.
	Spoil uint16
}

// Request4 and Reply4 return the ICMPv4 message.
func (e Echo) Request4() []byte { return e.message(8, nil) }

// Reply4 returns the reply to Request4.
func (e Echo) Reply4() []byte { return e.message(0, nil) }

// Request6 returns the ICMPv6 message between two addresses.
func (e Echo) Request6(src, dst string) []byte { return e.message(128, e.pseudo(src, dst)) }

// Reply6 returns the reply from src to dst.
func (e Echo) Reply6(src, dst string) []byte { return e.message(129, e.pseudo(src, dst)) }

func (e Echo) pseudo(src, dst string) []byte {
	s, d := netip.MustParseAddr(src).As16(), netip.MustParseAddr(dst).As16()
	b := append(s[:], d[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(8+len(e.Data)))
	return append(b, 0, 0, 0, 58)
}

func (e Echo) message(kind byte, pseudo []byte) []byte {
	b := make([]byte, 8, 8+len(e.Data))
	b[0], b[1] = kind, e.Code
	binary.BigEndian.PutUint16(b[4:], e.ID)
	binary.BigEndian.PutUint16(b[6:], e.Seq)
	b = append(b, e.Data...)
	binary.BigEndian.PutUint16(b[2:], Checksum(pseudo, b)+e.Spoil)
	return b
}

// Checksum is the Internet checksum of the blocks in a row, all but the last
// of which must be even in length (RFC 1071), byte by byte.
func Checksum(blocks ...[]byte) uint16 {
	sum := uint32(0)
	for _, b := range blocks {
		for i, x := range b {
			if i%2 == 0 {
				sum += uint32(x) << 8
			} else {
				sum += uint32(x)
			}
			sum = sum&0xffff + sum>>16
		}
	}
	return ^uint16(sum)
}

// SetHeaderChecksum completes the header of an IPv4 packet.
func SetHeaderChecksum(b []byte) {
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], Checksum(b[:int(b[0]&0xf)*4]))
}

// Data returns n bytes, no two pages of which are alike.
func Data(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}
