package faults_test

import (
	"encoding/binary"
	"net/netip"

	bt "netstackd/hooks/byhand/byhandtest"
)

const (
	peer4, host4 = "172.16.0.1", "172.16.0.2"
	peer6, host6 = "fd00:172::1", "fd00:172::2"
)

// pseudo is the pseudo-header, in the form of IPv6 for both families: the sum
// is the same.
func pseudo(src, dst string, protocol byte, n int) []byte {
	b := netip.MustParseAddr(src).AsSlice()
	b = append(b, netip.MustParseAddr(dst).AsSlice()...)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return append(b, 0, 0, 0, protocol)
}

// udp is a datagram from port 7. A sum that comes to 0 is sent as all ones.
func udp(src, dst string, data []byte) []byte {
	b := append([]byte{0, 7, 0x9c, 0x40, 0, 0, 0, 0}, data...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	sum := bt.Checksum(pseudo(src, dst, 17, len(b)), b)
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[6:], sum)
	return b
}

// tcp is a segment with a timestamp option.
func tcp(src, dst string, seq uint32, data []byte) []byte {
	b := []byte{0, 80, 0x9c, 0x41, 0, 0, 0, 0, 1, 2, 3, 4, 8 << 4, 0x10, 1, 0, 0, 0, 0, 0, 1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8}
	binary.BigEndian.PutUint32(b[4:], seq)
	b = append(b, data...)
	binary.BigEndian.PutUint16(b[16:], bt.Checksum(pseudo(src, dst, 6, len(b)), b))
	return b
}

// v4 is a header from the host.
func v4(id uint16, protocol byte, options ...byte) bt.IPv4 {
	return bt.IPv4{Src: host4, Dst: peer4, ID: id, Protocol: protocol, Options: options}
}

// v6 is a header from the host.
func v6(protocol byte, extensions ...bt.Extension) bt.IPv6 {
	return bt.IPv6{Src: host6, Dst: peer6, Protocol: protocol, Extensions: extensions}
}

// Bodies of extension headers and options.
var (
	recordRoute = []byte{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	sourceRoute = []byte{131, 7, 4, 10, 0, 0, 1, 0}
	padding     = []byte{0, 1, 4, 0, 0, 0, 0}
	atomic      = []byte{0, 0, 0, 0, 0, 0, 1}
	// routed leads to fd00:172::9 by way of the header's destination.
	routed = append([]byte{2, 2, 1, 0, 0, 0, 0}, netip.MustParseAddr("fd00:172::9").AsSlice()...)
)

// fixed returns udp data for which the checksum between two addresses is sum.
func fixed(src, dst string, sum uint16) []byte {
	data := []byte{0, 0, 1, 2, 3, 4, 5}
	now := udp(src, dst, data)
	// Adding to the data what is to be taken from the sum, in one's complement.
	d := uint32(binary.BigEndian.Uint16(now[6:])) + uint32(^sum)
	binary.BigEndian.PutUint16(data, uint16(d&0xffff+d>>16))
	return data
}

// samples are packets of every kind, by name. All have right checksums.
func samples() map[string][]byte {
	data := bt.Data(33)
	unsummed := udp(host4, peer4, data)
	unsummed[6], unsummed[7] = 0, 0
	ping4 := v4(1, 1).Packet(bt.Echo{ID: 1, Seq: 2, Data: data}.Reply4())
	ping6 := v6(58).Packet(bt.Echo{ID: 1, Seq: 2, Data: data}.Reply6(host6, peer6))
	fragments4 := bt.Split(ping4, 5, 16, 32)
	fragments6 := bt.Split(ping6, 5, 16, 32)
	trailing := func(b []byte) []byte { return append(b[:len(b):len(b)], 0xaa, 0xbb, 0xcc) }
	behind := udp(host4, peer4, data)
	return map[string][]byte{
		"icmp":                     ping4,
		"icmp-empty":               v4(2, 1).Packet(bt.Echo{ID: 3}.Reply4()),
		"icmp-options":             v4(3, 1, recordRoute...).Packet(bt.Echo{Data: data}.Reply4()),
		"icmp-trailing":            trailing(ping4),
		"icmp-fragment-first":      fragments4[0],
		"icmp-fragment-middle":     fragments4[1],
		"icmp-fragment-last":       fragments4[2],
		"icmp6":                    ping6,
		"icmp6-trailing":           trailing(ping6),
		"icmp6-fragment-first":     fragments6[0],
		"icmp6-fragment-last":      fragments6[2],
		"icmp6-atomic-fragment":    v6(58, bt.Extension{Protocol: 44, Body: atomic}).Packet(bt.Echo{Data: data}.Reply6(host6, peer6)),
		"icmp6-hop-by-hop":         v6(58, bt.Extension{Protocol: 0, Body: padding}).Packet(bt.Echo{Data: data}.Reply6(host6, peer6)),
		"tcp":                      v4(4, 6).Packet(tcp(host4, peer4, 77, data)),
		"tcp-source-route":         v4(5, 6, sourceRoute...).Packet(tcp(host4, "10.0.0.1", 77, data)),
		"tcp6":                     v6(6).Packet(tcp(host6, peer6, 77, data)),
		"tcp6-routed":              v6(6, bt.Extension{Protocol: 43, Body: routed}).Packet(tcp(host6, "fd00:172::9", 77, data)),
		"udp":                      v4(6, 17).Packet(udp(host4, peer4, data)),
		"udp-unsummed":             v4(7, 17).Packet(unsummed),
		"udp-shorter-than-payload": v4(8, 17).Packet(trailing(behind)),
		"udp-sum-0x0001":           v4(9, 17).Packet(udp(host4, peer4, fixed(host4, peer4, 0x0001))),
		"udp-sum-0x0080":           v4(9, 17).Packet(udp(host4, peer4, fixed(host4, peer4, 0x0080))),
		"udp-sum-0x0100":           v4(9, 17).Packet(udp(host4, peer4, fixed(host4, peer4, 0x0100))),
		"udp-sum-0x8000":           v4(9, 17).Packet(udp(host4, peer4, fixed(host4, peer4, 0x8000))),
		"udp-sum-0xffff":           v4(9, 17).Packet(udp(host4, peer4, fixed(host4, peer4, 0xffff))),
		"udp6":                     v6(17).Packet(udp(host6, peer6, data)),
		"udp6-sum-0x0100":          v6(17).Packet(udp(host6, peer6, fixed(host6, peer6, 0x0100))),
		"udp6-destination-options": v6(17, bt.Extension{Protocol: 60, Body: padding}).Packet(udp(host6, peer6, data)),
		"other":                    v4(10, 253).Packet(data),
		"other6":                   v6(253).Packet(data),
		"none":                     {},
		"version-5":                {0x50, 1, 2, 3},
	}
}
