package byhand

import (
	"encoding/binary"
	"net/netip"

	"netstackd/hooks/wire"
)

// A solicitation or an advertisement is 24 bytes and options: type, code,
// checksum, a word of flags, the target (RFC 4861 §4.3, §4.4).
const (
	neighbourLen  = 24
	neighbourHops = 255

	optionSourceLinkLayer = 1
	flagSolicited         = 0x40
)

// isSolicitation reports whether a packet is a neighbour solicitation long
// enough to have a target.
func isSolicitation(p *wire.Packet) bool {
	return p.Upper == wire.LayerICMPv6 && p.ICMP.Type == type6Solicitation && len(p.Data()) >= neighbourLen
}

// IsAdvertisement reports whether a packet is a neighbour advertisement long
// enough to have a target.
func IsAdvertisement(p *wire.Packet) bool {
	return p.Upper == wire.LayerICMPv6 && p.ICMP.Type == type6Advertisement && len(p.Data()) >= neighbourLen
}

// NeighbourTarget returns the target of a solicitation or an advertisement.
func NeighbourTarget(p *wire.Packet) netip.Addr {
	return netip.AddrFrom16([16]byte(p.Data()[8:neighbourLen]))
}

// Advertised returns where the advertisement that answers a solicitation goes:
// to its source, or to all nodes if that is not specified (RFC 4861 §7.2.4).
func Advertised(solicitation *wire.Packet) netip.Addr {
	if solicitation.Src.IsUnspecified() {
		return allNodesLink
	}
	return solicitation.Src
}

// solicited judges a neighbour solicitation with a right checksum.
func (h *Host) solicited(p *wire.Packet) Prediction {
	silent := silence(ReasonBadSolicitation, "RFC 4861 §7.1.1")
	silent.Request, silent.Form = *p, Advertisement
	if !validSolicitation(p) {
		return silent
	}
	if p.Fragment.Header {
		silent.RFC = "RFC 6980 §5" // not even of one that is whole
		return silent
	}
	if !h.addrs.owns(NeighbourTarget(p)) {
		silent.Reason, silent.RFC = ReasonOthersNeighbour, "RFC 4861 §7.2.3"
		return silent
	}
	pr := Prediction{
		Expect: MustReply, Requirement: Must, Form: Advertisement, RFC: "RFC 4861 §7.2.4",
		Request: *p, Reply: h.advertisement(p),
	}
	if h.addrs.mayDiscard(p.Src) || !plainExtensions(p) || namesOddLink(p.Data()[neighbourLen:]) {
		pr.Expect, pr.Requirement = MayReply, May
	}
	return pr
}

// namesOddLink reports whether sound options have more than one source link-layer
// address, or one that is none of those most links have: "The content and format of this field (including
// byte and bit ordering) is expected to be specified in specific documents that
// describe how IPv6 operates over different link layers" (RFC 4861 §4.6.1).
func namesOddLink(options []byte) bool {
	n := 0
	for o := options; len(o) > 0; o = o[8*int(o[1]):] {
		if o[0] == optionSourceLinkLayer {
			n++
		}
		if o[0] == optionSourceLinkLayer && o[1] != 1 {
			return true
		}
	}
	return n > 1
}

// validSolicitation has the checks of RFC 4861 §7.1.1. That of the length and
// of the checksum come before it.
func validSolicitation(p *wire.Packet) bool {
	d := p.Data()
	if p.IPv6.HopLimit != neighbourHops || p.ICMP.Code != 0 || NeighbourTarget(p).IsMulticast() {
		return false
	}
	named := false // by an option with the source's link-layer address
	for o := d[neighbourLen:]; len(o) > 0; {
		if len(o) < 8 || o[1] == 0 || 8*int(o[1]) > len(o) {
			return false
		}
		named = named || o[0] == optionSourceLinkLayer
		o = o[8*int(o[1]):]
	}
	return !p.Src.IsUnspecified() || !named && isSolicitedNode(p.Dst)
}

// isSolicitedNode reports whether a is in ff02::1:ff00:0/104 (RFC 4291 §2.7.1).
func isSolicitedNode(a netip.Addr) bool { return a.Is6() && a == solicitedNode(a) }

// advertisement builds the answer to a solicitation (RFC 4861 §7.2.4), without
// options: a TUN has no link-layer addresses. Without one there is none that it
// might override.
func (h *Host) advertisement(p *wire.Packet) []byte {
	target, dst := NeighbourTarget(p), Advertised(p)
	b := h.header6(target, dst, wire.ProtocolICMPv6, neighbourLen)
	b[7] = neighbourHops
	m := b[40:]
	m[0] = type6Advertisement
	if !p.Src.IsUnspecified() {
		m[4] = flagSolicited
	}
	t := target.As16()
	copy(m[8:], t[:])
	binary.BigEndian.PutUint16(m[2:], ^wire.Sum(m, wire.PseudoHeader(target, dst, wire.ProtocolICMPv6, len(m))))
	return b
}
