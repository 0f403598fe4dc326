package guard

import (
	"encoding/binary"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// ofFragments are the mends that need to know what becomes of fragments.
const ofFragments = mendCongestion | byHandError | mendReassemblyTimeout

// mendFragment has the reference host put a datagram together beside netstack, and
// mends what netstack is about to make of it.
func (g *Guard) mendFragment(p *hooks.Packet) {
	pr := g.hand.predict(p)
	switch {
	case pr.Reason == byhand.ReasonFragmentCongestion && g.mends.has(mendCongestion):
		p.Withhold(nameOf(mendCongestion))
		return
	case pr.Congested && g.mends.has(mendCongestion):
		if p.Fragment.Offset == 0 {
			markCongestion(p)
			return
		}
		// The first is with netstack, as it came, and netstack takes the field of
		// that: the datagram "is dropped, instead of being reassembled".
		p.Withhold(nameOf(mendCongestion))
		return
	case pr.Expect == byhand.Held && g.mends.has(mendReassemblyTimeout) && p.Protocol == wire.ProtocolICMPv4:
		g.late.begin()
		return
	}
	if mend := g.fragmentError(&p.Packet, &pr); mend != 0 && g.mends.has(mend) && g.hand.endpoint.Load() != nil {
		p.Withhold(nameOf(mend))
	}
}

// fragmentError returns the mend that is to report a first fragment, or 0.
func (g *Guard) fragmentError(p *wire.Packet, pr *byhand.Prediction) Mends {
	switch {
	case pr.Form != byhand.ICMPError || pr.Reply == nil || pr.Reassembled || p.Fragment.Offset != 0:
		return 0
	case p.Version == 4:
		// Of any other protocol netstack reports it.
		if p.Problem.Reason == wire.ReasonBadOption && p.Protocol == wire.ProtocolICMPv4 {
			return mendFragmentOption
		}
	case pr.Reason == byhand.ReasonHeaderChainCut:
		return mendHeaderChain
	case pr.Reason == byhand.ReasonMisplacedExtension && hopByHopInFragment(p):
		return mendLateHopByHop
	}
	return 0
}

// hopByHopInFragment reports whether the first hop-by-hop header that is not the
// first of all is behind that of a fragment.
func hopByHopInFragment(p *wire.Packet) bool {
	fragment := false
	for i, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		switch {
		case e.Protocol == wire.ProtocolFragment:
			fragment = true
		case e.Protocol == wire.ProtocolHopByHop && i > 0:
			return fragment
		}
	}
	return false
}

// markCongestion has a first fragment say that congestion was experienced.
func markCongestion(p *hooks.Packet) {
	b := p.Edit(nameOf(mendCongestion))
	if p.Version == 6 {
		b[1] |= 3 << 4
		return
	}
	before := binary.BigEndian.Uint16(b)
	b[1] |= 3
	adjust(b[10:], before, binary.BigEndian.Uint16(b))
}
