package hostile

import (
	"encoding/binary"
	"net/netip"
)

// Addresses that no packet should bear as its source, or that are not for one
// host alone.
var (
	odd4 = []netip.Addr{
		netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("0.1.2.3"), netip.MustParseAddr("127.0.0.1"),
		netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("239.255.255.250"), netip.MustParseAddr("240.0.0.1"),
		netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("172.16.255.255"), netip.MustParseAddr("172.16.0.0"),
		netip.MustParseAddr("169.254.1.1"), netip.MustParseAddr("10.0.0.1"),
	}
	odd6 = []netip.Addr{
		netip.MustParseAddr("::"), netip.MustParseAddr("::1"), netip.MustParseAddr("ff02::1"),
		netip.MustParseAddr("ff02::2"), netip.MustParseAddr("ff05::1:3"), netip.MustParseAddr("fe80::1"),
		netip.MustParseAddr("::ffff:172.16.0.2"), netip.MustParseAddr("::172.16.0.2"), netip.MustParseAddr("fd00:172::"),
		netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("ff02::1:ff00:2"), netip.MustParseAddr("64:ff9b::1.2.3.4"),
	}
)

// peer returns an address that is not the kernel's, on the link or beyond, and that
// no packet has had for millions.
func (g *Generator) peer(v6 bool) netip.Addr {
	n := g.number()
	if !v6 {
		return netip.AddrFrom4([4]byte{byte(11 + n>>24%64), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	b := g.cfg.Host6.As16()
	binary.BigEndian.PutUint32(b[12:], 0x10000+n)
	return netip.AddrFrom16(b)
}

// host returns the host's address of a family.
func (g *Generator) host(v6 bool) netip.Addr {
	if v6 {
		return g.cfg.Host6
	}
	return g.cfg.Host4
}

// addresses returns a source and a destination: a peer and the host, but for a
// few.
func (g *Generator) addresses(v6 bool) (src, dst netip.Addr) {
	src, dst = g.peer(v6), g.host(v6)
	odd := odd4
	if v6 {
		odd = odd6
	}
	switch g.r.IntN(25) {
	case 0:
		src = one(g, odd)
	case 1:
		dst = one(g, odd)
	case 2:
		if g.chance(20) {
			src = dst
		}
	}
	return src, dst
}
