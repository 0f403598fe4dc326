package guard

import (
	"encoding/binary"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// ofFragments are the mends that need to know what becomes of fragments.
const ofFragments = mendCongestion | mendFragmentOption | mendHeaderChain | mendLateHopByHop | mendReassemblyTimeout | mendFarPointer |
	mendFragmentDuplicate

// mendFragment has the reference host put a datagram together beside netstack, and
// mends what netstack is about to make of it. It reports whether that ends all
// mending: what is forwarded is not the fragment any more, or nothing is, and no other
// mend may take it for that.
func (g *mender) mendFragment(p *hooks.Packet) (done bool) {
	pr := g.hand.predict(p)
	switch {
	case pr.Reason == byhand.ReasonFragmentCongestion && g.mends.has(mendCongestion):
		// Not withheld: netstack would keep what it holds, for others to join.
		if b := forgetting(&p.Packet); b != nil {
			p.Replace(nameOf(mendCongestion), b)
			return true
		}
		p.Withhold(nameOf(mendCongestion))
		return true
	case pr.Duplicate && g.mends.has(mendFragmentDuplicate):
		if b := forgetting(&p.Packet); b != nil {
			p.Replace(nameOf(mendFragmentDuplicate), b)
			return true
		}
		p.Withhold(nameOf(mendFragmentDuplicate))
		return true
	case pr.Congested && g.mends.has(mendCongestion):
		if p.Fragment.Offset == 0 {
			markCongestion(p)
			return false
		}
		// Netstack takes the field of the first, which it has, as it came.
		if b := forgetting(&p.Packet); b != nil {
			p.Precede(nameOf(mendCongestion), b)
		}
		p.Replace(nameOf(mendCongestion), pr.Request.Bytes)
		return true
	case pr.Expect == byhand.Held && g.mends.has(mendReassemblyTimeout) && p.Protocol == wire.ProtocolICMPv4:
		g.late.begin()
		return false
	}
	if g.mends.has(mendFarPointer) && !pr.Reassembled && hasLongHeader(&p.Packet) && g.withholdFar(p, pr) {
		return true
	}
	if mend := g.fragmentError(&p.Packet, &pr); mend != 0 && g.mends.has(mend) && g.hand.endpoint.Load() != nil {
		p.Withhold(nameOf(mend))
		return true
	}
	return false
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

// forgetting returns a fragment at which netstack forgets the datagram that p is the
// last fragment to come of: it overlaps another, so that all are discarded, and
// nobody is told (RFC 5722 §4; internal/fragmentation does so over IPv4, too). It
// lies across one of the edges of p. At the very beginning and end of what a datagram
// may be there is no room for one: then it is nil.
func forgetting(p *wire.Packet) []byte {
	edge := p.Fragment.Offset
	if edge == 0 {
		edge = fragmentLen(p)
	}
	const data = 16 // that is half on either side
	if edge < data/2 || edge+data/2 > maxDatagram {
		return nil
	}
	at := uint16(edge - data/2)
	if p.Version == 4 {
		b := make([]byte, minHeader+data)
		copy(b, p.Bytes[:minHeader])
		b[0] = 4<<4 | minHeader/4
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		binary.BigEndian.PutUint16(b[6:], moreFragments4|at/8)
		setHeaderChecksum(b)
		return b
	}
	b := make([]byte, header6+fragmentHeader6+data)
	copy(b, p.Bytes[:header6])
	binary.BigEndian.PutUint16(b[4:], fragmentHeader6+data)
	b[6] = wire.ProtocolFragment
	f := b[header6:]
	f[0] = wire.ProtocolUDP // of data that nobody looks at
	binary.BigEndian.PutUint16(f[2:], at|moreFragments6)
	binary.BigEndian.PutUint32(f[4:], p.Fragment.ID)
	return b
}

// fragmentLen returns the length of a fragment's data in bytes: over IPv6 headers may
// be among it.
func fragmentLen(p *wire.Packet) int {
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if e.Protocol == wire.ProtocolFragment {
			return len(p.Bytes) - int(e.Offset) - fragmentHeader6
		}
	}
	return p.DataLen()
}

// Lengths in bytes of the IPv6 headers, and the flags of fragments to come (RFC 791
// §3.1, RFC 8200 §4.5).
const (
	header6         = 40
	fragmentHeader6 = 8
	moreFragments4  = 0x2000
	moreFragments6  = 1
)

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
