package live

import (
	"errors"
	"math/bits"
	"sync"
	"sync/atomic"

	"netstackd/hooks"
)

// Max is how many readers there can be at a time: a packet has a bit for each.
const Max = 64

// ErrFull is what Add returns when there are as many readers as there may be.
var ErrFull = errors.New("as many captures are going on as there may be")

// Readers are those that follow the packets. As a hook they stand first in the
// chain, before anything that may drop. They are safe for concurrent use.
type Readers struct {
	// list is nil while nobody follows.
	list atomic.Pointer[list]

	mu sync.Mutex
	// The following are guarded by mu.
	most int
	// places are taken, by those of here among others.
	places int
	// here are those that follow, or did and have not left.
	here map[*Reader]struct{}
	// gone counts what those had that have left.
	gone Counts
}

var _ hooks.Hook = (*Readers)(nil)

// A list is who follows. It is never changed, only replaced.
type list struct {
	readers [Max]*Reader
	mask    uint64 // has a bit for each place that is taken
}

// New returns no readers, of which there may be so many at a time, up to [Max].
func New(most int) *Readers {
	r := &Readers{here: map[*Reader]struct{}{}}
	r.SetMost(most)
	return r
}

// SetMost changes how many there may be. Those that there are stay.
func (r *Readers) SetMost(most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most = min(most, Max)
}

// Enter takes a place for a reader, which must be given back by Leave. The only
// error is [ErrFull].
func (r *Readers) Enter() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.places >= r.most {
		r.gone.Refused++
		return ErrFull
	}
	r.places++
	return nil
}

// Follow has a reader that has a place follow, from the next packet on, until Stop.
func (r *Readers) Follow(reader *Reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := &list{}
	if now := r.list.Load(); now != nil {
		*next = *now
	}
	place := bits.TrailingZeros64(^next.mask)
	next.readers[place] = reader
	next.mask |= 1 << place
	r.list.Store(next)
	r.here[reader] = struct{}{}
	r.gone.Served++
}

// Stop ends what a reader follows: when it returns, no event is on its way to it.
func (r *Readers) Stop(reader *Reader) {
	r.mu.Lock()
	now := r.list.Load()
	next := *now
	for place, each := range now.readers {
		if each == reader {
			next.readers[place] = nil
			next.mask &^= 1 << place
		}
	}
	if next.mask == 0 {
		r.list.Store(nil)
	} else {
		r.list.Store(&next)
	}
	r.mu.Unlock()
	reader.end()
}

// Leave gives back the place of a reader that was stopped, and whose sink loses
// nothing any more, or of one that never followed.
func (r *Readers) Leave(reader *Reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.places--
	if _, ok := r.here[reader]; ok {
		delete(r.here, reader)
		r.gone.add(reader)
	}
}

// Counts says how the readers do.
type Counts struct {
	// Readers are those that there are, Most how many there may be.
	Readers, Most int
	// Served are those that there ever were, Refused those over the limit.
	Served, Refused uint64
	// Packets were handed to readers, Lost are the events that one of them did not
	// take in time.
	Packets, Lost uint64
}

func (c *Counts) add(r *Reader) {
	c.Packets += r.Packets()
	c.Lost += r.sink.Lost()
}

// Counts returns the numbers so far.
func (r *Readers) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.gone
	c.Readers, c.Most = r.places, r.most
	for each := range r.here {
		c.add(each)
	}
	return c
}

// each yields the readers of a mask.
func (l *list) each(mask uint64) func(func(*Reader) bool) {
	return func(yield func(*Reader) bool) {
		for ; mask != 0; mask &= mask - 1 {
			if !yield(l.readers[bits.TrailingZeros64(mask)]) {
				return
			}
		}
	}
}

// Inbound implements hooks.Hook.
func (r *Readers) Inbound(p *hooks.Packet) { r.mark(p) }

// Outbound implements hooks.Hook.
func (r *Readers) Outbound(p *hooks.Packet) { r.mark(p) }

// mark marks a packet with those who want it.
func (r *Readers) mark(p *hooks.Packet) {
	now := r.list.Load()
	if now == nil {
		return
	}
	f := hooks.Followers{Of: now}
	readers := bits.OnesCount64(now.mask)
	for rest := now.mask; rest != 0; rest &= rest - 1 {
		if each := now.readers[bits.TrailingZeros64(rest)]; each.wants(p, readers) {
			f.Mask |= rest & -rest
			f.Snap = max(f.Snap, each.snap())
		}
	}
	if f.Mask != 0 {
		p.Followers = f
	}
}
