package respond

import (
	"net/netip"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// Suppress returns the hook that keeps netstack's echo replies from the link where
// another is live. It stands before the one that compares, which looks at them
// all the same.
func (a *Answerers) Suppress() hooks.Hook { return suppressor{a} }

type suppressor struct{ *Answerers }

// Inbound has nothing to see.
func (suppressor) Inbound(*hooks.Packet) {}

// Outbound scores netstack's echo reply and suppresses it, if it is not live.
func (a suppressor) Outbound(p *hooks.Packet) {
	if p.Answer != nil || p.Stopped() || !isICMP(&p.Packet) || !p.Problem.IsZero() {
		return
	}
	first := isReply(&p.Packet)
	if !first && p.Fragment.Offset == 0 {
		return
	}
	whole := !p.Fragment.IsFragment()
	if whole && a.scores() {
		_, _ = a.netstack.Reply(p.All()) // what it says is in the scorecard
	}
	a.replying.Lock()
	if !whole && a.scores() {
		a.scoreFragment(p)
	}
	suppress := a.others && a.isOthers(p, first)
	a.replying.Unlock()
	if suppress {
		p.Suppress()
	}
}

func (a *Answerers) scores() bool { return a.netstack != nil }

// scoreFragment feeds a fragment of netstack's, and scores the reply that it
// completes. It is called with replying held.
func (a *Answerers) scoreFragment(p *hooks.Packet) {
	if p.Fragment.Offset == 0 {
		a.outward.Restart(&p.Packet)
	}
	if whole, _ := a.outward.Add(&p.Packet, p.Time); whole != nil {
		_, _ = a.netstack.Reply(whole)
	}
}

// isOthers reports whether a reply of netstack's, or a fragment of it, is for
// another to give. first says that its beginning is there. It is called with
// replying held.
func (a *Answerers) isOthers(p *hooks.Packet, first bool) bool {
	of := fragmentKey{p.Src, p.Dst, p.Fragment.ID}
	if !first {
		others, known := a.split.about(of)
		return known && others
	}
	others := a.of(p.Src) != Netstack
	if k, ok := keyOf(&p.Packet); ok {
		if decided, known := a.groups.about(k); known {
			others = decided
		}
	}
	if p.Fragment.More {
		a.split.note(of, others)
	}
	return others
}

func isICMP(p *wire.Packet) bool {
	return p.Version == 4 && p.Protocol == wire.ProtocolICMPv4 || p.Version == 6 && p.Protocol == wire.ProtocolICMPv6
}

// isReply reports whether a packet is an echo reply, or its first fragment.
func isReply(p *wire.Packet) bool {
	return p.Upper == wire.LayerICMPv4 && p.ICMP.Type == wire.ICMPv4EchoReply ||
		p.Upper == wire.LayerICMPv6 && p.ICMP.Type == wire.ICMPv6EchoReply
}

// A fragmentKey is what the fragments of a datagram share.
type fragmentKey struct {
	src, dst netip.Addr
	id       uint32
}

// decisions are the last few that were made about something.
type decisions[K comparable] struct {
	ring [64]struct {
		of  K
		yes bool
	}
	next, n int
}

// note remembers a decision, and forgets the oldest for it.
func (d *decisions[K]) note(of K, yes bool) {
	d.ring[d.next].of, d.ring[d.next].yes = of, yes
	d.next = (d.next + 1) % len(d.ring)
	d.n = min(d.n+1, len(d.ring))
}

// about returns the last decision about something.
func (d *decisions[K]) about(of K) (yes, known bool) {
	for i := 1; i <= d.n; i++ {
		if e := &d.ring[(d.next-i+len(d.ring))%len(d.ring)]; e.of == of {
			return e.yes, true
		}
	}
	return false, false
}
