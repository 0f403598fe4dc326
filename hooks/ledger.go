package hooks

import (
	"maps"
	"sync/atomic"

	"netstackd/hooks/wire"
)

// A Ledger counts packets, checksum verdicts and fates. It is safe for
// concurrent use and never blocks. Make one with [NewLedger].
type Ledger struct {
	packets, bytes [2]atomic.Uint64 // by side
	verdicts       map[wire.Verdict]*atomic.Uint64
	fates          [2]map[Fate]*atomic.Uint64 // by side
	reasons        map[string]*atomic.Uint64
}

// NewLedger returns a ledger that knows the given drop reasons, and
// ReasonUnknown.
func NewLedger(reasons ...map[string]string) *Ledger {
	l := &Ledger{
		verdicts: tallies(wire.OK, wire.Bad, wire.Partial, wire.Absent),
		fates: [2]map[Fate]*atomic.Uint64{
			tallies(Delivered, Answered, Dropped, Guarded),
			tallies(Sent, Dropped),
		},
		reasons: tallies(ReasonUnknown),
	}
	for _, m := range reasons {
		maps.Copy(l.reasons, tallies(keys(m)...))
	}
	return l
}

func tallies[K comparable](names ...K) map[K]*atomic.Uint64 {
	m := make(map[K]*atomic.Uint64, len(names))
	for _, n := range names {
		m[n] = new(atomic.Uint64)
	}
	return m
}

func keys(m map[string]string) []string {
	s := make([]string, 0, len(m))
	for k := range m {
		s = append(s, k)
	}
	return s
}

func side(d Direction) int {
	if d == Outbound {
		return 1
	}
	return 0
}

// see counts a packet and its checksums.
func (l *Ledger) see(p *Packet) {
	i := side(p.Direction)
	l.packets[i].Add(1)
	l.bytes[i].Add(uint64(p.Len))
	l.Judge(p.Checks())
}

// Judge counts verdicts: of a datagram put together from fragments, say, whose
// checksum no single packet shows.
func (l *Ledger) Judge(checks []wire.Check) {
	for _, c := range checks {
		if t := l.verdicts[c.Verdict]; t != nil {
			t.Add(1)
		}
	}
}

// Settle counts a packet's fate, once for each packet, with the reason if it
// was dropped or guarded. A fate that the direction does not have counts as
// dropped, and a reason that is not on the closed list as ReasonUnknown: a
// wrong name must not lose a packet.
func (l *Ledger) Settle(d Direction, fate Fate, reason string) {
	fates := l.fates[side(d)]
	if fates[fate] == nil {
		fate, reason = Dropped, ReasonUnknown
	}
	fates[fate].Add(1)
	if fate != Dropped && fate != Guarded {
		return
	}
	t := l.reasons[reason]
	if t == nil {
		t = l.reasons[ReasonUnknown]
	}
	t.Add(1)
}

// A Totals is a copy of the ledger's counts.
type Totals struct {
	In, Out, InBytes, OutBytes uint64
	Verdicts                   map[wire.Verdict]uint64
	InFates, OutFates          map[Fate]uint64
	// Drops holds the reasons that occurred.
	Drops map[string]uint64
}

// Totals returns the counts. Taken while packets move, they may be a few
// packets apart from each other.
func (l *Ledger) Totals() Totals {
	t := Totals{
		In: l.packets[0].Load(), Out: l.packets[1].Load(),
		InBytes: l.bytes[0].Load(), OutBytes: l.bytes[1].Load(),
		Verdicts: loads(l.verdicts), InFates: loads(l.fates[0]), OutFates: loads(l.fates[1]),
		Drops: loads(l.reasons),
	}
	maps.DeleteFunc(t.Drops, func(_ string, n uint64) bool { return n == 0 })
	return t
}

func loads[K comparable](m map[K]*atomic.Uint64) map[K]uint64 {
	out := make(map[K]uint64, len(m))
	for k, v := range m {
		out[k] = v.Load()
	}
	return out
}
