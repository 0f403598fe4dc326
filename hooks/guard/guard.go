package guard

import (
	"net/netip"
	"sync"
	"sync/atomic"

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
	live func(dst netip.Addr) bool
	hand hand

	// replies guards echo replies against being too long.
	replies replies
	// asked are the IPv4 headers with options that came last.
	asked headers
	late  late

	// current is what it does. It is written under changing.
	current  atomic.Pointer[mender]
	changing sync.Mutex
}

// A mender is a guard with what it does, from one change to the next. It does not change,
// but for what it remembers.
type mender struct {
	*Guard
	// on says that it drops what would harm netstack.
	on    bool
	mends Mends
	// flows is nil if no mend needs it.
	flows *flows
	// routes are those of connections that came by one.
	routes *routes
}

var _ hooks.Hook = (*Guard)(nil)

// New returns a Guard. It starts nothing: what is due when the time of fragments is
// up comes after [Guard.Start].
func New(c Config) *Guard {
	g := &Guard{
		live: c.Live,
		hand: hand{host: byhand.New(c.Addresses), errors: rate.NewLimiter(errorsPerSecond, errorsAtOnce)},
		late: late{wake: make(chan struct{}, 1), quit: make(chan struct{})},
	}
	g.replies.begin()
	g.current.Store(&mender{Guard: g})
	g.Change(Mode{On: true, Mends: c.Mends})
	return g
}

// Inbound drops a packet that would harm netstack, and mends what is to be mended
// of any other.
func (g *Guard) Inbound(p *hooks.Packet) {
	m := g.current.Load()
	if !m.on || p.Stopped() {
		return
	}
	if reason := g.harm(p); reason != "" {
		p.Drop(hooks.Guarded, reason)
		return
	}
	if m.mends != 0 {
		m.mendInbound(p)
	}
}

// Outbound mends what netstack has made.
func (g *Guard) Outbound(p *hooks.Packet) {
	if m := g.current.Load(); m.mends != 0 && p.Answer == nil && !p.Stopped() {
		m.mendOutbound(p)
	}
}

// harm returns the reason to keep p from netstack, or "".
func (g *Guard) harm(p *hooks.Packet) string {
	if p.Version == 4 && p.Protocol == wire.ProtocolICMPv4 && p.Fragment.IsFragment() {
		return g.replies.judge(&p.Packet, p.Time)
	}
	return ""
}
