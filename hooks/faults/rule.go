package faults

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// A Kind is a kind of fault, as it stands in rules.
type Kind string

// The kinds of faults.
const (
	// Corrupt flips one bit of a byte that a checksum covers.
	Corrupt Kind = "corrupt"
	// Drop loses the packet.
	Drop Kind = "drop"
	// Duplicate sends the packet, and a copy of it right behind.
	Duplicate Kind = "duplicate"
	// Reorder holds the packet until others have passed it.
	Reorder Kind = "reorder"
	// Delay holds the packet for a time.
	Delay Kind = "delay"
	// Truncate cuts bytes off the packet's end.
	Truncate Kind = "truncate"
)

// kinds in the order in which they are listed.
var kinds = []Kind{Corrupt, Drop, Duplicate, Reorder, Delay, Truncate}

// What a rule means that does not say.
const (
	DefaultDepth = 1                     // of Reorder, in packets
	DefaultDelay = 10 * time.Millisecond // of Delay
)

// Bounds of what a rule may say.
const (
	maxDepth           = 256
	minDelay, maxDelay = time.Microsecond, time.Minute
)

// A Spec is one fault of a rule.
type Spec struct {
	Kind   Kind
	Amount Amount
	// Delay is that of Delay; 0 is DefaultDelay.
	Delay time.Duration
	// Depth is the number of packets that Reorder lets pass; 0 is DefaultDepth.
	Depth int
}

// String returns the fault as [Parse] takes it.
func (s Spec) String() string {
	text := string(s.Kind) + "=" + s.Amount.String()
	switch s.Kind {
	case Reorder:
		text += ":" + strconv.Itoa(s.depth())
	case Delay:
		text += ":" + s.delay().String()
	}
	return text
}

func (s Spec) depth() int {
	if s.Depth <= 0 {
		return DefaultDepth
	}
	return s.Depth
}

func (s Spec) delay() time.Duration {
	if s.Delay <= 0 {
		return DefaultDelay
	}
	return s.Delay
}

// Protocols is a set of protocols; the empty set means every packet.
type Protocols uint8

// The protocols that a rule can name. TCP and UDP are those of either version.
const (
	ICMPv4 Protocols = 1 << iota
	ICMPv6
	TCP
	UDP
	IPv4
	IPv6
)

// protocolNames in the order of the bits, as in a pcap filter.
var protocolNames = []string{"icmp", "icmp6", "tcp", "udp", "ip", "ip6"}

// protocolsOf returns every name that fits a packet, none if it is not IP.
func protocolsOf(p *wire.Packet) (s Protocols) {
	switch p.Version {
	case 4:
		s = IPv4
		if p.Protocol == wire.ProtocolICMPv4 {
			s |= ICMPv4
		}
	case 6:
		s = IPv6
		if p.Protocol == wire.ProtocolICMPv6 {
			s |= ICMPv6
		}
	default:
		return 0
	}
	switch p.Protocol {
	case wire.ProtocolTCP:
		s |= TCP
	case wire.ProtocolUDP:
		s |= UDP
	}
	return s
}

// A Rule says which faults befall which packets. [Parse] makes one.
type Rule struct {
	// Direction of the packets; empty means both.
	Direction hooks.Direction
	Protocols Protocols
	// Faults in the order of the dice.
	Faults []Spec
	// Seed of the rule's dice; 0 means that of [Options].
	Seed uint64
}

// String returns the rule as [Parse] takes it.
func (r Rule) String() string {
	var words, faults []string
	switch r.Direction {
	case hooks.Inbound:
		words = append(words, wordInbound)
	case hooks.Outbound:
		words = append(words, wordOutbound)
	}
	for i, name := range protocolNames {
		if r.Protocols&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	for _, f := range r.Faults {
		faults = append(faults, f.String())
	}
	if r.Seed != 0 {
		faults = append(faults, wordSeed+"="+strconv.FormatUint(r.Seed, 10))
	}
	return strings.Join(append(words, strings.Join(faults, ",")), " ")
}

// holdsFor reports whether the rule is about packets of a direction.
func (r Rule) holdsFor(d hooks.Direction) bool { return r.Direction == "" || r.Direction == d }

// damages reports whether the rule alters bytes.
func (r Rule) damages() bool { return r.has(Corrupt, Truncate) }

// holds reports whether the rule holds packets back.
func (r Rule) holds() bool { return r.has(Delay, Reorder) }

func (r Rule) has(kinds ...Kind) bool {
	return slices.ContainsFunc(r.Faults, func(f Spec) bool { return slices.Contains(kinds, f.Kind) })
}

// NeedWholeChecksums reports whether some rule damages packets: the damage can
// only be seen if whoever is on either side computes every sum whole, and leaves
// none to others. A link that can offload must not, then.
func NeedWholeChecksums(rules []Rule) bool { return slices.ContainsFunc(rules, Rule.damages) }
