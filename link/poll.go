package link

import "time"

// poller decides how long to poll an idle device before blocking on it.
// To block costs a system call to sleep and a wake-up, more than most replies
// take; to poll costs a core. So it polls as long as packets come
// within the bound of each other, and stops where they do not: the way of the
// halt polling of KVM (Documentation/virt/kvm/halt-polling.rst).
//
// It is used by one goroutine.
type poller struct {
	most time.Duration // the bound; 0 never polls

	window time.Duration // now, from 0 to most
	since  time.Time     // of the wait that goes on; zero if none does
}

// again says, when the device has nothing, whether to look once more before
// blocking.
func (p *poller) again() bool {
	if p.most == 0 {
		return false
	}
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
	}
	return now.Sub(p.since) < p.window
}

// end tells that the device has something: the wait, if there was one, is over.
func (p *poller) end() {
	if p.since.IsZero() {
		return
	}
	// A wait that polling could have covered is worth polling for next time;
	// each longer one halves the belief in it.
	if time.Since(p.since) < p.most {
		p.window = p.most
	} else if p.window /= 2; p.window < p.most/16 {
		p.window = 0
	}
	p.since = time.Time{}
}
