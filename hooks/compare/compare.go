package compare

import (
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// DefaultDeadline is how long a reply may take before it counts as missing.
// Netstack answers within microseconds; a machine under load may need longer.
const DefaultDeadline = time.Second

// The values of trace.Comparison.Due.
const (
	dueReply   = "reply"
	dueSilence = "silence"
	dueEither  = "either"
)

// Config says what a Comparer works with. All fields are required but Tracer,
// RateLimited, Refused, Live, Unshadowed, Deadline and Now.
type Config struct {
	// Host predicts. The Comparer serialises the calls to it and owns it.
	Host   *byhand.Host
	Ledger *hooks.Ledger
	// Tracer gets the events. Nil begins with a pause, see [Comparer.Trace].
	Tracer trace.Tracer
	// RateLimited counts the ICMP errors that netstack has kept back to limit
	// their rate. While it rises an absent error is no fault. Nil means that
	// none are. It must be quick and must not wait for the packets' way.
	RateLimited func() uint64
	// Refused counts the TCP segments that netstack has dropped for want of
	// room; while it rises an absent SYN-ACK is no fault. Otherwise as
	// RateLimited.
	Refused func() uint64
	// Responder is who is judged, as it stands in traces.
	Responder string
	// Live returns who is to answer an echo request to an address that a packet
	// completes; nil means that Responder always is. The replies of others it knows by
	// hooks.Packet.Answer; those of Responder are not sent then.
	Live func(p *hooks.Packet, dst netip.Addr) string
	// Unshadowed reports whether what Responder answers is not to be reported where
	// another is to answer; nil means that it is.
	Unshadowed func() bool
	// Deadline is how long to wait for a reply; zero means DefaultDeadline.
	Deadline time.Duration
	// Numbers number the packets and comparisons; nil means that nobody else does.
	Numbers *atomic.Uint64
	// Now is the clock for deadlines; nil means time.Now.
	Now func() time.Time
}

// Counts are how many comparisons had which result.
type Counts struct {
	Match, Differ, Missing, Unexpected uint64
	// Unjudged counts requests forgotten for lack of room, and replies that
	// nothing certain can be held against: fragments may have been lost on
	// netstack's side that are there on ours, or the reverse, or an error
	// quotes a packet that nothing is known of. It counts those, too, of whose reply
	// the first fragments came and the link did not take one.
	Unjudged uint64
}

// A Comparer is the hook that predicts, judges and reports. It stands last in
// the chain, so that it sees what the others did. Make one with [New].
type Comparer struct {
	cfg Config // of it, Tracer is guarded by mu

	// paused says that packets pass unseen. It is written under mu.
	paused atomic.Bool

	// mu guards all below. It is held for the length of one prediction or
	// comparison, and makes the order of events that of packets.
	mu sync.Mutex
	// seen and compared are the events that are being made, to be used again.
	seen     trace.Packet
	compared trace.Comparison
	pending  pending
	// late are first fragments whose datagrams did not become whole: of another
	// age than what is pending, so in a queue of their own.
	late pending
	// others are the requests that another than Responder is to answer.
	others others
	// spare are requests to be used again.
	spare []*request
	// timeouts is what overdue works with, to be used again.
	timeouts []byhand.Timeout
	// outward puts fragmented replies together.
	outward byhand.Reassembler
	counts  Counts
	// latencies are those of the replies, by who gave them.
	latencies map[string]*Latencies
	// forgot is when a request was last forgotten for lack of room.
	forgot time.Time
	// resumed is when the last pause ended.
	resumed time.Time
	// delivery tells which requests netstack is done with.
	delivery delivery

	// quit is closed by Close, once.
	quit     chan struct{}
	quitOnce sync.Once
	// sweeper is the goroutine that Start starts.
	sweeper sync.WaitGroup
}

var _ hooks.Hook = (*Comparer)(nil)

// New returns a Comparer. Deadlines pass only after [Comparer.Start].
func New(cfg Config) *Comparer {
	if cfg.Deadline == 0 {
		cfg.Deadline = DefaultDeadline
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Numbers == nil {
		cfg.Numbers = new(atomic.Uint64)
	}
	c := &Comparer{
		cfg: cfg, pending: newPending(), late: newPending(), delivery: newDelivery(), quit: make(chan struct{}), latencies: map[string]*Latencies{},
		others: others{bySeq: map[uint64]*request{}, done: queue{kind: byAge}},
	}
	c.paused.Store(cfg.Tracer == nil)
	return c
}

// Start starts the goroutine that settles what is past its deadline.
func (c *Comparer) Start() {
	c.sweeper.Go(func() {
		tick := time.NewTicker(max(c.cfg.Deadline/4, time.Millisecond))
		defer tick.Stop()
		// What is overdue gets one tick more: after the whole process stood
		// still, the sweeper must not run before those who answer.
		last := c.cfg.Now()
		for {
			select {
			case <-tick.C:
				now := c.cfg.Now()
				c.Sweep(last)
				last = now
			case <-c.quit:
				return
			}
		}
	})
}

// Close stops the sweeper and settles every open request as if its deadline
// had passed, but for segments, whose replies are not judged before it has.
// Detach netstack first, so that no reply is on its way.
func (c *Comparer) Close() {
	c.quitOnce.Do(func() { close(c.quit) })
	c.sweeper.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.Now()
	for r := c.pending.oldest(); r != nil; r = c.pending.oldest() {
		if f := r.due.form; r.due.reply != nil && (f == byhand.Reset || f == byhand.SynAck) && r.deadline.After(now) {
			// Netstack takes segments in its own time, and had not enough.
			c.forget(r, now)
			continue
		}
		c.expire(r, now)
	}
	for r := c.others.done.first; r != nil; r = c.others.done.first {
		c.giveUp(r)
	}
}

// Restart takes note that the judged host begins anew: it answers nothing any more of
// what it got, so that those requests go unjudged, and has forgotten all fragments and
// connections. Call it before the new one is attached.
func (c *Comparer) Restart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.Now()
	for _, p := range [...]*pending{&c.pending, &c.late} {
		for r := p.oldest(); r != nil; r = p.oldest() {
			c.forget(r, now)
		}
	}
	c.outward = byhand.Reassembler{}
	c.delivery = newDelivery()
	c.cfg.Host.Restart()
}

// Counts returns the results so far.
func (c *Comparer) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Awaited returns how many replies are due now that have not come.
func (c *Comparer) Awaited() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending.due
}

