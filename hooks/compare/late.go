package compare

import (
	"time"

	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
)

// overdue opens a request for each datagram whose time to become whole is up:
// a time exceeded is due. A sweeper may be late: once the time is over by the clock,
// the error may have passed.
func (c *Comparer) overdue(now time.Time) {
	if clock := c.cfg.Now(); clock.After(now) {
		now = clock
	}
	c.timeouts = c.cfg.Host.Timeouts(now, c.timeouts[:0])
	for i := range c.timeouts {
		t := &c.timeouts[i]
		if t.Until.Before(c.resumed) {
			*t = byhand.Timeout{}
			continue // what tells of it may have gone unseen
		}
		r := &request{
			seen:     trace.Packet{Time: t.Since, Seq: t.Mark},
			excuses:  c.excuses(byhand.ICMPError),
			deadline: t.Until.Add(c.cfg.Deadline),
			late:     true,
		}
		if c.cfg.Tracer.WantsWorking() {
			r.bytes = t.Request.Bytes
		}
		c.late.add(r, &t.Prediction)
		*t = byhand.Timeout{}
	}
}

// expireLate settles a datagram of which no time exceeded has told.
func (c *Comparer) expireLate(r *request, now time.Time) {
	c.late.settle(r)
	if r.due.expect != byhand.MustReply || c.excuses(byhand.ICMPError) != r.excuses || c.cfg.Host.Doubts(now) {
		return // none had to, or its last fragment came just in time
	}
	if c.cutOff(r) {
		c.counts.Unjudged++
		return
	}
	e := c.event(r, now)
	e.Result = trace.Missing
	c.report(e)
}
