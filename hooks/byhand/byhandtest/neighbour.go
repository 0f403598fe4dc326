package byhandtest

import (
	"encoding/binary"
	"net/netip"
)

// A Neighbour is a neighbour solicitation or advertisement to be. A HopLimit of
// 0 becomes 255.
type Neighbour struct {
	Advertisement bool
	Code, Flags   uint8
	Target        string
	Options       []byte
	HopLimit      uint8
	Spoil         uint16
}

// Packet returns the message in a packet from src to dst.
func (n Neighbour) Packet(src, dst string) []byte {
	b := make([]byte, 8, 24+len(n.Options))
	b[0], b[1], b[4] = 135, n.Code, n.Flags
	if n.Advertisement {
		b[0] = 136
	}
	b = append(append(b, netip.MustParseAddr(n.Target).AsSlice()...), n.Options...)
	binary.BigEndian.PutUint16(b[2:], Checksum(pseudo(src, dst, 58, len(b)), b)+n.Spoil)
	if n.HopLimit == 0 {
		n.HopLimit = 255
	}
	return IPv6{Src: src, Dst: dst, HopLimit: n.HopLimit}.Packet(b)
}
