package compare

import "netstackd/hooks/byhand"

// ChangePorts has change open and close ports of the judged host, so that those of tcp
// and udp are open. What comes meanwhile to one that changes goes unjudged, and so does
// what waits for a reply that ports decide. On an error, which is that of change, the
// ports are those that were. Call it from one goroutine at a time.
func (c *Comparer) ChangePorts(tcp, udp []uint16, change func() error) error {
	c.mu.Lock()
	done := c.cfg.Host.Change(tcp, udp)
	c.forgetPorts()
	c.mu.Unlock()
	err := change()
	c.mu.Lock()
	defer c.mu.Unlock()
	done(err == nil)
	return err
}

// forgetPorts settles without a judgement the requests, of those that wait now, whose
// reply ports decide. It is called with mu held, and lets go of it in between: no
// packet is to wait for a crowd.
func (c *Comparer) forgetPorts() {
	last := c.cfg.Numbers.Load()
	for more := true; more; {
		more = false
		for r, n := c.pending.oldest(), 0; r != nil && r.seen.Seq <= last && !more; {
			next := r.in[byAge].next
			switch r.due.form {
			case byhand.Reset, byhand.SynAck, byhand.ICMPError:
				c.forget(r, c.cfg.Now())
				n++
				more = n == forgetAtOnce
			}
			r = next
		}
		if more {
			c.mu.Unlock()
			c.mu.Lock()
		}
	}
}
