package torture

import (
	"net/netip"

	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// mostIgnored is how many solicitations are kept in mind: more than come while one
// waits for its answer.
const mostIgnored = 1 << 14

// ignored are neighbour solicitations that netstack does not answer, as a case lists.
// An advertisement does not say which of several it answers: to the comparison that is
// the oldest that has waited, which may be one of these, and then the one that was
// answered goes without.
type ignored struct {
	// now gets the next, and before are those that came before, by the case.
	now, before map[asking]string
}

// An asking is what two solicitations have in common that one advertisement answers.
type asking struct{ to, target netip.Addr }

// note keeps a packet in mind if it is one.
func (i *ignored) note(p *wire.Packet) {
	if !isSolicitation(p) {
		return
	}
	c := listedBy(&Difference{Result: trace.Missing, Asked: *p, Trailing: p.Trailing})
	if c == "" {
		return
	}
	if len(i.now) >= mostIgnored || i.now == nil {
		i.now, i.before = map[asking]string{}, i.now
	}
	i.now[askingOf(p)] = c
}

// instead returns the case that lists a solicitation which the answer to this one was
// taken for that of, or "".
func (i *ignored) instead(p *wire.Packet) string {
	if !isSolicitation(p) {
		return ""
	}
	a := askingOf(p)
	if c := i.now[a]; c != "" {
		return c
	}
	return i.before[a]
}

// isSolicitation reports whether a packet is a neighbour solicitation with a target.
func isSolicitation(p *wire.Packet) bool {
	return p.Upper == wire.LayerICMPv6 && p.ICMP.Type == neighbourSolicitation && len(p.Data()) >= solicitationLen
}

func askingOf(p *wire.Packet) asking { return asking{byhand.Advertised(p), byhand.NeighbourTarget(p)} }
