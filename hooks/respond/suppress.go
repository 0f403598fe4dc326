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

// Inbound says who answers the packet, for all hooks that follow.
func (a suppressor) Inbound(p *hooks.Packet) { p.Answerers = a.table.Load() }

// Outbound scores netstack's echo reply and suppresses it, if it is not live.
func (a suppressor) Outbound(p *hooks.Packet) {
	t := a.table.Load()
	if t.rests(p.Time) || p.Answer != nil || p.Stopped() || !isICMP(&p.Packet) || !p.Problem.IsZero() {
		return
	}
	first := isReply(&p.Packet)
	if !first && p.Fragment.Offset == 0 {
		return
	}
	whole := !p.Fragment.IsFragment()
	a.replying.Lock()
	d := a.decision(t, p, first)
	if !whole {
		a.scoreFragment(p)
	}
	a.replying.Unlock()
	if whole && d.scored {
		_, _ = a.netstack.Reply(p.All()) // what it says is in the scorecard
	}
	if d.others {
		p.Suppress()
	}
}

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

// A decision is what becomes of a reply of netstack's.
type decision struct {
	// others says that another is to give it, scored that it is scored.
	others, scored bool
}

// decision returns what becomes of a reply of netstack's, or a fragment of it. first says
// that its beginning is there. It is called with replying held.
func (a *Answerers) decision(t *table, p *hooks.Packet, first bool) decision {
	of := fragmentKey{p.Src, p.Dst, p.Fragment.ID}
	if !first {
		others, known := a.split.about(of)
		return decision{others: known && others}
	}
	fresh := t.fresh(p.Time)
	if fresh {
		t = t.before
	}
	who := t.of(p.Src)
	d := decision{others: who != Netstack, scored: t.scores(who)}
	if k, ok := keyOf(&p.Packet); ok {
		if others, known := a.groups.about(k); known {
			d.others = others
		}
		if fresh {
			if decided, known := a.decided.about(addressed{k, p.Src}); known {
				d = decided
			}
		}
	}
	if p.Fragment.More {
		a.split.note(of, d.others)
	}
	return d
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

// An addressed key is that of a reply from an address.
type addressed struct {
	key
	from netip.Addr
}

// decisions are the last few that were made about something.
type decisions[K comparable, V any] struct {
	ring [64]struct {
		of   K
		what V
	}
	next, n int
}

// note remembers a decision, and forgets the oldest for it.
func (d *decisions[K, V]) note(of K, what V) {
	d.ring[d.next].of, d.ring[d.next].what = of, what
	d.next = (d.next + 1) % len(d.ring)
	d.n = min(d.n+1, len(d.ring))
}

// about returns the last decision about something.
func (d *decisions[K, V]) about(of K) (what V, known bool) {
	for i := 1; i <= d.n; i++ {
		if e := &d.ring[(d.next-i+len(d.ring))%len(d.ring)]; e.of == of {
			return e.what, true
		}
	}
	return what, false
}
