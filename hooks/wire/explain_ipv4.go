package wire

import (
	"fmt"
	"net/netip"
)

// ipv4 tells an IPv4 header from t.at on.
func (t *teller) ipv4(p *Packet) {
	base, h := t.at, &p.IPv4
	n := max(ipv4HeaderLen, h.HeaderLen)
	t.section("IPv4 header: %s (RFC 791 §3.1)", span(base, min(n, t.end-base)))
	t.table()
	t.within(n, func() {
		t.ipv4Fixed(p, t.b[base:])
		if h.HasOptions() && !t.cut {
			t.ipv4Options()
		}
	})
}

// ipv4Fixed tells the 20 bytes that every IPv4 header has.
func (t *teller) ipv4Fixed(p *Packet, received []byte) {
	b := t.field(1, "Version, IHL", says(""))
	t.bits(b, 0, 3, "Version", "4: this is IPv4")
	t.bits(b, 4, 7, "IHL (header length)", "%s", ihlWords(int(bitsOf(b, 4, 7))))
	b = t.field(1, "Type of Service", says("today DSCP and ECN (RFC 2474, RFC 3168)"))
	t.bits(b, 0, 5, "DSCP", "%s", dscpWords(bitsOf(b, 0, 5)))
	t.bits(b, 6, 7, "ECN", "%s", ecnWords(bitsOf(b, 6, 7)))
	t.field(2, "Total Length", func(b []byte) string {
		return lengthWords(be16(b), len(received), "header and data", t.quoted)
	})
	t.field(2, "Identification", func(b []byte) string {
		if p.IPv4.DF && !p.Fragment.IsFragment() {
			return fmt.Sprintf("%d: names the datagram that fragments belong to; means nothing here, where "+
				"there are none and can be none (RFC 6864 §4.1)", be16(b))
		}
		return fmt.Sprintf("%d: names the datagram that fragments belong to", be16(b))
	})
	b = t.field(2, "Flags, Fragment Offset", says(""))
	t.bits(b, 0, 0, "Reserved", "%s", pick(bitsOf(b, 0, 0), "0, as it must be", "1: it must be 0"))
	t.bits(b, 1, 1, "DF", "%s", pick(bitsOf(b, 1, 1), "not set: routers may fragment it", "set: do not fragment"))
	t.bits(b, 2, 2, "MF", "%s", pick(bitsOf(b, 2, 2), "not set: no more fragments follow", "set: more fragments follow"))
	t.bits(b, 3, 15, "Fragment Offset", "%s", offsetWords(bitsOf(b, 3, 15)))
	t.field(1, "Time to Live", func(b []byte) string { return hopsWords(b[0]) })
	t.field(1, "Protocol", func(b []byte) string { return fmt.Sprintf("%d = %s", b[0], ProtocolName(b[0])) })
	t.field(2, "Header Checksum", func(b []byte) string {
		c := p.check(LayerIPv4)
		if c == nil {
			return "cannot be worked out: the header's length is wrong"
		}
		return verdictWords(*c, t.quoted)
	})
	t.field(4, "Source Address", addressWords)
	t.field(4, "Destination Address", addressWords)
}

// says is a field's meaning that does not depend on its bytes.
func says(s string) func([]byte) string { return func([]byte) string { return s } }

// pick says one thing of a bit that is 0 and another of one that is 1.
func pick(bit uint32, zero, one string) string {
	if bit == 0 {
		return zero
	}
	return one
}

func ihlWords(words int) string {
	switch {
	case words < 5:
		return fmt.Sprintf("%d words of 4 bytes = %d bytes: wrong, no header has fewer than 5 words", words, words*4)
	case words == 5:
		return "5 words of 4 bytes = 20 bytes: no options"
	}
	return fmt.Sprintf("%d words of 4 bytes = %d bytes: %d of options", words, words*4, words*4-ipv4HeaderLen)
}

