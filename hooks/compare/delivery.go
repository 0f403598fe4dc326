package compare

import (
	"sync/atomic"
	"time"
)

// A delivery tells which requests netstack has returned from. Who delivers one may
// stand still for long within it, waiting for memory or for the processor, while
// others do not: whom it concerns is not to be accused meanwhile. It belongs to whoever
// holds the Comparer's mu, but what it counts goes down without.
type delivery struct {
	// counts are how many are being delivered that came after the last turn, at now,
	// and how many that came before.
	counts *[2]atomic.Int64
	now    int
	turned time.Time
	// last is what done has returned.
	last time.Time
}

func newDelivery() delivery { return delivery{counts: new([2]atomic.Int64)} }

// within counts the requests that come now and are being delivered.
func (d *delivery) within() *atomic.Int64 { return &d.counts[d.now] }

// done returns a time before which all requests that had come are delivered, now at the
// latest. It lags behind by the time between two calls, or two, unless none is being
// delivered.
func (d *delivery) done(now time.Time) time.Time {
	before := 1 - d.now
	if d.counts[before].Load() != 0 {
		return d.last
	}
	if d.counts[d.now].Load() == 0 {
		d.last, d.turned = now, now
		return now
	}
	d.last, d.turned, d.now = d.turned, now, before
	return d.last
}
