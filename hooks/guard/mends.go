package guard

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// A Mend is something that netstack does otherwise than the RFCs say, and that is
// put right at the link.
type Mend struct {
	// Name is that of the mend on the command line, in traces, and, where it keeps
	// a packet from its way, the reason.
	Name string
	// Does says in one line what it does.
	Does string
	// RFC cites the rule.
	RFC string
}

// Mends is a set of mends. The zero value is empty.
type Mends uint32

// The mends, in the order of the list.
const (
	mendReservedFlag Mends = 1 << iota
	mendClassEError
	mendErrorAboutFragment
	mendZeroDestination
	mendIgnoredOptions
	mendResetWithSyn
	mendDefaultMSS
	mendSourceRoute
	mendSolicitation
	mendQuotedOptions
	mendQuotedChecksum
	mendOverride
	mendErrorAboutError
	mendCongestion
	mendFragmentOption
	mendHeaderChain
	mendLateHopByHop
	mendReassemblyTimeout
	mendUnsentAck
	mendShutWindow
	mendOldTimestamp
	mendRouteFailed
	mendSegmentRoute
	mendTrailing
	mendNeighbourOption
	mendZeroChecksum
	mendFarPointer
	mendQuoteLength
	mendFragmentDuplicate

	all = 1<<iota - 1
)

var list = [...]Mend{
	{"reserved-flag", "clears the reserved flag, which netstack copies from the echo request", "RFC 791 §3.1"},
	{"class-e-error", "withholds an ICMPv4 error to a class E address, 240.0.0.0/4", "RFC 1122 §3.2.2"},
	{"error-about-fragment", "withholds an ICMPv4 error about a fragment that is not the first", "RFC 1122 §3.2.2"},
	{"zero-destination", "withholds what goes to 0.0.0.0/8 or ::", "RFC 1122 §3.2.1.3, RFC 4291 §2.5.2"},
	{"ignored-options", "has netstack ignore a router alert with a reserved value, an option of an experiment, and an unknown option that comes twice, in ICMPv4 and TCP", "RFC 2113 §2.1, RFC 1122 §3.2.1.8"},
	{"reset-with-syn", "has netstack see a reset with SYN as a reset alone, which a port that listens ignores", "RFC 9293 §3.10.7.2"},
	{"default-mss", "gives an IPv6 SYN without a maximum segment size that of 1,220 bytes, which it means", "RFC 9293 §3.7.1"},
	{"source-route", "answers an echo request that came by a source route, which netstack leaves out, along the reversed route", "RFC 1122 §3.2.2.6"},
	{"solicitation", "answers a multicast neighbour solicitation without a link-layer address, of which a TUN has none", "RFC 4861 §4.3, §7.2.4"},
	{"quoted-options", "has an ICMPv4 error quote a record route or a timestamp option as it came, without what netstack has recorded there", "RFC 1122 §3.2.2"},
	{"quoted-checksum", "gives the IPv4 header that an error quotes of a datagram in fragments the checksum that belongs to it", "RFC 1122 §3.2.2"},
	{"advertisement-override", "clears the override flag of a neighbour advertisement without a link-layer address, which there is nothing to override with", "RFC 4861 §7.2.4"},
	{"error-about-error", "withholds an ICMPv6 error about a fragment of an ICMPv6 error or redirect", "RFC 4443 §2.4"},
	{"ecn-reassembly", "gives a datagram the congestion that a fragment but the first has met, and drops one of which another fragment is not ECN-capable", "RFC 3168 §5.3"},
	{"fragment-option", "reports a bad option in the first fragment of an ICMPv4 message", "RFC 1122 §3.2.2.5"},
	{"header-chain", "reports an IPv6 first fragment that does not have all headers, and drops it", "RFC 8200 §4.5, RFC 7112 §5"},
	{"hop-by-hop-in-fragment", "reports a hop-by-hop header behind that of a fragment, where none may be, and drops the fragment", "RFC 8200 §4.1"},
	{"icmp-reassembly-timeout", "tells of an ICMPv4 message in fragments that did not become whole in time", "RFC 1122 §3.3.2"},
	{"unsent-ack", "has netstack drop a TCP segment that acknowledges what was never sent, and answer it with an acknowledgment", "RFC 9293 §3.10.7.4"},
	{"shut-window", "has netstack take the acknowledgment of a TCP segment for which its window, shut or moved back, has no room", "RFC 9293 §3.10.7.4, RFC 7323 §2.4"},
	{"old-timestamp", "has netstack drop a TCP segment with a timestamp of before the last, and answer it with an acknowledgment", "RFC 7323 §5.3"},
	{"source-route-failed", "reports a source route that leads on from here, where netstack ends it", "RFC 1122 §3.3.5"},
	{"tcp-source-route", "sends the segments of a TCP connection that came by a source route back by it", "RFC 9293 §3.9.2.1"},
	{"trailing-bytes", "cuts what comes behind an IPv6 packet with extension headers, by its own length, which netstack takes for a part of it", "RFC 8200 §3, RFC 4443 §2.4"},
	{"neighbour-option", "has netstack ignore the options of router advertisements in neighbour solicitations and advertisements", "RFC 4861 §7.1.1, §7.1.2"},
	{"zero-checksum", "drops an IPv6 datagram without a checksum, which netstack takes if its sum comes to 0", "RFC 8200 §8.1"},
	{"far-pointer", "reports what is wrong behind an IPv6 extension header of 256 bytes or more, whose length netstack leaves out of the pointer in part", "RFC 4443 §3.4"},
	{"quote-length", "reports what is wrong with an IPv6 packet that goes on behind a UDP datagram, with a quote of all of it", "RFC 4443 §2.4"},
	{"fragment-duplicate", "has netstack discard an IPv6 datagram of which a fragment comes with the place of another and other data, which it takes for a duplicate", "RFC 5722 §4, RFC 8200 §4.5"},
}

