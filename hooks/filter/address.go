package filter

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strconv"
)

// A direction says which of a packet's two ends a test looks at.
type direction uint8

const (
	either direction = iota // src or dst
	source
	destination
	both
)

func (d direction) String() string {
	return [...]string{either: "", source: "src ", destination: "dst ", both: "src and dst "}[d]
}

// ends tests the packet's ends with end, source first. The second is not looked
// at, and so cannot fail, when the first decides.
func (d direction) ends(end func(destination bool) result) result {
	switch d {
	case source:
		return end(false)
	case destination:
		return end(true)
	case both:
		if r := end(false); r != yes {
			return r
		}
	default:
		if r := end(false); r != no {
			return r
		}
	}
	return end(true)
}

// An address4Test tests IPv4 addresses.
type address4Test struct {
	leaf
	direction direction
	addr      uint32
	mask      uint32
}

var _ node = address4Test{}

func (t address4Test) eval(packet []byte) result {
	if r := hasVersion(packet, 4); r != yes {
		return r
	}
	return t.direction.ends(func(destination bool) result {
		at := offSource4
		if destination {
			at = offDest4
		}
		if len(packet) < at+4 {
			return fails
		}
		return verdict(binary.BigEndian.Uint32(packet[at:])&t.mask == t.addr)
	})
}

func (t address4Test) String() string {
	dotted := func(v uint32) string {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v))).String()
	}
	text := t.direction.String()
	ones := bits.LeadingZeros32(^t.mask)
	switch {
	case ones == 32:
		return text + "host " + dotted(t.addr)
	case t.mask<<ones == 0:
		return text + "net " + dotted(t.addr) + "/" + strconv.Itoa(ones)
	}
	return text + "net " + dotted(t.addr) + " mask " + dotted(t.mask)
}

// An address6Test tests IPv6 addresses, 32 bits after 32 bits: a packet that ends
// within an address is judged by what is there, if that differs.
type address6Test struct {
	leaf
	direction direction
	prefix    netip.Prefix // masked
	addr      [4]uint32
	mask      [4]uint32
}

var _ node = (*address6Test)(nil)

// newAddress6 returns the test for the addresses of the prefix, which is
// masked.
func newAddress6(d direction, prefix netip.Prefix) *address6Test {
	t := &address6Test{direction: d, prefix: prefix}
	addr := prefix.Addr().As16()
	for i := range t.addr {
		t.addr[i] = binary.BigEndian.Uint32(addr[4*i:])
		// Go shifts a word to 0 by 32 and more.
		t.mask[i] = ^uint32(0) << max(0, 32*(i+1)-prefix.Bits())
	}
	return t
}

func (t *address6Test) eval(packet []byte) result {
	if r := hasVersion(packet, 6); r != yes {
		return r
	}
	return t.direction.ends(func(destination bool) result {
		at := offSource6
		if destination {
			at = offDest6
		}
		for i, addr := range t.addr {
			if len(packet) < at+4 {
				return fails
			}
			if binary.BigEndian.Uint32(packet[at:])&t.mask[i] != addr {
				return no
			}
			at += 4
		}
		return yes
	})
}

func (t *address6Test) String() string {
	if t.prefix.IsSingleIP() {
		return t.direction.String() + "host " + t.prefix.Addr().String()
	}
	return t.direction.String() + "net " + t.prefix.String()
}
