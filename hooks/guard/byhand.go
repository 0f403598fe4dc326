package guard

import (
	"sync"
	"sync/atomic"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// byHand are the mends that answer in netstack's place, with what the reference
// host would say.
const byHand = mendSourceRoute | mendSolicitation

// A hand is the reference host, and where what it answers goes.
type hand struct {
	// mu guards host.
	mu   sync.Mutex
	host *byhand.Host
	// endpoint is nil until there is one.
	endpoint atomic.Pointer[hooks.Endpoint]
}

// Connect says where replies made by hand are sent: past the chain that the guard
// is in. Call it before any packet moves.
func (g *Guard) Connect(e *hooks.Endpoint) { g.hand.endpoint.Store(e) }

// Answer returns the hook that sends the replies made by hand, or nil if no mend
// makes any. It stands last in the chain: what was asked is reported first.
func (g *Guard) Answer() hooks.Hook {
	if g.mends&byHand == 0 {
		return nil
	}
	return answerer{g}
}

type answerer struct{ *Guard }

// Outbound has nothing to see.
func (answerer) Outbound(*hooks.Packet) {}

// Inbound answers what the guard has withheld for that.
func (a answerer) Inbound(p *hooks.Packet) {
	if p.Fate != hooks.Mended {
		return
	}
	for _, mend := range []Mends{mendSourceRoute, mendSolicitation} {
		e := a.hand.endpoint.Load()
		if p.Reason != nameOf(mend) || e == nil {
			continue
		}
		if reply := a.hand.reply(p); reply != nil {
			// What the link does not take it counts.
			_ = e.Send(reply, hooks.Answer{By: "byhand", Mend: p.Reason, Request: p.Seq, Received: p.Time})
		}
	}
}

// withholdForHand withholds a packet that is to be answered by hand.
func (g *Guard) withholdForHand(p *hooks.Packet) {
	mend := Mends(0)
	switch {
	case p.Upper == wire.LayerICMPv4 && p.IPv4.HasOptions() && p.ICMP.Type == wire.ICMPv4EchoRequest && hasSourceRoute(&p.Packet):
		if g.live != nil && !g.live(p.Dst) {
			return // another answers it
		}
		mend = mendSourceRoute
	case p.Upper == wire.LayerICMPv6 && p.ICMP.Type == typeSolicitation && p.Dst.IsMulticast() && !p.Src.IsUnspecified() && len(p.Data()) >= solicitationLen && !hasNeighbourOption(p.Data(), optionSourceLinkLayer):
		mend = mendSolicitation
	}
	e := g.hand.endpoint.Load()
	if mend == 0 || !g.mends.has(mend) || p.Fragment.Header || e == nil {
		return
	}
	// One that does not fit into a packet is left to netstack.
	if reply := g.hand.reply(p); reply != nil && len(reply) <= int(e.MTU()) {
		p.Withhold(nameOf(mend))
	}
}

// reply returns the reply that is due to a whole packet, or nil.
func (h *hand) reply(p *hooks.Packet) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	pr := h.host.Inbound(&p.Packet, p.Checks(), p.Time)
	if pr.Expect != byhand.MustReply {
		return nil
	}
	return pr.Reply
}

// hasSourceRoute reports whether one is among a packet's IPv4 options.
func hasSourceRoute(p *wire.Packet) bool {
	for at := minHeader; at < p.IPv4.HeaderLen; {
		o, ok := p.Option(at)
		if !ok || o.Type == wire.OptionEnd {
			return false
		}
		if o.Type == wire.OptionLooseSourceRoute || o.Type == wire.OptionStrictSourceRoute {
			return true
		}
		at += o.Len
	}
	return false
}

// A neighbour solicitation and its options (RFC 4861 §4.3, §4.6).
const (
	typeSolicitation      = 135
	solicitationLen       = 24
	optionSourceLinkLayer = 1
)

// hasNeighbourOption reports whether a neighbour solicitation or advertisement has
// an option of a type.
func hasNeighbourOption(m []byte, kind byte) bool {
	for o := m[solicitationLen:]; len(o) >= 2 && o[1] != 0 && 8*int(o[1]) <= len(o); o = o[8*int(o[1]):] {
		if o[0] == kind {
			return true
		}
	}
	return false
}
