package compare

import (
	"time"

	"netstackd/hooks"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// forgetAtOnce is how many requests are forgotten before packets have their turn.
const forgetAtOnce = 256

// Trace has events go to t from the next packet on. What went there before gets
// nothing any more when Trace returns, so that it can be closed, and misses nothing
// of what was seen until then. A nil t is a pause: packets pass unseen and nothing is
// compared, until another Trace; the requests that wait for their replies go unjudged.
// Call it from one goroutine at a time.
func (c *Comparer) Trace(t trace.Tracer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case t != nil:
		if c.paused.Load() {
			// Replies to what was not seen are on their way.
			c.resumed = c.cfg.Now()
			c.forgot = c.resumed
		}
		c.cfg.Tracer = t
		c.paused.Store(false)
	case !c.paused.Load():
		// First, so that no more come.
		c.paused.Store(true)
		c.forgetAll()
	}
}

// Comparing reports whether packets are seen: it is not paused.
func (c *Comparer) Comparing() bool { return !c.paused.Load() }

// forgetAll settles all requests without a judgement. It is called with mu held, and
// lets go of it in between: no packet is to wait for a crowd.
func (c *Comparer) forgetAll() {
	now, n := c.cfg.Now(), 0
	rest := func() {
		if n++; n%forgetAtOnce == 0 {
			c.mu.Unlock()
			defer c.mu.Lock()
		}
	}
	for r := c.pending.oldest(); r != nil; r = c.pending.oldest() {
		c.forget(r, now)
		rest()
	}
	for r := c.late.oldest(); r != nil; r = c.late.oldest() {
		c.forget(r, now)
		rest()
	}
	for r := c.others.done.first; r != nil; r = c.others.done.first {
		c.giveUp(r)
		rest()
	}
}

// concerns reports whether a packet changes what the reference host remembers: who
// may have a connection, and fragments. Those it gets in a pause, too.
func concerns(p *hooks.Packet) bool {
	return p.Fragment.IsFragment() || p.Version == 6 && (p.IPv6.Count > 0 || p.Upper == "") ||
		p.Upper == wire.LayerTCP && p.TCP.Flags&wire.TCPSyn != 0
}

// remember has the reference host remember a packet, in a pause.
func (c *Comparer) remember(p *hooks.Packet) {
	if !p.Stopped() {
		c.cfg.Host.Recycle(c.cfg.Host.Inbound(&p.Packet, p.Checks(), p.Time).Reply)
	}
}

// passOver forgets the datagrams whose time is up in a pause.
func (c *Comparer) passOver(now time.Time) {
	c.timeouts = c.cfg.Host.Timeouts(now, c.timeouts[:0])
	clear(c.timeouts)
}
