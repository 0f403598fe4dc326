package soak

import (
	"slices"
	"sync"
	"time"
)

// A Span is a stretch of time.
type Span struct{ From, To time.Time }

// meets tells whether two spans have an instant in common.
func (s Span) meets(other Span) bool { return !s.From.After(other.To) && !other.From.After(s.To) }

// Window is when a fault was at work, and what it may cost.
type Window struct {
	Span
	Fault string
	// Costs are the loads that it may cost something; Everything stands for all.
	Costs []string
}

// Everything is each load.
const Everything = "*"

// A Reason explains a loss.
type Reason int

const (
	// Unexplained is what must not be.
	Unexplained Reason = iota
	// ByFault: it fell into the window of a fault that may cost that load something.
	ByFault
	// ByKernel: the kernel says that it dropped packets of the device then.
	ByKernel
)

// Account explains losses. It is safe for concurrent use.
type Account struct {
	mu      sync.Mutex
	windows []Window // guarded by mu
	// drops are the times in which the kernel's count of drops grew, in order;
	// dropped is by how much in all. Guarded by mu.
	drops   []Span
	dropped uint64
	charged uint64 // guarded by mu: losses explained by them
}

// Add adds a window.
func (a *Account) Add(w Window) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.windows = append(a.windows, w)
}

// Dropped adds that the kernel dropped n packets within a span, which does not begin
// before the last one.
func (a *Account) Dropped(s Span, n uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drops = append(a.drops, s)
	a.dropped += n
}

// At names the faults that were at work in a span, whatever they may cost.
func (a *Account) At(s Span) (faults []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.windows {
		if w.meets(s) {
			faults = append(faults, w.Fault)
		}
	}
	return faults
}

// Explain explains why something of a load was lost within a span. lost is how many
// packets of the kernel's drops it takes, 0 for what is no packet and cannot be
// explained by them. The kernel explains no more than it dropped.
func (a *Account) Explain(load string, s Span, lost uint64) Reason {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.windows {
		if w.meets(s) && (slices.Contains(w.Costs, load) || slices.Contains(w.Costs, Everything)) {
			return ByFault
		}
	}
	if lost == 0 || a.charged+lost > a.dropped {
		return Unexplained
	}
	// The first that has not ended when the span begins.
	i, _ := slices.BinarySearchFunc(a.drops, s.From, func(d Span, at time.Time) int { return d.To.Compare(at) })
	if i < len(a.drops) && a.drops[i].meets(s) {
		a.charged += lost
		return ByKernel
	}
	return Unexplained
}
