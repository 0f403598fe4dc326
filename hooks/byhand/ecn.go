package byhand

import "netstackd/hooks/wire"

// A codepoint is what the ECN field of an IP header says (RFC 3168 §5).
type codepoint uint8

const (
	notECNCapable         codepoint = 0
	congestionExperienced codepoint = 3
)

func codepointOf(p *wire.Packet) codepoint {
	if p.Version == 4 {
		return codepoint(p.IPv4.TOS & 3)
	}
	return codepoint(p.IPv6.TrafficClass & 3)
}

// codepointOfHeader is codepointOf for the beginning of a packet.
func codepointOfHeader(b []byte) codepoint {
	if b[0]>>4 == 4 {
		return codepoint(b[1] & 3)
	}
	return codepoint(b[1] >> 4 & 3)
}

// codepoints is a set of them, a bit for each.
type codepoints uint8

func (cs *codepoints) add(c codepoint)     { *cs |= 1 << c }
func (cs codepoints) has(c codepoint) bool { return cs>>c&1 != 0 }

// setCongestionExperienced writes it into the header of a packet, whose checksum
// is then no more right.
func setCongestionExperienced(b []byte) {
	if b[0]>>4 == 4 {
		b[1] |= byte(congestionExperienced)
	} else {
		b[1] |= byte(congestionExperienced) << 4
	}
}
