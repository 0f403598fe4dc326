package compare

import (
	"bytes"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// match returns the open request that a reply belongs to, or nil, and what it quotes
// if it is an error.
func (c *Comparer) match(reply *wire.Packet, form byhand.Form) (r *request, quote *wire.Packet) {
	if form == byhand.ICMPError {
		quote = quoted(reply)
	}
	r = c.pending.match(reply, quote, form)
	if r == nil && form == byhand.ICMPError {
		r = c.late.match(reply, quote, form)
	}
	return r, quote
}

// begin takes note of the first fragment of a reply. The others follow once the link
// has taken it: netstack sends none of a datagram's after one that was not taken.
func (c *Comparer) begin(p *hooks.Packet) {
	form := formOf(&p.Packet)
	if form == byhand.NoForm {
		return
	}
	if r, _ := c.match(&p.Packet, form); r != nil && !r.begun {
		r.begun, r.untaken = true, c.cfg.Ledger.Untaken()
	}
}

// cutOff reports whether a reply may have ended within its fragments, for the link.
func (c *Comparer) cutOff(r *request) bool {
	return r.begun && c.cfg.Ledger.Untaken() != r.untaken
}

// judge compares a reply with the one made by hand.
func (c *Comparer) judge(p *hooks.Packet, seen *trace.Packet, reply *wire.Packet, form byhand.Form) {
	r, quote := c.match(reply, form)
	if r == nil {
		c.cfg.Tracer.Packet(seen)
		if form == byhand.Reset || form == byhand.SynAck || form == byhand.Advertisement {
			return // netstack has reasons of its own to send one
		}
		if c.cfg.Host.Doubts(p.Time) || !c.forgot.IsZero() && p.Time.Sub(c.forgot) < c.cfg.Deadline {
			c.counts.Unjudged++
			return
		}
		e := &c.compared
		*e = trace.Comparison{Time: p.Time, Result: trace.Unexpected, Due: dueSilence, Reply: seen.Seq, Replied: true, Live: !p.Stopped(), Mended: p.Mends(), Untraced: seen.Untraced}
		e.Followers[1] = seen.Followers
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
	defer c.release(r)
	e := c.event(r, p.Time)
	e.Reply, e.Replied, e.Latency = seen.Seq, true, p.Time.Sub(r.seen.Time)
	e.Mended = joinMends(e.Mended, p.Mends())
	e.Untraced = e.Untraced && seen.Untraced
	e.Followers[1] = seen.Followers
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
	fate, reason := hooks.Answered, ""
	if p.Stopped() {
		fate, reason = r.fate(), r.due.reason // nobody gets it
	}
	c.settle(r, fate, reason)
	if twin := c.pending.newest(r.data); twin != nil {
		// Nobody can say which of two alike was answered: what may have kept the
		// reply to this one back excuses that it is missing to the other, and what came
		// before this one may have kept that to the other back.
		twin.excuses = min(twin.excuses, r.excuses)
		if r.begun {
			twin.begun, twin.untaken = true, r.untaken
		}
		if r.due.expect == byhand.MayReply || e.Result != trace.Match && !bytes.Equal(r.due.reply, twin.due.reply) {
			c.pending.relax(twin)
		}
	}
	c.cfg.Tracer.Packet(seen)
	doubt := r.due.doubt || e.Result == trace.Unexpected && c.mayHold(reply, form) ||
		r.due.expect == byhand.MayReply && c.another(e.Diffs, reply, quote)
	if doubt && e.Result != trace.Match {
		c.counts.Unjudged++
		return
	}
	c.report(e)
}

// another reports whether a reply is another one than that which the hand would
// allow: where it may come, and need not, for the packet is odd, an error about it
// may come instead, or about another part of it, unless none may be sent at all.
func (c *Comparer) another(diffs []trace.Diff, reply, quote *wire.Packet) bool {
	if quote == nil || c.cfg.Host.Unreportable(quote, reply.ICMP.Type, reply.ICMP.Code) != "" {
		return false
	}
	for _, d := range diffs {
		switch d.Field {
		case "message", "type", "code", "pointer", "quote length":
		default:
			if d.Class == trace.Must {
				return false
			}
		}
	}
	return true
}

// joinMends returns the mends of a request and of its reply.
func joinMends(request, reply []string) []string {
	if len(request) == 0 {
		return reply
	}
	return append(request[:len(request):len(request)], reply...)
}

// mayHold reports whether a reply is a segment of a connection that netstack may
// have, and so may have another cause.
func (c *Comparer) mayHold(reply *wire.Packet, form byhand.Form) bool {
	return (form == byhand.Reset || form == byhand.SynAck) && c.cfg.Host.MayHold(reply)
}

// expire settles a request that got no reply in time.
func (c *Comparer) expire(r *request, now time.Time) {
	defer c.release(r)
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
		if c.cutOff(r) {
			c.counts.Unjudged++
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
	c.release(r)
	c.counts.Unjudged++
}

// settle ends a request's wait and reports its packet.
func (c *Comparer) settle(r *request, fate hooks.Fate, reason string) {
	if r.late {
		c.late.settle(r)
		return
	}
	c.pending.settle(r)
	if r.other && r.due.expect != byhand.Silence {
		if !r.resolved {
			c.leave(r)
		}
		return
	}
	r.seen.Fate, r.seen.Reason = fate, reason
	c.cfg.Ledger.Settle(hooks.Inbound, fate, reason)
	c.cfg.Tracer.Packet(&r.seen)
}

// event begins the event of a comparison, which is there until the next one is.
func (c *Comparer) event(r *request, now time.Time) *trace.Comparison {
	e := &c.compared
	*e = trace.Comparison{
		Time: now, Request: r.seen.Seq, Reason: r.due.reason, RFC: r.due.rfc,
		Requirement:  trace.Requirement(r.due.requirement),
		RequestBytes: r.bytes, Mended: r.seen.Mended, Untraced: r.seen.Untraced, Live: !r.other,
	}
	e.Followers[0] = r.seen.Followers
	switch r.due.expect {
	case byhand.Silence:
		e.Due = dueSilence
	case byhand.MustReply:
		e.Due = dueReply
	default:
		e.Due = dueEither
	}
	if c.cfg.Tracer.WantsWorking() {
		e.ReplyByHand = r.due.reply
	}
	return e
}

// report counts and traces a comparison of the responder's.
func (c *Comparer) report(e *trace.Comparison) {
	if !e.Live && c.cfg.Unshadowed != nil && c.cfg.Unshadowed() {
		return
	}
	e.Responder = c.cfg.Responder
	c.count(e)
}

// count numbers, counts and traces a comparison.
func (c *Comparer) count(e *trace.Comparison) {
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
	if e.Replied && e.Request != 0 {
		c.measure(e)
	}
	e.Seq = c.cfg.Numbers.Add(1)
	c.cfg.Tracer.Compare(e)
}
