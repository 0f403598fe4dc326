package stack

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
)

// mostAbandoned is how many damaged instances that cannot be freed, for somebody holds
// their locks for ever, the host puts up with: each keeps its goroutines and what its
// connections have in their buffers.
const mostAbandoned = 8

// Down says why the host does not answer, or nothing.
func (h *Host) Down() string {
	if i := h.current(); i == nil || i.damaged.Load() {
		return "netstack panicked and is being rebuilt"
	}
	return ""
}

// Failed is closed when netstack panicked and is not rebuilt. Failure then tells why.
func (h *Host) Failed() <-chan struct{} { return h.failed }

// Failure is why the host is not rebuilt. Call it once Failed is closed.
func (h *Host) Failure() error { return h.failure }

// panicked takes note of a panic, on the goroutine that panicked.
func (h *Host) panicked(_ *instance, p Panic) {
	h.panics[p.Where].Add(1)
	h.lost.Add(p.Connections)
	if h.config.Panicked != nil {
		h.config.Panicked(p)
	}
	select {
	case h.broken <- struct{}{}:
	default: // the keeper is about to look
	}
}

// keep is the keeper goroutine.
func (h *Host) keep() {
	for {
		select {
		case <-h.done:
			return
		case <-h.broken:
		}
		i := h.current()
		if i == nil || !i.damaged.Load() {
			continue // it was an earlier one's, or one that never served
		}
		h.abandon(i)
		if err := h.rebuild(); err != nil {
			h.failure = err
			close(h.failed)
			return
		}
	}
}

// rebuild builds netstack anew, again and again until it starts or the host closes. An
// error says why it does not.
func (h *Host) rebuild() error {
	if h.config.ExitOnPanic {
		return errPanicked
	}
	begun := time.Now()
	for {
		if n := len(h.instances.Load().abandoned); n > mostAbandoned {
			return fmt.Errorf("%w, and of %d damaged instances none can be freed: their memory is lost", errPanicked, n)
		}
		pause, ok := h.budget.take(time.Now())
		if !ok {
			return fmt.Errorf("%w again, after %d rebuilds in %v", errPanicked, mostRebuilds, rebuildsIn)
		}
		select {
		case <-h.done:
			return nil
		case <-time.After(pause):
		}
		if h.config.Restarting != nil {
			h.config.Restarting()
		}
		err := h.replace()
		if err == nil {
			h.rebuilds.Add(1)
			if h.config.Rebuilt != nil {
				h.config.Rebuilt(time.Since(begun))
			}
			return nil
		}
		h.log.WithError(err).Error("netstack could not be rebuilt, trying again")
	}
}

// replace builds an instance and puts it in the place of the one that was.
func (h *Host) replace() error {
	h.serving.Lock()
	defer h.serving.Unlock()
	// Netstack starts a TCP processor for each core that it finds, and some may be
	// left to others by now.
	if now := runtime.GOMAXPROCS(0); now < h.cores {
		runtime.GOMAXPROCS(h.cores)
		defer runtime.GOMAXPROCS(now)
	}
	i, err := newInstance(&h.config, h.chosen, h.wantedLimits(), &h.losses, h.panicked)
	if err != nil {
		return err
	}
	if err := i.start(); err != nil {
		i.link.cut() // the link is for the next one
		h.abandon(i)
		return err
	}
	h.mu.Lock()
	s := *h.instances.Load()
	s.current = i
	h.instances.Store(&s)
	h.mu.Unlock()
	// They may have changed meanwhile.
	if err := i.setLimits(h.wantedLimits); err != nil && !errors.Is(err, errPanicked) {
		h.log.WithError(err).Error("not all limits are in force")
	}
	return nil
}

// abandon leaves an instance to a goroutine that tries to free it. Nobody waits for
// that: its locks may be held.
func (h *Host) abandon(i *instance) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := *h.instances.Load()
	s.current, s.abandoned = nil, append(slices.Clone(s.abandoned), i)
	h.instances.Store(&s)
	go h.free(i)
}

// free frees an abandoned instance, and keeps what it has counted.
func (h *Host) free(i *instance) {
	if err := i.close(); err != nil {
		h.log.WithError(err).Warn("a netstack that panicked cannot be freed: its memory is lost")
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := *h.instances.Load()
	s.abandoned = slices.DeleteFunc(slices.Clone(s.abandoned), func(a *instance) bool { return a == i })
	s.past = s.past.plus(i.counters(), false)
	s.refused += i.refused()
	h.instances.Store(&s)
}

// awaitFreed gives the abandoned instances some time.
func (h *Host) awaitFreed() {
	for end := time.Now().Add(closePatience); ; time.Sleep(time.Millisecond) {
		n := len(h.instances.Load().abandoned)
		switch {
		case n == 0:
			return
		case time.Now().After(end):
			h.log.WithFields(logrus.Fields{"instances": n}).Warn("netstack panicked and cannot be freed: its goroutines are left behind")
			return
		}
	}
}

// Bounds of rebuilding. A packet that comes again and again, and makes netstack panic
// each time, is met by longer and longer pauses, in which the kernel's queue fills;
// and in the end by a supervisor.
const (
	rebuildsIn   = time.Minute
	mostRebuilds = 60
	firstPause   = 5 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// A budget bounds how often the host is rebuilt. It is for one goroutine.
type budget struct {
	taken []time.Time // within rebuildsIn
}

// take takes one rebuild, before which the caller is to pause, or is false if there
// is none left.
func (b *budget) take(now time.Time) (pause time.Duration, ok bool) {
	b.taken = slices.DeleteFunc(b.taken, func(t time.Time) bool { return now.Sub(t) >= rebuildsIn })
	n := len(b.taken)
	if n >= mostRebuilds {
		return 0, false
	}
	b.taken = append(b.taken, now)
	if n > 0 {
		pause = min(firstPause<<min(n-1, 10), longestPause)
	}
	return pause, true
}
