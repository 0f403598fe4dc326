package guard

import (
	"encoding/binary"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// A neighbour solicitation or advertisement (RFC 4861 §4.3, §4.4): in the latter
// there is a word of flags at offset 4, in both there are options behind the target.
const (
	typeSolicitation  = 135
	typeAdvertisement = 136
	solicitationLen   = 24
	flagOverride      = 0x20
)

// Options of Neighbour Discovery (RFC 4861 §4.6, RFC 4191 §2.3, RFC 8106 §5, RFC 4727
// §5.1).
const (
	optionSourceLinkLayer   = 1
	optionTargetLinkLayer   = 2
	optionPrefixInformation = 3
	optionRouteInformation  = 24
	optionRecursiveDNS      = 25
	optionSearchList        = 31
	optionExperimentND      = 253
)

// dontOverride clears the override flag of a neighbour advertisement that has no
// link-layer address.
func dontOverride(p *hooks.Packet) {
	if m := p.Data(); len(m) < solicitationLen || m[4]&flagOverride == 0 || hasNeighbourOption(m, optionTargetLinkLayer) {
		return
	}
	m := p.Edit(nameOf(mendOverride))[p.Payload:]
	before := binary.BigEndian.Uint16(m[4:])
	m[4] &^= flagOverride
	adjust(m[2:], before, binary.BigEndian.Uint16(m[4:]))
}

// hasNeighbourOption reports whether a neighbour solicitation or advertisement has
// an option of a type.
func hasNeighbourOption(m []byte, kind byte) (has bool) {
	neighbourOptions(m, func(_ int, k byte) { has = has || k == kind })
	return has
}

// neighbourOptions calls f with the offset and the type of each option of a neighbour
// solicitation or advertisement.
func neighbourOptions(m []byte, f func(at int, kind byte)) {
	for at := solicitationLen; at+2 <= len(m) && m[at+1] != 0 && at+8*int(m[at+1]) <= len(m); at += 8 * int(m[at+1]) {
		f(at, m[at])
	}
}

// ignoreNeighbourOptions has netstack see options that nobody knows in the place of
// those which belong to router advertisements, whose contents it looks at wherever
// they are. A wrong checksum stays so.
func ignoreNeighbourOptions(p *hooks.Packet) {
	neighbourOptions(p.Data(), func(at int, kind byte) {
		switch kind {
		case optionPrefixInformation, optionRouteInformation, optionRecursiveDNS, optionSearchList:
			m := p.Edit(nameOf(mendNeighbourOption))[p.Payload:]
			before := binary.BigEndian.Uint16(m[at:])
			m[at] = optionExperimentND
			adjust(m[2:], before, binary.BigEndian.Uint16(m[at:]))
		}
	})
}

// isNeighbour reports whether a packet is a whole neighbour solicitation or
// advertisement.
func isNeighbour(p *wire.Packet) bool {
	return p.Upper == wire.LayerICMPv6 && (p.ICMP.Type == typeSolicitation || p.ICMP.Type == typeAdvertisement) &&
		!p.Fragment.IsFragment()
}
