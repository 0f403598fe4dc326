package guard

import (
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// byHand are the mends that answer in netstack's place, with what the reference
// host would say; byHandError are those of them that answer with an error.
const (
	byHand      = mendSourceRoute | mendSolicitation | byHandError | mendReassemblyTimeout
	byHandError = mendFragmentOption | mendHeaderChain | mendLateHopByHop | mendRouteFailed | mendFarPointer | mendQuoteLength
)

// How many errors made by hand are sent at most, a second and at once: as many as
// netstack sends. "An IPv6 node MUST limit the rate of ICMPv6 error messages" (RFC
// 4443 §2.4 (f)).
const (
	errorsPerSecond = 1000
	errorsAtOnce    = 50
)

// A hand is the reference host, and where what it answers goes.
type hand struct {
	// errors limits them.
	errors *rate.Limiter
	// mu guards host.
	mu   sync.Mutex
	host *byhand.Host
	// endpoint is nil until there is one.
	endpoint atomic.Pointer[hooks.Endpoint]
}

// Connect says where replies made by hand are sent: past the chain that the guard
// is in. Call it before any packet moves.
func (g *Guard) Connect(e *hooks.Endpoint) { g.hand.endpoint.Store(e) }

// Answer reports whether some of the mends answer by hand.
func (m Mends) Answer() bool { return m&byHand != 0 }

// Answer returns the hook that sends the replies made by hand. It stands last in the
// chain: what was asked is reported first.
func (g *Guard) Answer() hooks.Hook { return answerer{g} }

type answerer struct{ *Guard }

// Outbound has nothing to see.
func (answerer) Outbound(*hooks.Packet) {}

// Inbound answers what the guard has withheld for that.
func (a answerer) Inbound(p *hooks.Packet) {
	if p.Fate != hooks.Mended {
		return
	}
	mend := mendOf(p.Reason) & byHand
	e := a.hand.endpoint.Load()
	if mend == 0 || e == nil || mend&byHandError != 0 && !a.hand.errors.AllowN(p.Time, 1) {
		return
	}
	if pr := a.hand.predict(p); pr.Reply != nil {
		// What the link does not take it counts.
		_ = e.Send(pr.Reply, hooks.Answer{By: "byhand", Mend: p.Reason, Request: p.Seq, Received: p.Time})
	}
}

// withholdForHand withholds a packet that is to be answered by hand.
func (g *mender) withholdForHand(p *hooks.Packet) {
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
	if pr := g.hand.predict(p); pr.Expect == byhand.MustReply && len(pr.Reply) <= int(e.MTU()) {
		p.Withhold(nameOf(mend))
	}
}

// predict is what the reference host says of a packet.
func (h *hand) predict(p *hooks.Packet) byhand.Prediction {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.host.Inbound(&p.Packet, p.Checks(), p.Time)
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
