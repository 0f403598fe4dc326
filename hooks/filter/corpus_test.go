package filter

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// ipv4 builds an IPv4 packet. fragment is the field of flags and offset.
func ipv4(src, dst string, proto byte, fragment uint16, options, payload []byte) []byte {
	b := []byte{byte(0x45 + len(options)/4), 0, 0, 0, 0x12, 0x34, 0, 0, 64, proto, 0, 0}
	binary.BigEndian.PutUint16(b[6:], fragment)
	b = append(b, netip.MustParseAddr(src).AsSlice()...)
	b = append(b, netip.MustParseAddr(dst).AsSlice()...)
	b = append(append(b, options...), payload...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// ipv6 builds an IPv6 packet. payload begins with what next says.
func ipv6(src, dst string, next byte, payload []byte) []byte {
	b := []byte{0x60, 0, 0, 0, 0, byte(len(payload)), next, 64}
	b = append(b, netip.MustParseAddr(src).AsSlice()...)
	b = append(b, netip.MustParseAddr(dst).AsSlice()...)
	return append(b, payload...)
}

func ports(src, dst uint16, rest ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, src)
	return append(binary.BigEndian.AppendUint16(b, dst), rest...)
}

func tcp(src, dst uint16, flags byte) []byte {
	return ports(src, dst, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0x10, 0, 0xab, 0xcd, 0, 0, 'd', 'a', 't', 'a')
}

func udp(src, dst uint16) []byte { return ports(src, dst, 0, 12, 0xbe, 0xef, 'd', 'a', 't', 'a') }

func icmp(typ, code byte) []byte {
	return []byte{typ, code, 0x5c, 0xf5, 0, 13, 0, 1, 'd', 'a', 't', 'a'}
}

// packets are hand-made packets of every kind that a filter tells apart.
func packets() map[string][]byte {
	const (
		a4, b4 = "10.0.0.1", "172.16.0.2"
		a6, b6 = "fd00:172::1", "2001:db8::80"
	)
	rr := []byte{7, 7, 4, 0, 0, 0, 0, 0}
	fragment := func(next byte, offset uint16, payload []byte) []byte {
		b := []byte{next, 0, 0, 0, 0, 0, 0, 9}
		binary.BigEndian.PutUint16(b[2:], offset<<3)
		return append(b, payload...)
	}
	hop := func(next byte, payload []byte) []byte {
		return append([]byte{next, 0, 5, 2, 0, 0, 1, 0}, payload...)
	}
	return map[string][]byte{
		"empty":                {},
		"echo":                 ipv4(a4, b4, 1, 0, nil, icmp(8, 0)),
		"echo-reply":           ipv4(b4, a4, 1, 0, nil, icmp(0, 0)),
		"echo-options":         ipv4(a4, b4, 1, 0, rr, icmp(8, 0)),
		"unreachable":          ipv4(b4, a4, 1, 0, nil, append(icmp(3, 3), ipv4(a4, b4, 17, 0, nil, udp(53, 7))...)),
		"echo-first":           ipv4(a4, b4, 1, 0x2000, nil, icmp(8, 0)),
		"echo-later":           ipv4(a4, b4, 1, 0x2003, nil, icmp(8, 0)),
		"igmp":                 ipv4(a4, "224.0.0.1", 2, 0, []byte{0x94, 4, 0, 0}, []byte{0x11, 0, 0, 0, 0, 0, 0, 0}),
		"syn":                  ipv4(a4, b4, 6, 0x4000, nil, tcp(40000, 80, 0x02)),
		"syn-ack":              ipv4(b4, a4, 6, 0x4000, nil, tcp(80, 40000, 0x12)),
		"fin":                  ipv4(a4, b4, 6, 0, nil, tcp(443, 80, 0x11)),
		"tcp-options":          ipv4("192.0.2.9", b4, 6, 0, rr, tcp(22, 8080, 0x18)),
		"tcp-same-ports":       ipv4(a4, a4, 6, 0, nil, tcp(80, 80, 0x10)),
		"tcp-first":            ipv4(a4, b4, 6, 0x2000, nil, tcp(40000, 80, 0x10)),
		"tcp-later":            ipv4(a4, b4, 6, 0x0001, nil, tcp(40000, 80, 0x10)),
		"tcp-last":             ipv4(a4, b4, 6, 0x1fff, nil, tcp(80, 443, 0x02)),
		"dns":                  ipv4(a4, b4, 17, 0, nil, udp(5353, 53)),
		"dns-reply":            ipv4(b4, "172.16.0.9", 17, 0, nil, udp(53, 5353)),
		"udp-options":          ipv4(a4, "10.255.0.7", 17, 0, rr, udp(7, 9)),
		"udp-later":            ipv4(a4, b4, 17, 0x2010, nil, udp(7, 53)),
		"udp-broadcast":        ipv4("0.0.0.10", "255.255.255.255", 17, 0, nil, udp(68, 67)),
		"sctp":                 ipv4(a4, b4, 132, 0, nil, ports(80, 443, 1, 2, 3, 4)),
		"esp":                  ipv4(a4, b4, 50, 0, nil, ports(0, 80, 0, 80)),
		"ah":                   ipv4(a4, b4, 51, 0, nil, ports(0x0604, 0, 0, 80)),
		"pim":                  ipv4(a4, "224.0.0.13", 103, 0, nil, []byte{0x20, 0, 0, 0, 80}),
		"vrrp":                 ipv4(a4, "224.0.0.18", 112, 0, nil, []byte{0x31, 80, 100, 1}),
		"gre":                  ipv4(a4, b4, 47, 0, nil, append([]byte{0, 0, 8, 0}, ipv4(b4, a4, 6, 0, nil, tcp(80, 80, 2))...)),
		"ipv4-short-header":    append([]byte{0x41}, ipv4(a4, b4, 6, 0, nil, tcp(80, 53, 2))[1:]...),
		"ipv4-no-header":       append([]byte{0x40}, ipv4(a4, b4, 17, 0, nil, udp(80, 53))[1:]...),
		"ipv4-long-header":     append([]byte{0x4f}, ipv4(a4, b4, 6, 0, nil, tcp(80, 53, 2))[1:]...),
		"version-0":            make([]byte, 60),
		"version-5":            append([]byte{0x55}, ipv4(a4, b4, 6, 0, nil, tcp(80, 53, 2))[1:]...),
		"version-15":           append([]byte{0xf5}, ipv4(a4, b4, 6, 0, nil, tcp(80, 53, 2))[1:]...),
		"echo6":                ipv6(a6, b6, 58, icmp(128, 0)),
		"echo6-reply":          ipv6(b6, a6, 58, icmp(129, 0)),
		"neighbour6":           ipv6(a6, "ff02::1:ff00:80", 58, icmp(135, 0)),
		"report6":              ipv6("fe80::1", "ff02::16", 0, hop(58, icmp(143, 0))),
		"syn6":                 ipv6(a6, b6, 6, tcp(40000, 80, 0x02)),
		"tcp6":                 ipv6(b6, "::ffff:10.0.0.1", 6, tcp(80, 443, 0x18)),
		"dns6":                 ipv6(a6, b6, 17, udp(53, 5353)),
		"sctp6":                ipv6(a6, b6, 132, ports(80, 443, 1, 2, 3, 4)),
		"pim6":                 ipv6("fe80::1", "ff02::d", 103, []byte{0x20, 0, 0, 0}),
		"no-next6":             ipv6("::", "::1", 59, nil),
		"hop6-tcp":             ipv6(a6, b6, 0, hop(6, tcp(80, 443, 2))),
		"routing6-udp":         ipv6(a6, b6, 43, append([]byte{17, 0, 0, 0, 0, 0, 0, 0}, udp(53, 53)...)),
		"first6-tcp":           ipv6(a6, b6, 44, fragment(6, 0, tcp(80, 443, 2))),
		"later6-tcp":           ipv6(a6, b6, 44, fragment(6, 100, tcp(80, 443, 2))),
		"first6-udp":           ipv6(a6, b6, 44, fragment(17, 0, udp(53, 53))),
		"first6-echo":          ipv6(a6, b6, 44, fragment(58, 0, icmp(128, 0))),
		"first6-fragment":      ipv6(a6, b6, 44, fragment(44, 0, fragment(6, 0, tcp(80, 80, 2)))),
		"hop6-fragment-tcp":    ipv6(a6, b6, 0, hop(44, fragment(6, 0, tcp(80, 443, 2)))),
		"tcp6-trailing":        append(ipv6(a6, b6, 6, tcp(22, 23, 0x10)), make([]byte, 40)...),
		"echo-1500":            ipv4(a4, b4, 1, 0, nil, append(icmp(8, 0), make([]byte, 1460)...)),
		"icmp-in-ipv6":         ipv6(a6, b6, 1, icmp(8, 0)),
		"icmp6-in-ipv4":        ipv4(a4, b4, 58, 0, nil, icmp(128, 0)),
		"fragment-number-ipv4": ipv4(a4, b4, 44, 0, nil, fragment(6, 0, tcp(80, 80, 2))),
	}
}

// A corpus is packets with names.
type corpus struct {
	names   []string
	packets [][]byte
}

func (c *corpus) add(name string, packet []byte) {
	c.names = append(c.names, name)
	c.packets = append(c.packets, slices.Clip(packet))
}

// wholePackets are the hand-made packets, in a fixed order.
func wholePackets() *corpus {
	c := &corpus{}
	made := packets()
	for _, name := range slices.Sorted(maps.Keys(made)) {
		c.add(name, made[name])
	}
	return c
}

// truncatedPackets are the hand-made packets cut at every length up to 100.
func truncatedPackets() *corpus {
	c, whole := &corpus{}, wholePackets()
	for i, packet := range whole.packets {
		for n := range min(len(packet), 100) {
			c.add(whole.names[i]+" truncated", packet[:n])
		}
	}
	return c
}

// mutatedPackets are n hand-made packets with random bytes changed and random
// ends, and random bytes.
func mutatedPackets(r *rand.Rand, n int) *corpus {
	c, whole := &corpus{}, wholePackets()
	for range n {
		i := r.IntN(len(whole.packets))
		b := slices.Clone(whole.packets[i])
		if r.IntN(10) == 0 {
			b = make([]byte, r.IntN(90))
			for j := range b {
				b[j] = byte(r.Uint32())
			}
		}
		if len(b) > 0 {
			for range r.IntN(4) {
				// Most tests look at the first bytes, and most fields are small.
				b[r.IntN(min(len(b), 64))] = byte(r.Uint32() >> r.IntN(32))
			}
			if r.IntN(3) == 0 {
				b = b[:r.IntN(len(b))]
			}
		}
		c.add(whole.names[i]+" mutated", b)
	}
	return c
}
