package trace

import (
	"sync/atomic"

	"netstackd/hooks"
)

// A Selector is the hook that says which packets are traced: those that a
// filter matches, or each so many of them. What it leaves out is counted and
// compared like all others. It stands first in the chain.
type Selector struct {
	choice atomic.Pointer[choice]
	// matched counts what the filter matched, so far.
	matched atomic.Uint64
}

// A choice is what is selected. It is never changed, only replaced.
type choice struct {
	match  hooks.Matcher // nil for all
	sample uint64        // at least 1
}

var _ hooks.Hook = (*Selector)(nil)

// NewSelector returns a hook that selects one in sample of the packets that
// match matches, the first of them first. A nil match matches all, a sample of
// 0 or 1 takes all.
func NewSelector(match hooks.Matcher, sample uint64) *Selector {
	s := &Selector{}
	s.Select(match, sample)
	return s
}

// Select changes what is selected from the next packet on. It is safe for
// concurrent use and holds up no packet.
func (s *Selector) Select(match hooks.Matcher, sample uint64) {
	s.choice.Store(&choice{match: match, sample: max(sample, 1)})
}

// Inbound implements hooks.Hook.
func (s *Selector) Inbound(p *hooks.Packet) { s.see(p) }

// Outbound implements hooks.Hook.
func (s *Selector) Outbound(p *hooks.Packet) { s.see(p) }

func (s *Selector) see(p *hooks.Packet) {
	c := s.choice.Load()
	if c.match != nil && !p.Match(c.match) {
		p.Untraced = true
		return
	}
	if c.sample > 1 && (s.matched.Add(1)-1)%c.sample != 0 {
		p.Untraced = true
	}
}
