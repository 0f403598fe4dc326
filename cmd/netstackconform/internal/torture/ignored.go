package torture

import (
	"net/netip"

	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// mostIgnored is how many of them are kept in mind: more than come while one waits for
// its answer.
const mostIgnored = 1 << 14

// ignored are neighbour solicitations and echo requests that netstack does not answer, as
// a case lists. An answer does not say which of several alike it is to: to the comparison
// that is the oldest that has waited, which may be one of these, and then the one that was
// answered goes without.
type ignored struct {
	// now gets the next, and before are those that came before, by the case.
	now, before map[asking]string
}

// An asking is what two of them have in common that one answer fits.
type asking struct {
	to, target netip.Addr
	// data are those of an echo request, from the identifier.
	data string
}

// note keeps a packet in mind if it is one.
func (i *ignored) note(p *wire.Packet) {
	a, ok := askingOf(p)
	if !ok {
		return
	}
	c := listedBy(&Difference{Result: trace.Missing, Asked: *p, Trailing: p.Trailing})
	if c == "" {
		return
	}
	if len(i.now) >= mostIgnored || i.now == nil {
		i.now, i.before = map[asking]string{}, i.now
	}
	i.now[a] = c
}

// instead returns the case that lists a packet which the answer to this one was taken for
// that of, or "".
func (i *ignored) instead(p *wire.Packet) string {
	a, ok := askingOf(p)
	if !ok {
		return ""
	}
	if c := i.now[a]; c != "" {
		return c
	}
	return i.before[a]
}

// askingOf returns what a packet asks, if it is a neighbour solicitation with a target, or
// a whole echo request.
func askingOf(p *wire.Packet) (a asking, ok bool) {
	data := p.Data()
	switch {
	case p.Fragment.IsFragment() || len(data) < 8:
		return a, false
	case isSolicitation(p):
		return asking{to: byhand.Advertised(p), target: byhand.NeighbourTarget(p)}, true
	case p.Upper == wire.LayerICMPv4 && p.ICMP.Type == wire.ICMPv4EchoRequest, p.Upper == wire.LayerICMPv6 && p.ICMP.Type == wire.ICMPv6EchoRequest:
		return asking{to: p.Src, target: p.Dst, data: string(data[4:])}, true
	}
	return a, false
}

// isSolicitation reports whether a packet is a neighbour solicitation with a target.
func isSolicitation(p *wire.Packet) bool {
	return p.Upper == wire.LayerICMPv6 && p.ICMP.Type == neighbourSolicitation && len(p.Data()) >= solicitationLen
}
