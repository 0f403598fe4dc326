package respond

import (
	"errors"
	"net/netip"
	"slices"
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
	addresses []netip.Prefix
	desks     []*Desk
	// table is written under changing.
	table    atomic.Pointer[table]
	changing sync.Mutex
	// scored names those who have a scorecard: who was live beside another, or shadow.
	// It is guarded by changing.
	scored []string
	// endpoint is where replies are sent; nil until Connect.
	endpoint atomic.Pointer[hooks.Endpoint]
	// netstack scores netstack, hand the reference host.
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
	// replies may come from any address, and whether another than netstack answers them;
	// decided are all the last requests since a change; split the last replies in
	// fragments, of which only the first shows what it is.
	groups  decisions[key, bool]
	decided decisions[addressed, decision]
	split   decisions[fragmentKey, bool]
}

// New returns answerers who are asked from [Answerers.Connect] on.
func New(c Config) *Answerers {
	a := &Answerers{
		addresses: c.Addresses, desks: c.Desks, host: byhand.New(c.Addresses),
		netstack: NewDesk(DeskConfig{Name: Netstack}), hand: newScore(ByHand),
	}
	a.use(newTable(&c))
	a.numbers.begin()
	return a
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
	a.changing.Lock()
	live, scored := a.table.Load().live(), a.scored
	a.changing.Unlock()
	names := slices.Clone(live)
	for _, d := range a.desks {
		names = append(names, d.Name())
	}
	var cards []Scorecard
	for _, name := range append(names, Netstack, ByHand) {
		if !slices.Contains(scored, name) || slices.ContainsFunc(cards, func(c Scorecard) bool { return c.Name == name }) {
			continue
		}
		var c Scorecard
		switch d := a.desk(name); {
		case d != nil:
			c = d.Scorecard()
		case name == Netstack:
			c = a.netstack.Scorecard()
		default:
			c = a.hand.card()
		}
		c.Live = slices.Contains(live, name)
		cards = append(cards, c)
	}
	return cards
}

// desk returns the Desk of a name, or nil.
func (a *Answerers) desk(name string) *Desk {
	for _, d := range a.desks {
		if d.Name() == name {
			return d
		}
	}
	return nil
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
	t := a.tableOf(p)
	if p.Stopped() || !mayAsk(p) || t.rests(p.Time) {
		return
	}
	q, ok := a.question(p)
	if !ok {
		return
	}
	who := t.to(q.dst)
	scored := t.scores(who)
	if fresh := t.fresh(p.Time); fresh || q.AnySource {
		a.replying.Lock()
		if q.AnySource {
			a.groups.note(q.key, who != Netstack)
		}
		if fresh {
			a.decided.note(addressed{q.key, q.dst}, decision{others: who != Netstack, scored: scored})
		}
		a.replying.Unlock()
	}
	if scored {
		a.netstack.Ask(q.Question)
	}
	if who == ByHand {
		a.answer(&q.Question)
	} else if slices.Contains(t.shadows, ByHand) {
		a.hand.asked()
		a.hand.judged(&Verdict{Match: true, Latency: time.Since(q.Received)}, true, true)
	}
	if d := a.desk(who); d != nil {
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
