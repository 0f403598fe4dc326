package compare

import (
	"slices"
	"sync"
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

// Config says what a Comparer works with. All fields are required but
// RateLimited, Refused, Deadline and Now.
type Config struct {
	// Host predicts. The Comparer serialises the calls to it and owns it.
	Host   *byhand.Host
	Ledger *hooks.Ledger
	Tracer trace.Tracer
	// RateLimited counts the ICMP errors that netstack has kept back to limit
	// their rate. While it rises an absent error is no fault. Nil means that
	// none are. It must be quick and must not wait for the packets' way.
	RateLimited func() uint64
	// Refused counts the TCP segments that netstack has dropped for want of
	// room; while it rises an absent SYN-ACK is no fault. Otherwise as
	// RateLimited.
	Refused func() uint64
	// Responder is who answers, as it stands in traces.
	Responder string
	// Deadline is how long to wait for a reply; zero means DefaultDeadline.
	Deadline time.Duration
	// Now is the clock for deadlines; nil means time.Now.
	Now func() time.Time
}

// Counts are how many comparisons had which result.
type Counts struct {
	Match, Differ, Missing, Unexpected uint64
	// Unjudged counts requests forgotten for lack of room, and replies that
	// nothing certain can be held against: fragments may have been lost on
	// netstack's side that are there on ours, or the reverse, or an error
	// quotes a packet that nothing is known of.
	Unjudged uint64
}

// A Comparer is the hook that predicts, judges and reports. It stands last in
// the chain, so that it sees what the others did. Make one with [New].
type Comparer struct {
	cfg Config

	// mu guards all below. It is held for the length of one prediction or
	// comparison, and makes the order of events that of packets.
	mu      sync.Mutex
	seq     uint64
	pending pending
	// late are first fragments whose datagrams did not become whole: of another
	// age than what is pending, so in a queue of their own.
	late pending
	// timeouts is what overdue works with, to be used again.
	timeouts []byhand.Timeout
	// outward puts fragmented replies together.
	outward byhand.Reassembler
	counts  Counts
	// forgot is when a request was last forgotten for lack of room.
	forgot time.Time

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
	return &Comparer{cfg: cfg, pending: newPending(), late: newPending(), quit: make(chan struct{})}
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

// Sweep settles the requests whose deadline is at or before now.
func (c *Comparer) Sweep(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := c.pending.oldest(); r != nil && !r.deadline.After(now); r = c.pending.oldest() {
		c.expire(r, now)
	}
	for r := c.late.oldest(); r != nil && !r.deadline.After(now); r = c.late.oldest() {
		c.expireLate(r, now)
	}
	c.overdue(now)
}

// Inbound predicts what the packet calls for.
func (c *Comparer) Inbound(p *hooks.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.sight(p)
	if p.Stopped() {
		c.cfg.Tracer.Packet(seen)
		return
	}
	c.cfg.Host.Mark(seen.Seq)
	prediction := c.cfg.Host.Inbound(&p.Packet, p.Checks(), p.Time)
	if prediction.Reassembled && !seen.Reassembled {
		c.addReassembled(&seen, &prediction.Request)
	}
	switch prediction.Expect {
	case byhand.Silence:
		p.Expect(hooks.Dropped, prediction.Reason)
		seen.Fate, seen.Reason = p.Fate, p.Reason
		if prediction.Form != byhand.NoForm {
			c.wait(p, &seen, &prediction)
			return
		}
	case byhand.MustReply, byhand.MayReply:
		c.wait(p, &seen, &prediction)
		return
	}
	c.cfg.Tracer.Packet(seen)
}

// Outbound judges a reply, whole or in fragments.
func (c *Comparer) Outbound(p *hooks.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.sight(p)
	reply := &p.Packet
	if reply.Fragment.IsFragment() && reply.Problem.IsZero() {
		whole := c.reassemble(p)
		if whole == nil {
			c.cfg.Tracer.Packet(seen)
			return
		}
		reply = new(wire.Packet)
		reply.Decode(whole)
		c.addReassembled(&seen, reply)
	}
	form := formOf(reply)
	if p.Stopped() || form == byhand.NoForm {
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
	}
	whole, _ := c.outward.Add(&p.Packet, p.Time)
	return whole
}

// sight makes the event of a packet, and takes the next number for it.
func (c *Comparer) sight(p *hooks.Packet) trace.Packet {
	c.seq++
	seen := trace.Packet{
		Time: p.Time, Seq: c.seq, Direction: p.Direction, Len: p.Len, Packet: p.Packet, DataLen: len(p.Data()), Fate: p.Fate, Reason: p.Reason,
		Untraced: p.Untraced, Reassembled: p.Reassembled(), Segments: p.Segments(),
	}
	seen.NChecks = copy(seen.Checks[:], p.Checks())
	seen.Packet.Bytes = nil
	if c.cfg.Tracer.WantsBytes() {
		seen.Packet.Bytes = slices.Clone(p.Bytes)
	}
	return seen
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

// wait opens a request.
func (c *Comparer) wait(p *hooks.Packet, seen *trace.Packet, prediction *byhand.Prediction) {
	p.Hold()
	whole := &prediction.Request
	r := &request{
		seen:     *seen,
		freedoms: Freedoms{AnySource: !c.cfg.Host.Owns(whole.Dst), AnyQuote: prediction.Reassembled},
		deadline: c.cfg.Now().Add(c.cfg.Deadline),
	}
	if c.cfg.Tracer.WantsBytes() {
		r.bytes = slices.Clone(whole.Bytes)
	}
	r.excuses = c.excuses(prediction.Form)
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

// judge compares a reply with the one made by hand.
func (c *Comparer) judge(p *hooks.Packet, seen trace.Packet, reply *wire.Packet, form byhand.Form) {
	var quote *wire.Packet
	if form == byhand.ICMPError {
		quote = quoted(reply)
	}
	r := c.pending.match(reply, quote, form)
	if r == nil && form == byhand.ICMPError {
		r = c.late.match(reply, quote, form)
	}
	if r == nil {
		c.cfg.Tracer.Packet(seen)
		if form == byhand.Reset || form == byhand.SynAck || form == byhand.Advertisement {
			return // netstack has reasons of its own to send one
		}
		if c.cfg.Host.Doubts(p.Time) || !c.forgot.IsZero() && p.Time.Sub(c.forgot) < c.cfg.Deadline {
			c.counts.Unjudged++
			return
		}
		e := trace.Comparison{Time: p.Time, Result: trace.Unexpected, Due: dueSilence, Replied: true, Untraced: seen.Untraced}
		if form == byhand.ICMPError {
			// Nothing is known of what it quotes; but about some packets no
			// error may ever be sent.
			if e.RFC = c.cfg.Host.Unreportable(quote, reply.ICMP.Type, reply.ICMP.Code); e.RFC == "" {
				c.counts.Unjudged++
				return
			}
			e.Requirement = trace.Requirement(byhand.Must)
		}
		c.report(e)
		return
	}
	e := c.event(r, p.Time)
	e.Replied, e.Latency = true, p.Time.Sub(r.seen.Time)
	e.Untraced = e.Untraced && seen.Untraced
	if r.due.expect == byhand.Silence {
		e.Result = trace.Unexpected
	} else {
		var hand wire.Packet
		hand.Decode(r.due.reply)
		e.Diffs = Diff(reply, &hand, r.freedoms)
		e.Result = trace.Match
		if weighs(e.Diffs) {
			e.Result = trace.Differ
		}
	}
	c.settle(r, hooks.Answered, "")
	c.cfg.Tracer.Packet(seen)
	doubt := r.due.doubt || e.Result == trace.Unexpected && c.mayHold(reply, form)
	if doubt && e.Result != trace.Match {
		c.counts.Unjudged++
		return
	}
	c.report(e)
}

// mayHold reports whether a reply is a segment of a connection that netstack may
// have, and so may have another cause.
func (c *Comparer) mayHold(reply *wire.Packet, form byhand.Form) bool {
	return (form == byhand.Reset || form == byhand.SynAck) && c.cfg.Host.MayHold(reply)
}

// expire settles a request that got no reply in time.
func (c *Comparer) expire(r *request, now time.Time) {
	e := c.event(r, now)
	switch r.due.expect {
	case byhand.Silence:
		e.Result = trace.Match
		c.settle(r, hooks.Dropped, r.due.reason)
	case byhand.MustReply:
		e.Result = trace.Missing
		c.settle(r, r.fate(), r.due.reason)
		if c.excuses(r.due.form) != r.excuses {
			// To limit the rate is a freedom (RFC 1812 §4.3.2.8, RFC 4443 §2.4
			// (f)), and so is every bound of what a host holds.
			return
		}
	default:
		c.settle(r, r.fate(), r.due.reason)
		return // silence was allowed: nothing to report
	}
	c.report(e)
}

// forget settles a request for lack of room, without a judgement.
func (c *Comparer) forget(r *request, now time.Time) {
	c.forgot = now
	c.settle(r, r.fate(), r.due.reason)
	c.counts.Unjudged++
}

// settle ends a request's wait and reports its packet.
func (c *Comparer) settle(r *request, fate hooks.Fate, reason string) {
	if r.late {
		c.late.settle(r)
		return
	}
	c.pending.settle(r)
	r.seen.Fate, r.seen.Reason = fate, reason
	c.cfg.Ledger.Settle(hooks.Inbound, fate, reason)
	c.cfg.Tracer.Packet(r.seen)
}

// event begins the event of a comparison.
func (c *Comparer) event(r *request, now time.Time) trace.Comparison {
	e := trace.Comparison{
		Time: now, Request: r.seen.Seq, Reason: r.due.reason, RFC: r.due.rfc,
		Requirement:  trace.Requirement(r.due.requirement),
		RequestBytes: r.bytes, Untraced: r.seen.Untraced,
	}
	switch r.due.expect {
	case byhand.Silence:
		e.Due = dueSilence
	case byhand.MustReply:
		e.Due = dueReply
	default:
		e.Due = dueEither
	}
	if c.cfg.Tracer.WantsBytes() {
		e.ReplyByHand = r.due.reply
	}
	return e
}

// report numbers, counts and traces a comparison.
func (c *Comparer) report(e trace.Comparison) {
	switch e.Result {
	case trace.Match:
		c.counts.Match++
	case trace.Differ:
		c.counts.Differ++
	case trace.Missing:
		c.counts.Missing++
	case trace.Unexpected:
		c.counts.Unexpected++
	}
	c.seq++
	e.Seq, e.Responder, e.Live = c.seq, c.cfg.Responder, true
	c.cfg.Tracer.Compare(e)
}
