package guard

import (
	"encoding/binary"

	"netstackd/hooks"
)

// A neighbour advertisement (RFC 4861 §4.4): a word of flags at offset 4, options
// behind the target.
const (
	typeAdvertisement     = 136
	optionTargetLinkLayer = 2
	flagOverride          = 0x20
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
