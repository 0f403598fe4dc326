package byhandtest

import (
	"encoding/binary"
	"net/netip"
)

// A UDP is a datagram to be. Spoil is added to the right checksum.
type UDP struct {
	SrcPort, DstPort uint16
	Data             []byte
	Spoil            uint16
}

// Packet returns the datagram in a packet from src to dst.
func (u UDP) Packet(src, dst string) []byte {
	return wrap(src, dst, 17, u.Datagram(src, dst))
}

// Datagram returns the datagram between two addresses.
func (u UDP) Datagram(src, dst string) []byte {
	b := make([]byte, 8, 8+len(u.Data))
	binary.BigEndian.PutUint16(b, u.SrcPort)
	binary.BigEndian.PutUint16(b[2:], u.DstPort)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(u.Data)))
	b = append(b, u.Data...)
	sum := Checksum(pseudo(src, dst, 17, len(b)), b)
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[6:], sum+u.Spoil)
	return b
}

// wrap puts data into a packet of the family of its addresses.
func wrap(src, dst string, protocol uint8, data []byte) []byte {
	if netip.MustParseAddr(src).Is4() {
		return IPv4{Src: src, Dst: dst, ID: 0x1234, Protocol: protocol}.Packet(data)
	}
	return IPv6{Src: src, Dst: dst, Protocol: protocol}.Packet(data)
}

// pseudo is the pseudo-header of TCP and UDP over either family.
func pseudo(src, dst string, protocol uint8, n int) []byte {
	b := append(netip.MustParseAddr(src).AsSlice(), netip.MustParseAddr(dst).AsSlice()...)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return append(b, 0, 0, 0, protocol)
}
