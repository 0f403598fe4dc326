package guard

import (
	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// mendInbound mends what netstack is about to get.
func (g *Guard) mendInbound(p *hooks.Packet) {
	if p.Fragment.IsFragment() && g.mends&ofFragments != 0 {
		if g.mendFragment(p) {
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
