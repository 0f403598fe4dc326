package filter

import "strconv"

// A scope is the IP versions that a test looks at.
type scope uint8

const (
	bothVersions scope = iota
	onlyIPv4
	onlyIPv6
)

// A protocol is a word that names one.
type protocol struct {
	scope  scope
	number uint8
	itself bool // it names the version, and number means nothing
	index  bool // bytes can be read from it, as in tcp[13]
}

var protocols = map[string]protocol{
	"ip":    {scope: onlyIPv4, itself: true, index: true},
	"ip6":   {scope: onlyIPv6, itself: true, index: true},
	"icmp":  {scope: onlyIPv4, number: 1, index: true},
	"igmp":  {scope: onlyIPv4, number: 2, index: true},
	"tcp":   {number: protoTCP, index: true},
	"udp":   {number: protoUDP, index: true},
	"esp":   {number: 50},
	"ah":    {number: 51},
	"icmp6": {scope: onlyIPv6, number: protoICMPv6, index: true},
	"pim":   {number: 103, index: true},
	"vrrp":  {scope: onlyIPv4, number: 112, index: true},
	"sctp":  {number: protoSCTP, index: true},
}

// test returns the test that the word stands for.
func (p protocol) test() node {
	if p.itself {
		return versionTest{scope: p.scope}
	}
	return protocolTest{scope: p.scope, number: p.number}
}

// A versionTest is "ip" or "ip6".
type versionTest struct {
	leaf
	scope scope
}

var _ node = versionTest{}

func (t versionTest) eval(packet []byte) result {
	if t.scope == onlyIPv4 {
		return hasVersion(packet, 4)
	}
	return hasVersion(packet, 6)
}

func (t versionTest) String() string {
	if t.scope == onlyIPv4 {
		return "ip"
	}
	return "ip6"
}

// hasVersion tests the version field, which is all that tells IPv4 from IPv6
// where there is no link-layer header.
func hasVersion(packet []byte, version byte) result {
	if len(packet) == 0 {
		return fails
	}
	return verdict(packet[0]>>4 == version)
}

// The offsets of the fields that tests look at: RFC 791 §3.1, RFC 8200 §3 and
// §4.5.
const (
	offFragment4 = 6
	offProtocol4 = 9
	offSource4   = 12
	offDest4     = 16
	offNext6     = 6
	offSource6   = 8
	offDest6     = 24
	header6      = 40 // length of the fixed header
)

// A protocolTest tests the protocol that the IP header names. It does not
// follow a chain of IPv6 extension headers, but for one step: behind a fragment
// header that comes first.
type protocolTest struct {
	leaf
	scope  scope
	number uint8
}

var _ node = protocolTest{}

func (t protocolTest) eval(packet []byte) result {
	if len(packet) == 0 {
		return fails
	}
	switch version := packet[0] >> 4; {
	case version == 4 && t.scope != onlyIPv6:
		if len(packet) <= offProtocol4 {
			return fails
		}
		return verdict(packet[offProtocol4] == t.number)
	case version == 6 && t.scope != onlyIPv4:
		if len(packet) <= offNext6 {
			return fails
		}
		next := packet[offNext6]
		if next == t.number || next != protoFragment {
			return verdict(next == t.number)
		}
		if len(packet) <= header6 {
			return fails
		}
		return verdict(packet[header6] == t.number)
	}
	return no
}

func (t protocolTest) String() string {
	for word, p := range protocols {
		if !p.itself && p.scope == t.scope && p.number == t.number {
			return word
		}
	}
	prefix := ""
	if t.scope != bothVersions {
		prefix = versionTest{scope: t.scope}.String() + " "
	}
	return prefix + "proto " + strconv.Itoa(int(t.number))
}

// A multicastTest is "ip multicast" or "ip6 multicast". Over IPv4 it is true
// of any destination from 224.0.0.0 upwards, as libpcap has it.
type multicastTest struct {
	leaf
	scope scope
}

var _ node = multicastTest{}

func (t multicastTest) eval(packet []byte) result {
	if r := (versionTest{scope: t.scope}).eval(packet); r != yes {
		return r
	}
	if t.scope == onlyIPv4 {
		if len(packet) <= offDest4 {
			return fails
		}
		return verdict(packet[offDest4] >= 224)
	}
	if len(packet) <= offDest6 {
		return fails
	}
	return verdict(packet[offDest6] == 0xff)
}

func (t multicastTest) String() string {
	return versionTest{scope: t.scope}.String() + " multicast"
}
