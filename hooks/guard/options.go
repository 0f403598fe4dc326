package guard

import (
	"encoding/binary"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// ignoreOptions has netstack see no-operations in the place of the IPv4 options
// that a host has to ignore and netstack objects to: a router alert with a value
// that is reserved (RFC 2113 §2.1), one of an experiment that is not as long as
// those of netstack's own, and a second option of a type that is unknown (RFC 1122
// §3.2.1.8). It does so for ICMP and TCP alone: an error about a packet of another
// protocol would quote the header so changed. What another mend has edited before has
// to have the same header still.
func ignoreOptions(p *hooks.Packet) {
	if p.Protocol != wire.ProtocolICMPv4 && p.Protocol != wire.ProtocolTCP {
		return
	}
	var seen [256]bool
	for at := minHeader; at < p.IPv4.HeaderLen; {
		o, ok := p.Option(at)
		if !ok || o.Type == wire.OptionEnd {
			return
		}
		if o.Type != wire.OptionNop && ignored(&p.Packet, o, seen[o.Type]) {
			b := p.Edit(nameOf(mendIgnoredOptions))
			for i := o.Offset; i < o.Offset+o.Len; i++ {
				replaceHeaderByte(b, i, wire.OptionNop)
			}
		}
		seen[o.Type] = true
		at += o.Len
	}
}

// An option for experiments (RFC 4727 §3.2), of no length in particular, and the length
// that netstack wants it to have.
const (
	optionExperiment = 30
	experimentLen    = 4
)

// ignored reports whether an option is to be ignored that netstack objects to.
func ignored(p *wire.Packet, o wire.Option, again bool) bool {
	switch o.Type {
	case wire.OptionRouterAlert:
		return o.Len == 4 && binary.BigEndian.Uint16(p.Bytes[o.Offset+2:]) != 0
	case optionExperiment:
		return o.Len != experimentLen || again
	case wire.OptionRecordRoute, wire.OptionTimestamp, wire.OptionLooseSourceRoute, wire.OptionStrictSourceRoute:
		return false // they may come once
	}
	return again
}

// replaceHeaderByte sets a byte of an IPv4 header and what the checksum changes by:
// one that is wrong stays so (RFC 1624 §3).
func replaceHeaderByte(b []byte, at int, value byte) {
	word := b[at&^1:]
	before := binary.BigEndian.Uint16(word)
	b[at] = value
	adjust(b[10:], before, binary.BigEndian.Uint16(word))
}

// adjust changes the checksum at the beginning of b for a word that was before and
// is after (RFC 1624 §3, equation 3).
func adjust(b []byte, before, after uint16) {
	sum := uint32(^binary.BigEndian.Uint16(b)) + uint32(^before) + uint32(after)
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(b, ^uint16(sum))
}
