package respond

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// The answerers that need no Desk.
const (
	Netstack = "netstack"
	ByHand   = "byhand"
)

// Config says who answers which address.
type Config struct {
	// Addresses are those of the host.
	Addresses []netip.Prefix
	// Default answers what no entry of For is about: Netstack, ByHand, or the
	// name of a Desk.
	Default string
	For     map[netip.Addr]string
	// Desks are those that Default and For name.
	Desks []*Desk
	// Shadows are whom of Netstack and ByHand to score where they are not live.
	Shadows []string
}

// Answerers knows who answers which echo request: it asks, and sees to it that
// one reply leaves. It is safe for concurrent use, and starts no goroutine. Make
// one with [New].
type Answerers struct {
	cfg   Config
	desks map[string]*Desk
	// others says that somebody else than netstack is live.
	others bool
	// endpoint is where replies are sent; nil until Connect.
	endpoint atomic.Pointer[hooks.Endpoint]
	// netstack scores netstack, hand the reference host; nil if neither live nor
	// shadow.
	netstack *Desk
	hand     *score
	numbers  numbers

	// asking guards host.
	asking sync.Mutex
	host   *byhand.Host

	// replying guards what follows.
	replying sync.Mutex
	// outward puts together what netstack answers in fragments.
	outward byhand.Reassembler
	// groups are the last requests to broadcast and multicast addresses, whose
	// replies may come from any address; split the last replies in fragments, of
	// which only the first shows what it is.
	groups decisions[key]
	split  decisions[fragmentKey]
}

// New returns answerers who are asked from [Answerers.Connect] on.
func New(c Config) *Answerers {
	a := &Answerers{cfg: c, host: byhand.New(c.Addresses), desks: map[string]*Desk{}}
	for _, d := range c.Desks {
		a.desks[d.Name()] = d
	}
	live := a.live()
	a.others = slices.ContainsFunc(live, func(name string) bool { return name != Netstack })
	for _, name := range append(live, c.Shadows...) {
		switch {
		case name == Netstack && a.netstack == nil:
			a.netstack = NewDesk(DeskConfig{Name: Netstack})
		case name == ByHand && a.hand == nil:
			a.hand = newScore(ByHand)
		}
	}
	a.numbers.begin()
	return a
}