// lengthWords compares the length a packet claims with what arrived.
func lengthWords(claimed, received int, of string, quoted bool) string {
	s := fmt.Sprintf("%s, %s", count(claimed, "byte"), of)
	switch {
	case claimed == received:
		return s
	case claimed < received:
		return s + fmt.Sprintf("; %d more arrived", received-claimed)
	case quoted:
		return s + fmt.Sprintf("; the quote has %d", received)
	}
	return s + fmt.Sprintf("; only %d arrived", received)
}

func offsetWords(units uint32) string {
	if units == 0 {
		return "0: the datagram begins here"
	}
	return fmt.Sprintf("%d units of 8 bytes: this data is the datagram's from byte %d on", units, units*8)
}

func hopsWords(ttl uint8) string {
	switch ttl {
	case 0:
		return "0: must not be sent, but a host it is addressed to takes it (RFC 1122 §3.2.1.7)"
	case 1:
		return "1 hop left: no router forwards it"
	case 255:
		return "255 hops left: the most there can be, so no router has touched it yet"
	}
	return fmt.Sprintf("%d hops left: each router takes one, and drops it at 0", ttl)
}

// dscpWords names a differentiated services code point (IANA, "Differentiated
// Services Field Codepoints").
func dscpWords(v uint32) string {
	name := "no standard meaning"
	switch {
	case v == 0:
		name = "default, best effort"
	case v == 1:
		name = "LE, lower effort (RFC 8622)"
	case v == 44:
		name = "VOICE-ADMIT (RFC 5865)"
	case v == 46:
		name = "EF, expedited forwarding (RFC 3246)"
	case v%8 == 0:
		name = fmt.Sprintf("CS%d, class selector (RFC 2474)", v/8)
	case v < 40 && v >= 8 && v%2 == 0:
		name = fmt.Sprintf("AF%d%d, assured forwarding (RFC 2597)", v/8, v%8/2)
	}
	return fmt.Sprintf("%d: %s", v, name)
}

func ecnWords(v uint32) string {
	return [...]string{
		"0: Not-ECT, the sender does not use ECN",
		"1: ECT(1), ECN-capable (L4S: RFC 9331)",
		"2: ECT(0), ECN-capable",
		"3: CE, a router on the way was congested",
	}[v&3]
}

func addressWords(b []byte) string {
	a, _ := netip.AddrFromSlice(b)
	if note := addressNote(a); note != "" {
		return a.String() + ", " + note
	}
	return a.String()
}

// addressNote says what kind of address a is, if that is worth saying.
func addressNote(a netip.Addr) string {
	switch {
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "limited broadcast"
	case a.Is4() && a.As4()[0] == 0:
		return "this host on this network"
	case a.IsUnspecified():
		return "no address"
	case a.IsLoopback():
		return "loopback"
	case a == netip.IPv6LinkLocalAllNodes():
		return "all nodes of the link"
	case a == netip.IPv6LinkLocalAllRouters():
		return "all routers of the link"
	case a == netip.AddrFrom16([16]byte{0xff, 2, 15: 0x16}):
		return "all MLDv2 routers of the link"
	case a.Is6() && solicitedNode(a):
		return "solicited-node multicast: all whose address ends in these 24 bits (RFC 4291 §2.7.1)"
	case a.IsMulticast():
		return "multicast"
	case a.IsLinkLocalUnicast() && a.Is4():
		return "link-local (RFC 3927)"
	case a.IsLinkLocalUnicast():
		return "link-local (RFC 4291 §2.5.6)"
	case a.IsPrivate() && a.Is4():
		return "private (RFC 1918)"
	case a.IsPrivate():
		return "unique local (RFC 4193)"
	case a.Is4In6():
		return "IPv4-mapped"
	case a.Is4() && a.As4()[0] >= 240:
		return "reserved (240/4)"
	}
	return ""
}

func solicitedNode(a netip.Addr) bool {
	prefix := netip.PrefixFrom(netip.AddrFrom16([16]byte{0xff, 2, 11: 1, 12: 0xff}), 104)
	return prefix.Contains(a)
}
