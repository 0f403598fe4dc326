package compare

import (
	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// others are the requests that another than the responder is to answer, and whose
// fate is open. Each is in a map by its number; those that the responder has
// answered, so that they are not pending any more, stand in a queue by age.
type others struct {
	bySeq map[uint64]*request
	done  queue
	// open and bytes bound done.
	open, bytes int
}

// liveOf reports whether another than the one who is judged is to answer a request.
func (c *Comparer) liveOf(p *hooks.Packet, prediction *byhand.Prediction) (other bool) {
	return c.cfg.Live != nil && prediction.Form == byhand.EchoReply && c.cfg.Live(p, prediction.Request.Dst) != c.cfg.Responder
}

// leave keeps a request that the responder has answered, or not, until the one
// who is to answer does or the deadline comes.
func (c *Comparer) leave(r *request) {
	o := &c.others
	r.left = true
	o.done.push(r)
	o.open++
	o.bytes += r.cost()
	for o.open > maxPending || o.bytes > maxPendingBytes {
		c.giveUp(o.done.first)
	}
}

// remove takes a request out of those that the responder is done with.
func (o *others) remove(r *request) {
	o.done.remove(r)
	o.open--
	o.bytes -= r.cost()
}

// giveUp settles a request that nobody has answered in time.
func (c *Comparer) giveUp(r *request) {
	c.others.remove(r)
	c.resolve(r, r.fate(), r.due.reason)
	c.release(r)
}

// resolve settles the fate of a request that another answers, once.
func (c *Comparer) resolve(r *request, fate hooks.Fate, reason string) {
	delete(c.others.bySeq, r.seen.Seq)
	r.resolved = true
	r.seen.Fate, r.seen.Reason = fate, reason
	c.cfg.Ledger.Settle(hooks.Inbound, fate, reason)
	c.cfg.Tracer.Packet(&r.seen)
}

// answer judges the reply of another answerer, or a fragment of it.
func (c *Comparer) answer(p *hooks.Packet, seen *trace.Packet) {
	a := p.Answer
	var asked hooks.Followers
	if r := c.others.bySeq[a.Request]; r != nil {
		asked = r.seen.Followers
		if r.left {
			c.others.remove(r)
		}
		c.resolve(r, hooks.Answered, "")
		if r.left {
			c.release(r)
		}
	}
	c.cfg.Tracer.Packet(seen)
	if a.Reply == nil || p.Stopped() {
		return
	}
	e := &c.compared
	*e = trace.Comparison{
		Time: p.Time, Request: a.Request, Reply: seen.Seq, Replied: true, Latency: p.Time.Sub(a.Received),
		Responder: a.By, Live: true, Due: dueReply, Requirement: trace.Requirement(byhand.Must), RFC: a.RFC,
		Result: trace.Match, Untraced: seen.Untraced,
	}
	e.Followers = [2]hooks.Followers{asked, seen.Followers}
	if a.Optional {
		e.Due, e.Requirement = dueEither, trace.Requirement(byhand.May)
	}
	if c.cfg.Tracer.WantsWorking() {
		e.RequestBytes, e.ReplyByHand = a.Asked, a.Hand
	}
	var reply, hand wire.Packet
	reply.Decode(a.Reply)
	hand.Decode(a.Hand)
	if e.Diffs = Diff(&reply, &hand, Freedoms{AnySource: a.AnySource}); weighs(e.Diffs) {
		e.Result = trace.Differ
	}
	c.count(e)
}
