package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"netstackd/link"
)

// kernelAddresses gives the kernel an address on the link for each prefix:
// those of hosts, where -host names some, else the first of the prefix that
// is usable and free. Every one of addrs is then reached from one of them.
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
				return nil, fmt.Errorf("-host %s: %s; %s", h, why, instead(p, taken))
			}
			// An address in nested prefixes is given once, in the widest: the
			// route to that leads to the others too.
			if !used[i] {
				kernel = append(kernel, link.Address{Local: widest(addrs, h)})
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

	// A single address has no room beside it: unless it lies in the prefix of
	// another, the kernel reaches it from an address that must be named.
	for _, p := range addrs {
		if !p.IsSingleIP() || widest(addrs, p.Addr()) != p {
			continue
		}
		i, shared := partner(p.Addr(), hosts, used)
		switch {
		case i < 0 && shared:
			return nil, fmt.Errorf("-addr %s needs a -host of its own: the kernel takes an IPv6 address once, with one address at the other end", p)
		case i < 0:
			return nil, fmt.Errorf("-addr %s leaves no room for the kernel's address: name it with -host, or give a shorter prefix, as in %s", p, example(p))
		}
		used[i] = true
		kernel = append(kernel, link.Address{Local: netip.PrefixFrom(hosts[i], hosts[i].BitLen()), Peer: p.Addr()})
	}
	for i, h := range hosts {
		if !used[i] {
			return nil, errors.New(needless(addrs, h))
		}
	}
	return kernel, nil
}

// widest returns h with the length of the shortest prefix of addrs that it
// lies in, or as a single address.
func widest(addrs []netip.Prefix, h netip.Addr) netip.Prefix {
	bits := h.BitLen()
	for _, p := range addrs {
		if p.Contains(h) {
			bits = min(bits, p.Bits())
		}
	}
	return netip.PrefixFrom(h, bits)
}

// partner chooses the kernel's address for a single address: a host of its
// family that is not used yet, else over IPv4 any. Linux takes an IPv4 address
// with several peers, but an IPv6 address once; shared says that there was one,
// used already.
func partner(a netip.Addr, hosts []netip.Addr, used []bool) (best int, shared bool) {
	best = -1
	for i, h := range hosts {
		switch {
		case h.Is4() != a.Is4():
		case !used[i]:
			return i, false
		case h.Is6():
			shared = true
		case best < 0:
			best = i
		}
	}
	return best, shared
}

// firstFree returns the first usable address of p that nobody has.
func firstFree(p netip.Prefix, taken func(netip.Addr) bool, kernel []link.Address) (netip.Addr, bool) {
	a := p.Masked().Addr()
	if a.Is4() && a.As4()[0] == 0 {
		a = netip.AddrFrom4([4]byte{1}) // past the 16 million of 0.0.0.0/8
	}
	for ; p.Contains(a); a = a.Next() {
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
	case a.IsUnspecified():
		return "the address is unspecified"
	case a.Is4() && a.As4()[0] == 0:
		return "the network 0.0.0.0/8 has no hosts"
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
	if a := p.Addr(); a.Is4In6() {
		return example(netip.PrefixFrom(a.Unmap(), max(p.Bits()-96, 24)))
	}
	if a := p.Addr(); a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240) {
		if a.Is4() {
			return "172.16.0.2/24"
		}
		return "fd00:172::2/64"
	}
	if p.IsSingleIP() {
		usual := 24
		if p.Addr().Is6() {
			usual = 64
		}
		if q := netip.PrefixFrom(p.Addr(), usual); unusable(q) == "" {
			return q.String()
		}
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

// instead says which address of p to give with -host.
func instead(p netip.Prefix, taken func(netip.Addr) bool) string {
	if a, ok := firstFree(p, taken, nil); ok {
		return fmt.Sprintf("give one that a host can have, as in %s", a)
	}
	return "give a shorter prefix, or fewer addresses: no other is left"
}

// needless says why an address given with -host is not wanted.
func needless(addrs []netip.Prefix, h netip.Addr) string {
	family, likewise, single := "IPv4", "172.16.0.2/24", true
	if h.Is6() {
		family, likewise = "IPv6", "fd00:172::2/64"
	}
	taken := func(a netip.Addr) bool {
		return slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return p.Addr() == a })
	}
	none := true
	for _, p := range addrs {
		if p.Addr().Is4() != h.Is4() {
			continue
		}
		none = false
		if p.IsSingleIP() {
			continue
		}
		single = false
		if a, ok := firstFree(p, taken, nil); ok {
			return fmt.Sprintf("-host %s lies in the prefix of no -addr: give one that does, as in %s", h, a)
		}
	}
	switch {
	case none:
		return fmt.Sprintf("-host %s is an %s address, and no -addr is: add one, as in -addr %s, or leave the -host out", h, family, likewise)
	case single:
		return fmt.Sprintf("-host %s is one too many: every -addr has the kernel's address it needs", h)
	}
	return fmt.Sprintf("-host %s lies in the prefix of no -addr", h)
}
