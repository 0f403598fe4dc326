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

// self returns the address that speaks for the host where a was spoken to: a
// itself, or, if that is no unicast address of it, its primary one.
func (as addresses) self(a netip.Addr) netip.Addr {
	if as.owns(a) {
		return a
	}
	own, _ := as.primary(a)
	return own
}

var (
	limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	thisNetwork      = netip.PrefixFrom(netip.AddrFrom4([4]byte{}), 8)
	classE           = netip.PrefixFrom(netip.AddrFrom4([4]byte{240}), 4)
)

// broadcast reports whether a is a broadcast address as this host sees it: the
// limited one, or that of one of its subnets (RFC 1122 §3.2.1.3 (c) and (d)).
func (as addresses) broadcast(a netip.Addr) bool {
	return a == limitedBroadcast || as.atEnd(a, lastAddress)
}

// oldBroadcast reports whether a is a broadcast address of the 0-form, which
// hosts SHOULD recognise, and hardly one does (RFC 1122 §3.3.6).
func (as addresses) oldBroadcast(a netip.Addr) bool {
	return a.Is4() && a.IsUnspecified() || as.atEnd(a, firstAddress)
}

// atEnd reports whether a is the address at one end of one of the subnets. A
// pair or a single address has none (RFC 3021 §2.1).
func (as addresses) atEnd(a netip.Addr, end func(netip.Prefix) netip.Addr) bool {
	for _, p := range as {
		if a.Is4() && p.Addr().Is4() && p.Bits() < 31 && p.Contains(a) && a == end(p) {
			return true
		}
	}
	return false
}

func firstAddress(p netip.Prefix) netip.Addr { return p.Masked().Addr() }

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

// ours reports whether a packet to dst is for this host at all. A host without
// an address of dst's family is no host there.
func (as addresses) ours(dst netip.Addr) bool {
	if _, ok := as.primary(dst); !ok {
		return false
	}
	return as.owns(dst) || as.broadcast(dst) || as.oldBroadcast(dst) || dst.IsMulticast() && as.inGroup(dst)
}

// mayDiscard reports whether a host is free to discard what comes from src,
// which is neither a martian nor anything that a single host has to itself: a
// reserved address (class E, RFC 1122 §3.2.1.3; IPv4-mapped, RFC 6890 §2.2.3),
// an address with the host number 0, or one of its own, off the wire.
func (as addresses) mayDiscard(src netip.Addr) bool {
	return classE.Contains(src) || src.Is4In6() || as.oldBroadcast(src) || as.owns(src)
}