// Sweep settles the requests whose deadline is at or before now, unless netstack may
// still be at work on them.
func (c *Comparer) Sweep(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused.Load() {
		c.passOver(now)
		return
	}
	done := c.delivery.done(c.cfg.Now())
	for r := c.pending.oldest(); r != nil && !r.deadline.After(now) && r.deadline.Before(done.Add(c.cfg.Deadline)); r = c.pending.oldest() {
		c.expire(r, now)
	}
	for r := c.late.oldest(); r != nil && !r.deadline.After(now); r = c.late.oldest() {
		c.expireLate(r, now)
	}
	for r := c.others.done.first; r != nil && !r.deadline.After(now); r = c.others.done.first {
		c.giveUp(r)
	}
	c.overdue(now)
}

// Expire forgets the fragments that have waited too long at now, which otherwise the
// next one does.
func (c *Comparer) Expire(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg.Host.Expire(now)
	c.outward.Expire(now)
}

// Inbound predicts what the packet calls for.
func (c *Comparer) Inbound(p *hooks.Packet) {
	if c.paused.Load() && !concerns(p) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused.Load() {
		c.remember(p)
		return
	}
	if p.IPv4.HasOptions() || p.IPv6.Count > 0 {
		p.All() // an error may be due, which quotes more than the headers
	}
	seen := c.sight(p)
	if p.Stopped() {
		c.cfg.Tracer.Packet(seen)
		return
	}
	c.cfg.Host.Mark(seen.Seq)
	prediction := c.cfg.Host.Inbound(&p.Packet, p.Checks(), p.Time)
	if prediction.Reassembled && !seen.Reassembled {
		c.addReassembled(seen, &prediction.Request)
	}
	switch prediction.Expect {
	case byhand.Silence:
		p.Expect(hooks.Dropped, prediction.Reason)
		seen.Fate, seen.Reason = p.Fate, p.Reason
		if prediction.Form != byhand.NoForm {
			c.wait(p, seen, &prediction)
			return
		}
	case byhand.MustReply, byhand.MayReply:
		c.wait(p, seen, &prediction)
		return
	}
	c.cfg.Tracer.Packet(seen)
}

