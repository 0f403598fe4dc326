package guard

import (
	"encoding/binary"
	"net/netip"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// mendOutbound mends what netstack sends.
func (g *mender) mendOutbound(p *hooks.Packet) {
	if !p.Problem.IsZero() {
		return
	}
	if p.Upper == wire.LayerTCP && g.flows != nil {
		g.flows.sent(p)
		if p.Version == 4 && g.mends.has(mendSegmentRoute) {
			g.sendByRoute(p)
		}
	}
	switch {
	case g.mends.has(mendZeroDestination) && nobody(p.Dst):
		p.Withhold(nameOf(mendZeroDestination))
		return
	case p.Upper == wire.LayerICMPv4:
		if mend := g.unreportable(&p.Packet); mend != 0 {
			p.Withhold(nameOf(mend))
			return
		}
		g.mendQuote(p)
	case p.Upper == wire.LayerICMPv6 && p.ICMP.Type < typeFirstQuery6 && g.mends.has(mendErrorAboutError) && g.aboutError(&p.Packet):
		p.Withhold(nameOf(mendErrorAboutError))
		return
	case p.Upper == wire.LayerICMPv6 && p.ICMP.Type == typeAdvertisement && g.mends.has(mendOverride):
		dontOverride(p)
	}
	if p.IPv4.Reserved && g.mends.has(mendReservedFlag) {
		b := p.Edit(nameOf(mendReservedFlag))
		b[6] &^= reservedFlag
		setHeaderChecksum(b)
	}
}

// reservedFlag is the first bit of an IPv4 header's byte 6 (RFC 791 §3.1).
const reservedFlag = 0x80

var (
	thisNetwork = netip.PrefixFrom(netip.AddrFrom4([4]byte{}), 8)
	classE      = netip.PrefixFrom(netip.AddrFrom4([4]byte{240}), 4)
)

// nobody reports whether nothing may be sent to an address: it is one that a host
// has while it learns its own (RFC 1122 §3.2.1.3 (a), (b); RFC 4291 §2.5.2).
func nobody(a netip.Addr) bool { return a.IsUnspecified() || thisNetwork.Contains(a) }

// unreportable returns the mend that withholds an ICMPv4 message, or 0: an error to
// class E, or about a fragment that is not the first.
func (g *mender) unreportable(p *wire.Packet) Mends {
	quote, ok := quotedHeader(p)
	switch {
	case !ok:
		return 0
	case g.mends.has(mendClassEError) && classE.Contains(p.Dst):
		return mendClassEError
	case g.mends.has(mendErrorAboutFragment) && binary.BigEndian.Uint16(quote[6:])&fragmentOffset != 0:
		return mendErrorAboutFragment
	}
	return 0
}

// fragmentOffset are the bits of that in an IPv4 header's third word, first half.
const fragmentOffset = 0x1fff

// ICMPv4 errors (RFC 792).
const (
	typeUnreachable      = 3
	typeTimeExceeded     = 11
	typeParameterProblem = 12
)

// quotedHeader returns what an ICMPv4 error quotes, if p is one with a whole IPv4
// header there.
func quotedHeader(p *wire.Packet) ([]byte, bool) {
	switch p.ICMP.Type {
	case typeUnreachable, typeTimeExceeded, typeParameterProblem:
	default:
		return nil, false
	}
	if p.Upper != wire.LayerICMPv4 || p.Fragment.IsFragment() {
		return nil, false
	}
	quote := p.Data()[8:]
	if len(quote) < minHeader || quote[0]>>4 != 4 {
		return nil, false
	}
	n := 4 * int(quote[0]&0xf)
	return quote, n >= minHeader && n <= len(quote)
}

// typeFirstQuery6 is the first type of ICMPv6 that is no error (RFC 4443 §2.1).
const typeFirstQuery6 = 128

// aboutError reports whether an ICMPv6 error is about a packet that may not be
// reported, an error say.
func (g *Guard) aboutError(p *wire.Packet) bool {
	if p.Fragment.IsFragment() {
		return false
	}
	var about wire.Packet
	about.Decode(p.Data()[8:])
	return about.Version == 6 && g.hand.host.Unreportable(&about, p.ICMP.Type, p.ICMP.Code) != ""
}

// setHeaderChecksum computes that of an IPv4 header afresh.
func setHeaderChecksum(b []byte) {
	h := b[:4*int(b[0]&0xf)]
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], wire.Checksum(h))
}
