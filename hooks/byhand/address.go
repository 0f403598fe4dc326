package byhand

import "net/netip"

// addresses are those that the host owns, with their prefixes.
type addresses []netip.Prefix

// owns reports whether a is a unicast address of the host.
func (as addresses) owns(a netip.Addr) bool {
	for _, p := range as {
		if p.Addr() == a {
			return true
		}
	}
	return false
}

// primary returns the first address of the family of a.
func (as addresses) primary(a netip.Addr) (netip.Addr, bool) {
	for _, p := range as {
		if p.Addr().Is4() == a.Is4() {
			return p.Addr(), true
		}
	}
	return netip.Addr{}, false
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// broadcast reports whether a is a broadcast address as this host sees it: the
// limited one, or that of one of its subnets (RFC 1122 §3.2.1.3 (c) and (d)).
func (as addresses) broadcast(a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	if a == limitedBroadcast {
		return true
	}
	for _, p := range as {
		// A pair or a single address has no broadcast (RFC 3021 §2.1).
		if p.Addr().Is4() && p.Bits() < 31 && p.Contains(a) && a == lastAddress(p) {
			return true
		}
	}
	return false
}

// lastAddress returns the address of an IPv4 prefix whose host bits are all ones.
func lastAddress(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}

var (
	allNodesInterface = netip.MustParseAddr("ff01::1")
	allNodesLink      = netip.MustParseAddr("ff02::1")
)

// inGroup reports whether the host has to listen to the multicast address a:
// all-nodes, and the solicited-node address of each of its own (RFC 4291 §2.8).
// Over IPv4 every group counts as possible, for the host may have joined any.
func (as addresses) inGroup(a netip.Addr) bool {
	if a.Is4() || a == allNodesInterface || a == allNodesLink {
		return true
	}
	for _, p := range as {
		if p.Addr().Is6() && a == solicitedNode(p.Addr()) {
			return true
		}
	}
	return false
}

// solicitedNode returns ff02::1:ffXX:XXXX with the last 24 bits of a (RFC 4291 §2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	own := a.As16()
	b := [16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: own[13], 14: own[14], 15: own[15]}
	return netip.AddrFrom16(b)
}