// List returns all mends.
func List() []Mend { return slices.Clone(list[:]) }

// has reports whether m holds every mend of which.
func (m Mends) has(which Mends) bool { return m&which == which }

// A Mode is how a guard guards, as it stands on the command line.
type Mode struct {
	// On says that there is a guard at all.
	On bool
	// Mends are those that it makes.
	Mends Mends
}

// ParseMode reads off, on, or strict, behind which -NAME leaves a mend out.
func ParseMode(s string) (Mode, error) {
	switch s {
	case "off":
		return Mode{}, nil
	case "on":
		return Mode{On: true}, nil
	}
	words := strings.Split(s, ",")
	if words[0] != "strict" {
		return Mode{}, errors.New("expected off, on, or strict, which -NAME may follow, as in strict,-" + list[0].Name)
	}
	m := Mode{On: true, Mends: all}
	for _, word := range words[1:] {
		name, without := strings.CutPrefix(word, "-")
		mend := mendOf(name)
		if !without || mend == 0 {
			return Mode{}, fmt.Errorf("%q is no mend to leave out: expected -NAME, of %s", word, names())
		}
		m.Mends &^= mend
	}
	return m, nil
}

// String writes a mode as ParseMode reads it.
func (m Mode) String() string {
	switch {
	case !m.On:
		return "off"
	case m.Mends == 0:
		return "on"
	}
	s := "strict"
	for i, mend := range list {
		if !m.Mends.has(1 << i) {
			s += ",-" + mend.Name
		}
	}
	return s
}

func names() string {
	var all []string
	for _, m := range list {
		all = append(all, m.Name)
	}
	return strings.Join(all, ", ")
}

// nameOf returns the name of one mend.
func nameOf(m Mends) string { return list[bits.TrailingZeros32(uint32(m))].Name }

// mendOf returns the mend of a name, or 0.
func mendOf(name string) Mends {
	i := slices.IndexFunc(list[:], func(m Mend) bool { return m.Name == name })
	if i < 0 {
		return 0
	}
	return 1 << i
}
