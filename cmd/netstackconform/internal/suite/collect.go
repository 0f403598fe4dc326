package suite

import (
	"errors"
	"slices"
	"time"

	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

const (
	// patience is how long a reply that is due may take, and tries how often a
	// sentinel is sent before the host is taken for dead, each after patience.
	patience = time.Second
	tries    = 3
	// dueIn is how long a reply may take, behind the sentinel's, where a host works
	// beside.
	dueIn = 2 * time.Second
	// settle is how long silence lasts after the sentinel where a host works
	// beside, and linger how long one more reply than is due may take.
	settle = 40 * time.Millisecond
	linger = 10 * time.Millisecond
	// pulseInterval is how often it is seen whether the host lives.
	pulseInterval = 50 * time.Millisecond
)

// errMute says that a host does not answer sentinels any more.
var errMute = errors.New("it does not answer any more")

// collect returns what the host sends after a step.
func (r *runner) collect(x *Exchange, step int, st *Step) ([]*wire.Packet, error) {
	besides := false
	if _, taciturn := r.host.(Taciturn); !taciturn {
		besides = slices.ContainsFunc(x.sent, beside)
	}
	c := collection{x: x, step: step}
	number, err := r.watch(x)
	if err != nil {
		return nil, err
	}
	over, sent := false, 1
	// A host that is dead is not waited for.
	pulse := time.NewTicker(pulseInterval)
	defer pulse.Stop()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case i := <-x.inbox:
			if i.sentinel == 0 {
				c.add(i.packet)
				if err := r.acknowledge(&c, st); err != nil {
					return c.got, err
				}
			} else if i.sentinel != number {
				continue
			} else {
				over = true
			}
			switch {
			case !over:
			case st.judge(x, c.got) != "" && !st.Want.silent && besides:
				if i.sentinel != 0 {
					timer.Reset(dueIn)
				}
			case i.sentinel == 0:
				timer.Reset(linger)
			case !besides:
				return c.got, nil
			default:
				timer.Reset(settle)
			}
		case <-pulse.C:
			if err := r.host.Died(); err != nil && !over {
				return c.got, err
			}
		case <-timer.C:
			if over {
				return c.got, nil
			}
			if sent == tries {
				return c.got, errMute
			}
			if number, err = r.watch(x); err != nil {
				return c.got, err
			}
			sent++
			timer.Reset(patience)
		}
	}
}

// acknowledge sends what the step has to say to the last that came.
func (r *runner) acknowledge(c *collection, st *Step) error {
	if st.Acks == nil {
		return nil
	}
	b := st.Acks(c.x, c.got)
	if b == nil {
		return nil
	}
	c.x.note(c.step, true, b)
	return r.host.Send(b)
}

// watch sends a sentinel.
func (r *runner) watch(x *Exchange) (uint32, error) {
	n, packet := r.mail.sentinel(x)
	return n, r.host.Send(packet)
}

// A collection is what came, whole.
type collection struct {
	x         *Exchange
	step      int
	got       []*wire.Packet
	fragments byhand.Reassembler
}

// add adds a packet, which may be a fragment of a reply.
func (c *collection) add(b []byte) {
	c.x.note(c.step, false, b)
	p := new(wire.Packet)
	p.Decode(b)
	if p.Fragment.IsFragment() && p.Problem.IsZero() {
		whole, _ := c.fragments.Add(p, time.Time{})
		if whole == nil {
			return
		}
		p = new(wire.Packet)
		p.Decode(whole)
	}
	c.got = append(c.got, p)
}
