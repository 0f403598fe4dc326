package faults

import (
	"slices"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// A parcel is a packet on its way out of the injector.
type parcel struct {
	pkt      *stack.PacketBuffer
	protocol tcpip.NetworkProtocolNumber
	// own says that the injector made it, and has to DecRef it.
	own bool
	// first says that it goes where the packet it was made from would: it is
	// no copy, and was not held back.
	first bool
}

// discard gives up a parcel.
func (p parcel) discard() {
	if p.own {
		p.pkt.DecRef()
	}
}

// A waiting parcel is held back.
type waiting struct {
	parcel
	due time.Time // when it goes on at the latest
	// after is the count of passed packets at which it goes on; 0 is never.
	after uint64
}

// A store holds packets of one direction back, until enough others have passed
// or their time has come. A timer sends those on whose time has come, on the
// goroutine that the timer makes. It is safe for concurrent use.
type store struct {
	limit int // packets
	// forward sends on packets, which become its own, outside mu.
	forward func([]parcel)

	mu sync.Mutex
	// idle, on mu, is told when live becomes 0.
	idle sync.Cond
	// The following are guarded by mu.
	open     bool // netstack is attached
	waiting  []waiting
	reserved int // places
	counted  int // of waiting those with after
	passed   uint64
	timer    *time.Timer // the pending one, nil if none is
	due      time.Time   // when it fires
	armed    uint64      // timers so far; the last is the pending one
	live     int         // timers that are pending, and goroutines of others
	firing   bool        // a goroutine is at work, and sets the next timer
	given    uint64      // how many goroutines at work were given up
}

func (s *store) init(limit int, forward func([]parcel)) {
	s.limit, s.forward = limit, forward
	s.idle.L = &s.mu
}

// start lets packets be held.
func (s *store) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = true
}

// stop lets none be held any more, stops the timer and discards what is held.
// It returns how many that were. It does not wait; wait does.
func (s *store) stop() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = false
	s.disarmLocked()
	n := len(s.waiting)
	for _, w := range s.waiting {
		w.discard()
	}
	s.waiting, s.counted = nil, 0
	return n
}

// wait returns when no timer is pending and none's goroutine at work: soon after
// stop.
func (s *store) wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.live > 0 {
		s.idle.Wait()
	}
}

// reserve keeps a place free for a parcel, which keep takes. If there is none
// it returns the reason.
func (s *store) reserve() (reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.open:
		return ReasonDetached
	case len(s.waiting)+s.reserved >= s.limit:
		return ReasonOverflow
	}
	s.reserved++
	return ""
}

// keep holds a parcel, which must be the injector's own, until depth others
// have passed, if depth is not 0, or for the time d. It reports whether it
// does: if the store was stopped the parcel remains the caller's.
func (s *store) keep(p parcel, depth int, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved--
	if !s.open {
		return false
	}
	p.first = false
	w := waiting{parcel: p, due: time.Now().Add(d)}
	if depth > 0 {
		w.after = s.passed + uint64(depth)
		s.counted++
	}
	s.waiting = append(s.waiting, w)
	if !s.firing && (s.timer == nil || w.due.Before(s.due)) {
		s.armLocked(w.due)
	}
	return true
}

// abandon gives up a goroutine that is at work, which may never return. Nobody waits
// for it, and what is held from then on is for other timers.
func (s *store) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.firing {
		s.firing = false
		s.given++
		s.endLocked()
	}
}

// passLocked counts a packet that passes those held, and returns the ones that
// follow it, which become the caller's.
func (s *store) passLocked() []parcel {
	s.passed++
	if s.counted == 0 {
		return nil
	}
	return s.takeLocked(func(w waiting) bool { return w.after != 0 && w.after <= s.passed })
}

// takeLocked takes out what is ready, in the order in which it came.
func (s *store) takeLocked(ready func(waiting) bool) (out []parcel) {
	kept := s.waiting[:0]
	for _, w := range s.waiting {
		switch {
		case !ready(w):
			kept = append(kept, w)
			continue
		case w.after != 0:
			s.counted--
		}
		out = append(out, w.parcel)
	}
	clear(s.waiting[len(kept):])
	s.waiting = kept
	return out
}

// armLocked sets the timer, in place of a pending one.
func (s *store) armLocked(due time.Time) {
	s.disarmLocked()
	s.armed++
	s.live++
	number := s.armed
	s.due = due
	s.timer = time.AfterFunc(time.Until(due), func() { s.fire(number) })
}

// disarmLocked takes the pending timer away. If it has fired already, its
// goroutine finds that it is not the pending one any more.
func (s *store) disarmLocked() {
	if s.timer == nil {
		return
	}
	if s.timer.Stop() {
		s.endLocked()
	}
	s.timer = nil
}

// endLocked counts a timer that will not fire, or whose goroutine ends.
func (s *store) endLocked() {
	if s.live--; s.live == 0 {
		s.idle.Broadcast()
	}
}

// fire sends on what is due, on the goroutine of a timer.
func (s *store) fire(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil || s.armed != number {
		s.endLocked()
		return
	}
	s.timer, s.firing = nil, true
	given, now := s.given, time.Now()
	out := s.takeLocked(func(w waiting) bool { return !w.due.After(now) })
	s.mu.Unlock()
	s.forward(out)
	s.mu.Lock()
	if s.given != given {
		return // it is no more one of ours
	}
	s.firing = false
	defer s.endLocked()
	if len(s.waiting) > 0 {
		next := slices.MinFunc(s.waiting, func(a, b waiting) int { return a.due.Compare(b.due) })
		s.armLocked(next.due)
	}
}
