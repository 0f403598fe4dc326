package live

import (
	"sync/atomic"

	"netstackd/hooks"
	"netstackd/hooks/trace"
)

// An Observer is the hook that tells those who follow of their packets where
// nobody compares, and so nobody else makes events: it passes over those that have a
// number already. It stands at the chain's end, behind who compares.
// What becomes of a packet behind it, a reply say, it cannot tell.
type Observer struct{ numbers *atomic.Uint64 }

var _ hooks.Hook = (*Observer)(nil)

// NewObserver returns one that takes its numbers where who compares takes them, so that
// none is there twice when comparisons begin or end.
func NewObserver(numbers *atomic.Uint64) *Observer { return &Observer{numbers} }

// Inbound implements hooks.Hook.
func (o *Observer) Inbound(p *hooks.Packet) { o.see(p) }

// Outbound implements hooks.Hook.
func (o *Observer) Outbound(p *hooks.Packet) { o.see(p) }

func (o *Observer) see(p *hooks.Packet) {
	if p.Followers.Mask == 0 || p.Seq != 0 {
		return
	}
	p.Seq = o.numbers.Add(1)
	var e trace.Packet
	e.See(p, p.Seq, p.Followers.Snap)
	hand(&e)
}
