package guard

import (
	"net/netip"

	"golang.org/x/time/rate"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// Config says what a Guard does.
type Config struct {
	// Mends are those that it makes; the zero value makes none.
	Mends Mends
	// Addresses are those that the host owns.
	Addresses []netip.Prefix
	// Live reports whether netstack is to answer an echo request to an address; nil
	// means that it is.
	Live func(dst netip.Addr) bool
}

// A Guard is the hook. Make one with [New]. It is safe for concurrent use.
type Guard struct {
	mends Mends
	live  func(dst netip.Addr) bool
	hand  hand

	// replies guards echo replies against being too long.
	replies replies
	// asked are the IPv4 headers with options that came last.
	asked headers
	late  late
	// flows is nil if no mend needs it.
	flows *flows
	// routes are those of connections that came by one.
	routes routes
}

var _ hooks.Hook = (*Guard)(nil)

// New returns a Guard. It starts nothing: what is due when the time of fragments is
// up comes after [Guard.Start].
func New(c Config) *Guard {
	g := &Guard{
		mends: c.Mends, live: c.Live,
		hand: hand{host: byhand.New(c.Addresses), errors: rate.NewLimiter(errorsPerSecond, errorsAtOnce)},
		late: late{wake: make(chan struct{}, 1), quit: make(chan struct{})},
	}
	g.replies.begin()
	if c.Mends&ofFlows != 0 {
		g.flows = newFlows()
	}
	return g
}

// Inbound drops a packet that would harm netstack, and mends what is to be mended
// of any other.
func (g *Guard) Inbound(p *hooks.Packet) {
	if p.Stopped() {
		return
	}
	if reason := g.harm(p); reason != "" {
		p.Drop(hooks.Guarded, reason)
		return
	}
	if g.mends != 0 {
		g.mendInbound(p)
	}
}

// Outbound mends what netstack has made.
func (g *Guard) Outbound(p *hooks.Packet) {
	if g.mends != 0 && p.Answer == nil && !p.Stopped() {
		g.mendOutbound(p)
	}
}

// harm returns the reason to keep p from netstack, or "".
func (g *Guard) harm(p *hooks.Packet) string {
	if p.Version == 4 && p.Protocol == wire.ProtocolICMPv4 && p.Fragment.IsFragment() {
		return g.replies.judge(&p.Packet, p.Time)
	}
	return ""
}
