package hostile

import (
	"net/netip"

	"netstackd/hooks/wire"
)

// The messages of Neighbour Discovery (RFC 4861 §4).
const (
	routerSolicitation    = 133
	routerAdvertisement   = 134
	neighbourSolicitation = 135
	neighbourAdvertiser   = 136
	redirect              = 137
)

// neighbour is a message of Neighbour Discovery.
func (g *Generator) neighbour() [][]byte {
	src, dst := g.addresses(true)
	kind := one(g, []uint8{routerSolicitation, routerAdvertisement, neighbourSolicitation, neighbourSolicitation, neighbourSolicitation, neighbourAdvertiser, redirect})
	target := g.cfg.Host6
	if g.chance(20) {
		target = one(g, odd6)
	}
	if kind == neighbourSolicitation && g.chance(40) {
		dst = solicitedNode(target)
	}
	if g.chance(10) {
		src = netip.IPv6Unspecified()
	}
	var body []byte
	switch kind {
	case neighbourSolicitation, neighbourAdvertiser:
		body = target.AsSlice()
	case redirect:
		body = append(target.AsSlice(), src.AsSlice()...)
	case routerAdvertisement:
		body = g.bytes(8)
	}
	for n := g.r.IntN(4); n > 0; n-- {
		body = append(body, g.neighbourOption()...)
	}
	if g.chance(10) {
		body = body[:g.r.IntN(len(body)+1)]
	}
	code := uint8(0)
	if g.chance(5) {
		code = uint8(g.r.Uint32())
	}
	f := g.frame(src, dst, wire.ProtocolICMPv6)
	f.hops = 255
	if g.chance(10) {
		f.hops = uint8(g.r.Uint32())
	}
	return [][]byte{g.spoil(f.packet(icmpMessage(src, dst, kind, code, g.r.Uint32(), body)))}
}

// neighbourOption is one of any type and length, which counts words of 8 bytes
// (RFC 4861 §4.6).
func (g *Generator) neighbourOption() []byte {
	words := 1 + g.r.IntN(4)
	b := g.bytes(8 * words)
	b[0], b[1] = one(g, []uint8{1, 2, 3, 4, 5, 14, 24, 25, 31, uint8(g.r.Uint32())}), byte(words)
	switch g.r.IntN(12) {
	case 0:
		b[1] = 0
	case 1:
		b[1] = uint8(g.r.Uint32())
	}
	return b
}

// solicitedNode is the multicast address of an address (RFC 4291 §2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	b, from := [16]byte{0xff, 0x02, 11: 1, 12: 0xff}, a.As16()
	copy(b[13:], from[13:])
	return netip.AddrFrom16(b)
}
