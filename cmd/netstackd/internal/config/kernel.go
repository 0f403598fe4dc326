package config

import (
	"fmt"
	"net/netip"
	"slices"

	"netstackd/link"
)

// kernelAddresses gives the kernel an address on the link for each prefix:
// those of hosts, where -host names some, else the first of the prefix that
// is usable and free.
func kernelAddresses(addrs []netip.Prefix, hosts []netip.Addr) ([]link.Address, error) {
	taken := func(a netip.Addr) bool {
		return slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return p.Addr() == a })
	}
	for i, h := range hosts {
		if taken(h) {
			return nil, fmt.Errorf("-host %s is an -addr too: kernel and netstack need an address each", h)
		}
		if slices.Contains(hosts[:i], h) {
			return nil, fmt.Errorf("-host %s is given twice", h)
		}
	}

	var kernel []link.Address
	used := make([]bool, len(hosts))
	served := map[netip.Prefix]bool{}
	for _, p := range addrs {
		if p.IsSingleIP() || served[p.Masked()] {
			continue
		}
		served[p.Masked()] = true
		found := false
		for i, h := range hosts {
			if !p.Contains(h) {
				continue
			}
			local := netip.PrefixFrom(h, p.Bits())
			if why := unusable(local); why != "" {
				return nil, fmt.Errorf("-host %s: %s; give one that a host can have, as in %s", h, why, example(local))
			}
			// An address in two nested prefixes is given once, in the first.
			if !used[i] {
				kernel = append(kernel, link.Address{Local: local})
			}
			used[i], found = true, true
		}
		if found {
			continue
		}
		a, ok := firstFree(p, taken, kernel)
		if !ok {
			return nil, fmt.Errorf("-addr %s leaves no room for the kernel's address: give a shorter prefix, or fewer addresses", p)
		}
		kernel = append(kernel, link.Address{Local: netip.PrefixFrom(a, p.Bits())})
	}

	// A single address has no room beside it: the kernel reaches it from an
	// address that must be named.
	for _, p := range addrs {
		if !p.IsSingleIP() {
			continue
		}
		i := partner(p.Addr(), hosts, used)
		if i < 0 {
			return nil, fmt.Errorf("-addr %s leaves no room for the kernel's address: name it with -host, or give a shorter prefix, as in %s", p, example(p))
		}
		if why := unusable(netip.PrefixFrom(hosts[i], hosts[i].BitLen())); why != "" {
			return nil, fmt.Errorf("-host %s: %s", hosts[i], why)
		}
		used[i] = true
		kernel = append(kernel, link.Address{Local: netip.PrefixFrom(hosts[i], hosts[i].BitLen()), Peer: p.Addr()})
	}
	for i, h := range hosts {
		if !used[i] {
			return nil, fmt.Errorf("-host %s lies in the prefix of no -addr: give one that does, as in %s", h, kernelExample(addrs, h))
		}
	}
	return kernel, nil
}

// partner chooses the kernel's address for a single address: a host of its
// family that no other prefix has used yet, else any.
func partner(a netip.Addr, hosts []netip.Addr, used []bool) int {
	best := -1
	for i, h := range hosts {
		if h.Is4() != a.Is4() {
			continue
		}
		if !used[i] {
			return i
		}
		if best < 0 {
			best = i
		}
	}
	return best
}

// firstFree returns the first usable address of p that nobody has.
func firstFree(p netip.Prefix, taken func(netip.Addr) bool, kernel []link.Address) (netip.Addr, bool) {
	for a := p.Masked().Addr(); p.Contains(a); a = a.Next() {
		given := slices.ContainsFunc(kernel, func(k link.Address) bool { return k.Local.Addr() == a })
		if !given && !taken(a) && unusable(netip.PrefixFrom(a, p.Bits())) == "" {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// unusable says why a prefix's address cannot be a host's own (RFC 1122
// §3.2.1.3, RFC 4291 §2), or nothing if it can.
func unusable(p netip.Prefix) string {
	a := p.Addr()
	switch {
	case a.Is4In6():
		return "an IPv4 address mapped into IPv6 is on no wire"
	case a.IsUnspecified(), a.Is4() && a.As4()[0] == 0:
		return "the address is unspecified"
	case a.IsLoopback():
		return "the address is loopback"
	case a.IsMulticast():
		return "the address is multicast"
	case a.Is4() && a.As4()[0] >= 240:
		return "the address is reserved or broadcast"
	case a.BitLen()-p.Bits() < 2:
		// A pair has neither network nor broadcast address (RFC 3021, 6164).
		return ""
	case a == p.Masked().Addr() && a.Is4():
		return "it is the address of the network"
	case a == p.Masked().Addr():
		return "it is the subnet-router anycast address"
	case a.Is4() && !p.Contains(a.Next()):
		return "it is the broadcast address"
	}
	return ""
}

// example returns a prefix like p whose address is usable.
func example(p netip.Prefix) string {
	if a := p.Addr(); a.Is4In6() || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240) {
		if a.Is4() {
			return "172.16.0.2/24"
		}
		return "fd00:172::2/64"
	}
	if p.IsSingleIP() {
		p = netip.PrefixFrom(p.Addr(), p.Bits()-1)
	}
	if unusable(p) == "" {
		return p.String()
	}
	a := p.Masked().Addr().Next()
	if second := netip.PrefixFrom(a.Next(), p.Bits()); p.Contains(a.Next()) && unusable(second) == "" {
		a = a.Next()
	}
	return netip.PrefixFrom(a, p.Bits()).String()
}

// kernelExample returns an address for -host that would do.
func kernelExample(addrs []netip.Prefix, like netip.Addr) string {
	for _, p := range addrs {
		if p.Addr().Is4() == like.Is4() && !p.IsSingleIP() {
			taken := func(a netip.Addr) bool { return a == p.Addr() }
			if a, ok := firstFree(p, taken, nil); ok {
				return a.String()
			}
		}
	}
	return "172.16.0.1 for -addr 172.16.0.2/24"
}