// Outbound judges a reply, whole or in fragments.
func (c *Comparer) Outbound(p *hooks.Packet) {
	if c.paused.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused.Load() {
		return // it began meanwhile
	}
	seen := c.sight(p)
	if p.Answer != nil {
		c.answer(p, seen)
		return
	}
	reply := &p.Packet
	if reply.Fragment.IsFragment() && reply.Problem.IsZero() {
		whole := c.reassemble(p)
		if whole == nil {
			c.cfg.Tracer.Packet(seen)
			return
		}
		reply = new(wire.Packet)
		reply.Decode(whole)
		c.addReassembled(seen, reply)
	}
	form := formOf(reply)
	if p.Stopped() && p.Fate != hooks.Suppressed && p.Fate != hooks.Mended || form == byhand.NoForm {
		c.cfg.Tracer.Packet(seen)
		return
	}
	c.judge(p, seen, reply, form)
}

// reassemble feeds a fragment that netstack made, and returns the datagram
// that it completes, or nil.
func (c *Comparer) reassemble(p *hooks.Packet) []byte {
	for _, check := range p.Checks() {
		if check.Verdict == wire.Bad {
			return nil // whoever gets it discards it
		}
	}
	if p.Fragment.Offset == 0 {
		// Netstack sends its fragments in order: what is left of an earlier
		// datagram, of which the link did not take the rest, is not of this.
		c.outward.Restart(&p.Packet)
		c.begin(p)
	}
	whole, _ := c.outward.Add(&p.Packet, p.Time)
	return whole
}

// sight makes the event of a packet, and takes the next number for it. The event
// is there until the next one is made.
func (c *Comparer) sight(p *hooks.Packet) *trace.Packet {
	p.Seq = c.cfg.Numbers.Add(1)
	snap := p.Followers.Snap
	if c.cfg.Tracer.WantsBytes() && !p.Untraced {
		snap = math.MaxInt
	}
	c.seen.See(p, p.Seq, snap)
	return &c.seen
}

// addReassembled adds to a fragment's event the upper layer's checksum, which
// the datagram that it completes has shown.
func (c *Comparer) addReassembled(seen *trace.Packet, whole *wire.Packet) {
	var checks [2]wire.Check
	for _, check := range whole.Checksums(checks[:0]) {
		if check.Layer != wire.LayerIPv4 && seen.NChecks < len(seen.Checks) {
			seen.Checks[seen.NChecks] = check
			seen.NChecks++
			seen.Reassembled = true
			c.cfg.Ledger.Judge([]wire.Check{check})
		}
	}
}

// request returns a new request, or one that release has cleared.
func (c *Comparer) request() *request {
	last := len(c.spare) - 1
	if last < 0 {
		return new(request)
	}
	r := c.spare[last]
	c.spare = c.spare[:last]
	return r
}

// release ends the use of a request that is settled.
func (c *Comparer) release(r *request) {
	if r.left && !r.resolved {
		return // another is to answer it yet
	}
	if !c.cfg.Tracer.WantsWorking() {
		c.cfg.Host.Recycle(r.due.reply)
	}
	if len(c.spare) < maxSpare {
		*r = request{}
		c.spare = append(c.spare, r)
	}
}

// wait opens a request.
func (c *Comparer) wait(p *hooks.Packet, seen *trace.Packet, prediction *byhand.Prediction) {
	p.Hold(c.delivery.within())
	whole := &prediction.Request
	r := c.request()
	r.seen = *seen
	r.freedoms = Freedoms{AnySource: !c.cfg.Host.Owns(whole.Dst), AnyQuote: prediction.Reassembled}
	r.deadline = c.cfg.Now().Add(c.cfg.Deadline)
	if c.cfg.Tracer.WantsWorking() {
		r.bytes = slices.Clone(whole.Bytes)
	}
	r.excuses = c.excuses(prediction.Form)
	if r.other = c.liveOf(p, prediction); r.other && prediction.Expect != byhand.Silence {
		c.others.bySeq[seen.Seq] = r
	}
	c.pending.add(r, prediction)
	// In a flood netstack keeps errors back, and what they were due to need not
	// wait any longer: a late one would go unjudged.
	for o := c.pending.oldest(); c.pending.open > crowd && o.due.form == byhand.ICMPError && o.due.expect != byhand.Silence &&
		c.excuses(byhand.ICMPError) != o.excuses; o = c.pending.oldest() {
		c.expire(o, p.Time)
	}
	for c.pending.full() {
		c.forget(c.pending.oldest(), p.Time)
	}
}

// excuses counts what netstack has kept back of a form of reply.
func (c *Comparer) excuses(form byhand.Form) uint64 {
	count := c.cfg.Refused
	switch form {
	case byhand.ICMPError:
		count = c.cfg.RateLimited
	case byhand.Reset, byhand.SynAck:
	default:
		return 0
	}
	if count == nil {
		return 0
	}
	return count()
}
