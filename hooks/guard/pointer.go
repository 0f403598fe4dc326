package guard

import (
	"encoding/binary"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// longHeader is the length in bytes of an extension header that netstack counts in 8
// bits: to it all that is behind one is nearer than it is.
const longHeader = 256

// hasLongHeader reports whether an IPv6 packet has such a header.
func hasLongHeader(p *wire.Packet) bool {
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if e.Len >= longHeader {
			return true
		}
	}
	return false
}

// withholdFar withholds a packet, of which pr is what is due, if that is a parameter
// problem whose pointer netstack would have wrong, and reports whether it has.
func (g *Guard) withholdFar(p *hooks.Packet, pr byhand.Prediction) bool {
	var reply wire.Packet
	if pr.Form != byhand.ICMPError || g.hand.endpoint.Load() == nil || !reply.Decode(pr.Reply) || !byhand.IsParameterProblem(&reply) {
		return false
	}
	pointer := binary.BigEndian.Uint32(reply.Data()[4:])
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if e.Len >= longHeader && pointer >= uint32(e.Offset+e.Len) {
			p.Withhold(nameOf(mendFarPointer))
			return true
		}
	}
	return false
}

// endsEarly reports whether behind a UDP datagram over IPv6, by its own length, there is
// more in the packet, which netstack then leaves out of what an error quotes.
func endsEarly(p *wire.Packet) bool {
	return p.IPv6.Count > 0 && p.Upper == wire.LayerUDP && p.UDP.Length < p.DataLen()
}

// withholdError withholds a packet about whose extension headers an error is due.
func (g *Guard) withholdError(p *hooks.Packet, mend Mends) {
	if g.hand.endpoint.Load() == nil {
		return
	}
	if pr := g.hand.predict(p); pr.Form == byhand.ICMPError && pr.Reply != nil {
		p.Withhold(nameOf(mend))
	}
}
