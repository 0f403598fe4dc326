package guard

import (
	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// mendInbound mends what netstack is about to get.
func (g *mender) mendInbound(p *hooks.Packet) {
	if p.Trailing > 0 && p.IPv6.Count > 0 && g.mends.has(mendTrailing) {
		p.Edit(nameOf(mendTrailing)) // which are no more in it
	}
	if p.Version == 6 && p.Upper == wire.LayerUDP && p.UDP.Checksum == 0 && g.mends.has(mendZeroChecksum) && fits(p) {
		p.Withhold(nameOf(mendZeroChecksum))
		return
	}
	if p.Fragment.IsFragment() && g.mends&ofFragments != 0 {
		if g.mendFragment(p) {
			return
		}
	}
	if p.IPv6.Count > 0 && g.mends.has(mendFarPointer) && !p.Fragment.IsFragment() && hasLongHeader(&p.Packet) {
		if g.withholdFar(p, g.hand.predict(p)) {
			return
		}
	}
	if endsEarly(&p.Packet) && g.mends.has(mendQuoteLength) && !p.Fragment.IsFragment() {
		if g.withholdError(p, mendQuoteLength); p.Stopped() {
			return
		}
	}
	if !p.Problem.IsZero() {
		return
	}
	if p.Version == 4 && p.IPv4.HasOptions() && g.mends.has(mendRouteFailed) && hasSourceRoute(&p.Packet) {
		if g.withholdRoute(p); p.Stopped() {
			return
		}
	}
	if p.Upper == wire.LayerICMPv4 || p.Upper == wire.LayerICMPv6 {
		if g.withholdForHand(p); p.Stopped() {
			return
		}
	}
	if p.Version == 4 && p.IPv4.HasOptions() {
		if g.mends.has(mendQuotedOptions) {
			g.asked.remember(p.Bytes[:p.IPv4.HeaderLen])
		}
		if g.mends.has(mendIgnoredOptions) {
			ignoreOptions(p)
		}
	}
	if isNeighbour(&p.Packet) && g.mends.has(mendNeighbourOption) {
		ignoreNeighbourOptions(p)
	}
	if p.Upper == wire.LayerTCP && !p.Fragment.IsFragment() {
		const kind = wire.TCPSyn | wire.TCPRst | wire.TCPAck
		switch {
		case p.TCP.Flags&wire.TCPSyn != 0:
			g.mendSyn(p)
		case p.TCP.Flags&kind == wire.TCPAck && g.flows != nil:
			g.mendSegment(p)
		}
	}
}

// fits reports whether netstack would take a datagram over IPv6 whose checksum field is
// 0, which stands for none: its sum comes to that, or somebody vouches for it. Of
// a datagram in fragments the first may be the beginning of one.
func fits(p *hooks.Packet) bool {
	if p.Offload.Partial {
		return false
	}
	for _, c := range p.Checks() {
		if c.Layer == wire.LayerUDP {
			return c.Hand == 0xffff || p.Offload.Validated
		}
	}
	return p.Fragment.IsFragment()
}
