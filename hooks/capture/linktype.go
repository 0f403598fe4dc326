package capture

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
)

// The link types whose header is nothing but which have no name in gopacket:
// RAW as it is numbered on OpenBSD, and on other systems when they capture.
const (
	linkTypeRaw12 = 12
	linkTypeRaw14 = 14
)

const (
	etherTypeIPv4 = 0x0800
	etherTypeIPv6 = 0x86dd
)

// linkHeader returns how many bytes stand before a frame's IP packet, and
// whether there is one; known says whether the link type is.
func linkHeader(linkType uint16, b []byte) (n int, ip, known bool) {
	switch layers.LinkType(linkType) {
	case layers.LinkTypeRaw, linkTypeRaw12, linkTypeRaw14, layers.LinkTypeIPv4, layers.LinkTypeIPv6:
		return 0, true, true
	case layers.LinkTypeEthernet:
		n, ip = ethernetHeader(b)
		return n, ip, true
	case layers.LinkTypeLinuxSLL:
		return 16, etherTypeAt(b, 14, 16), true
	case layers.LinkTypeLinuxSLL2:
		return 20, etherTypeAt(b, 0, 20), true
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		return 4, loopback(b), true
	}
	return 0, false, false
}

// ethernetHeader reads an Ethernet header with a VLAN tag or without.
func ethernetHeader(b []byte) (n int, ip bool) {
	n = 14
	if len(b) >= n {
		switch binary.BigEndian.Uint16(b[12:]) {
		case 0x8100, 0x88a8, 0x9100:
			n += 4
		}
	}
	return n, etherTypeAt(b, n-2, n)
}

// etherTypeAt reports whether b is longer than a header of n bytes and has
// there the EtherType of an IP packet, at an offset.
func etherTypeAt(b []byte, at, n int) bool {
	if len(b) < n {
		return false
	}
	v := binary.BigEndian.Uint16(b[at:])
	return v == etherTypeIPv4 || v == etherTypeIPv6
}

// loopback reports whether the address family before the packet is one of IP:
// AF_INET, or AF_INET6 as Linux, the BSDs and macOS number it. It is in the
// byte order of the machine that captured.
func loopback(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	for _, family := range []uint32{binary.BigEndian.Uint32(b), binary.LittleEndian.Uint32(b)} {
		switch family {
		case 2, 10, 24, 28, 30:
			return true
		}
	}
	return false
}
