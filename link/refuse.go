package link

import (
	"errors"
	"fmt"
	"net/netip"
	"unicode"
)

// maxNameLen is IFNAMSIZ of linux/if.h less the closing zero byte.
const maxNameLen = 15

// CheckName tells what is wrong with the name of a device, nil if nothing is.
// The rules are those of dev_valid_name in net/core/dev.c, and '%' is refused
// because the kernel would put a number in its place.
func CheckName(name string) error {
	fault := ""
	switch {
	case name == "":
		fault = "it is empty"
	case len(name) > maxNameLen:
		fault = fmt.Sprintf("it is %d bytes long, %d are allowed", len(name), maxNameLen)
	case name == "." || name == "..":
		fault = "it is reserved"
	default:
		for _, r := range name {
			if r == '/' || r == ':' || r == '%' || r == unicode.ReplacementChar || unicode.IsSpace(r) || unicode.IsControl(r) {
				fault = fmt.Sprintf("it contains %q", r)
				break
			}
		}
	}
	if fault == "" {
		return nil
	}
	return fmt.Errorf("name device %q: %s: choose a name such as netstack0", name, fault)
}

// check refuses what is wrong with the configuration by itself, whatever the
// kernel's state.
func (c *Config) check() error {
	if err := CheckName(c.Name); err != nil {
		return err
	}
	if c.MTU < MinMTU || c.MTU > MaxMTU {
		return fmt.Errorf("set MTU %d: it is not between %d and %d", c.MTU, MinMTU, MaxMTU)
	}
	if c.ipv6() && c.MTU < MinMTU6 {
		return fmt.Errorf("set MTU %d: IPv6 needs at least %d (RFC 8200 section 5): raise it, or leave the IPv6 addresses out", c.MTU, MinMTU6)
	}
	for _, p := range c.Netstack {
		if err := checkPrefix(p); err != nil {
			return fmt.Errorf("use address %v: %w", p, err)
		}
	}
	for _, a := range c.Kernel {
		if err := a.check(); err != nil {
			return fmt.Errorf("use host address %v: %w", a.Local, err)
		}
		for _, p := range c.Netstack {
			if a.Local.Addr() == p.Addr() {
				return fmt.Errorf("use address %v: it is also the host address: the two ends of a link need different ones", p)
			}
		}
	}
	return nil
}

func (a Address) check() error {
	if err := checkPrefix(a.Local); err != nil {
		return err
	}
	if !a.Peer.IsValid() {
		return nil
	}
	if a.Peer.Is4() != a.Local.Addr().Is4() {
		return fmt.Errorf("its peer %v is of the other family", a.Peer)
	}
	if !a.Local.IsSingleIP() {
		return fmt.Errorf("it has the peer %v, so its prefix must be a single address", a.Peer)
	}
	return nil
}

func checkPrefix(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return errors.New("it is no prefix")
	case p.Addr().Is4In6():
		return errors.New("it is an IPv4 address in IPv6 form: write it as IPv4")
	}
	return nil
}

// linkLocal6 is every link's own, RFC 4291 section 2.5.6: a route for it
// conflicts with nothing.
var linkLocal6 = netip.MustParsePrefix("fe80::/10")

// conflicts tells whether a route the kernel has stands in the way of a prefix
// the link lays claim to. A default route does not: every prefix overlaps it.
func conflicts(route, prefix netip.Prefix) bool {
	return route.Bits() > 0 && route.Overlaps(prefix) && !linkLocal6.Contains(prefix.Addr())
}