// live lists who is live for some address.
func (a *Answerers) live() (names []string) {
	for _, p := range a.cfg.Addresses {
		if name := a.of(p.Addr()); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// of returns who answers what is sent to an address of the host.
func (a *Answerers) of(addr netip.Addr) string {
	if name, ok := a.cfg.For[addr]; ok {
		return name
	}
	return a.cfg.Default
}

// to returns who answers what is sent to dst: of a broadcast or multicast address
// whoever does so for the host's first address of the family.
func (a *Answerers) to(dst netip.Addr) string {
	for _, p := range a.cfg.Addresses {
		if p.Addr() == dst {
			return a.of(dst)
		}
	}
	for _, p := range a.cfg.Addresses {
		if p.Addr().Is4() == dst.Is4() {
			return a.of(p.Addr())
		}
	}
	return a.cfg.Default
}

// Live returns who answers an echo request to dst, as it stands in traces.
func (a *Answerers) Live(dst netip.Addr) string {
	kind, _, _ := strings.Cut(a.to(dst), ":")
	return kind
}

// Connect says where replies are sent: past the chain that the answerers' own hooks
// are in. Call it before any packet moves.
func (a *Answerers) Connect(e *hooks.Endpoint) { a.endpoint.Store(e) }

// Close ends the Desks.
func (a *Answerers) Close() {
	for _, d := range a.desks {
		d.Close()
	}
}

// Expire forgets the fragments that have waited too long at now, which otherwise the
// next one does.
func (a *Answerers) Expire(now time.Time) {
	a.asking.Lock()
	a.host.Expire(now)
	a.asking.Unlock()
	a.replying.Lock()
	defer a.replying.Unlock()
	a.outward.Expire(now)
}

// Scorecards returns how each answerer has done, those that are live first.
func (a *Answerers) Scorecards() []Scorecard {
	var cards []Scorecard
	live := a.live()
	for _, name := range append(live, Netstack, ByHand) {
		if slices.ContainsFunc(cards, func(c Scorecard) bool { return c.Name == name }) {
			continue
		}
		var c Scorecard
		switch d := a.desks[name]; {
		case d != nil:
			c = d.Scorecard()
		case name == Netstack && a.netstack != nil:
			c = a.netstack.Scorecard()
		case name == ByHand && a.hand != nil:
			c = a.hand.card()
		default:
			continue
		}
		c.Live = slices.Contains(live, name)
		cards = append(cards, c)
	}
	return cards
}

// Drops returns how many requests were lost, by reason.
func (a *Answerers) Drops() map[string]uint64 {
	m := map[string]uint64{}
	for _, d := range a.desks {
		for reason, n := range d.Drops() {
			m[reason] += n
		}
	}
	return m
}

// Ask returns the hook that asks the answerers. It stands last in the chain:
// what another has dropped nobody is asked about.
func (a *Answerers) Ask() hooks.Hook { return asker{a} }

type asker struct{ *Answerers }

// Outbound has nothing to see.
func (asker) Outbound(*hooks.Packet) {}

// Inbound asks who is to answer.
func (a asker) Inbound(p *hooks.Packet) {
	if p.Stopped() || !mayAsk(p) {
		return
	}
	q, ok := a.question(p)
	if !ok {
		return
	}
	who := a.to(q.dst)
	if q.AnySource {
		a.replying.Lock()
		a.groups.note(q.key, who != Netstack)
		a.replying.Unlock()
	}
	if a.netstack != nil && (who == Netstack || slices.Contains(a.cfg.Shadows, Netstack)) {
		a.netstack.Ask(q.Question)
	}
	if who == ByHand {
		a.answer(&q.Question)
	} else if a.hand != nil && slices.Contains(a.cfg.Shadows, ByHand) {
		a.hand.asked()
		a.hand.judged(&Verdict{Match: true, Latency: time.Since(q.Received)}, true, true)
	}
	if d := a.desks[who]; d != nil {
		d.Ask(q.Question)
	}
}

// answer sends the reply made by hand.
func (a *Answerers) answer(q *Question) {
	err := a.Send(q.Hand, hooks.Answer{
		By: ByHand, Request: q.Seq, Received: q.Received, Asked: q.Packet, Reply: q.Hand, Hand: q.Hand,
		AnySource: q.AnySource, Optional: q.Optional, RFC: q.RFC,
	})
	a.hand.asked()
	// What the link does not take it counts.
	a.hand.judged(&Verdict{Match: true, Latency: time.Since(q.Received)}, true, err == nil)
}

// An asked is a question with what tells it from others.
type asked struct {
	Question
	key key
	dst netip.Addr
}

// question makes a question of an inbound packet that is an echo request, or
// completes one.
func (a *Answerers) question(p *hooks.Packet) (q asked, ok bool) {
	a.asking.Lock()
	defer a.asking.Unlock()
	prediction := a.host.Inbound(&p.Packet, p.Checks(), p.Time)
	if q.Question, ok = questionOf(a.host, &prediction, p.Time); !ok {
		return q, false
	}
	if !prediction.Reassembled {
		q.Packet = slices.Clone(q.Packet) // it is borrowed
	}
	var hand wire.Packet
	hand.Decode(q.Hand)
	q.key, ok = keyOf(&hand)
	q.Seq, q.dst = p.Seq, prediction.Request.Dst
	return q, ok
}

// mayAsk reports whether a packet may be an echo request, or complete one.
func mayAsk(p *hooks.Packet) bool {
	if p.Fragment.IsFragment() {
		if p.Version == 6 {
			// The message may stand behind more headers.
			return p.Protocol != wire.ProtocolTCP && p.Protocol != wire.ProtocolUDP
		}
		return p.Protocol == wire.ProtocolICMPv4
	}
	return p.Upper == wire.LayerICMPv4 && p.ICMP.Type == wire.ICMPv4EchoRequest ||
		p.Upper == wire.LayerICMPv6 && p.ICMP.Type == wire.ICMPv6EchoRequest
}

// errHostDown says that there is no link to send on.
var errHostDown = errors.New("the host is not up")

// Send sends a whole reply, in fragments if it exceeds the MTU.
func (a *Answerers) Send(reply []byte, answer hooks.Answer) error {
	e := a.endpoint.Load()
	if e == nil {
		return errHostDown
	}
	mtu := int(e.MTU())
	if len(reply) <= mtu {
		return e.Send(reply, answer)
	}
	fragments := split(reply, mtu, a.numbers.next())
	for i, f := range fragments {
		of := answer
		if i < len(fragments)-1 {
			of.Asked, of.Reply, of.Hand = nil, nil, nil
		}
		if err := e.Send(f, of); err != nil {
			return err
		}
	}
	return nil
}
