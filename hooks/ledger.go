package hooks

import (
	"slices"
	"sync/atomic"

	"netstackd/hooks/wire"
)

// A Ledger counts packets, checksum verdicts and fates. It is safe for
// concurrent use and never blocks. Make one with [NewLedger].
type Ledger struct {
	packets, bytes [2]atomic.Uint64 // by side
	// What each packet has is counted in arrays, for a map would take longer
	// than all the counting.
	verdicts [len(verdicts)]atomic.Uint64
	fates    [2][len(fates)]atomic.Uint64 // by side
	reasons  map[string]*atomic.Uint64
}

// The verdicts and fates in the order in which they are counted: first what most
// packets have.
var (
	verdicts = [...]wire.Verdict{wire.OK, wire.Partial, wire.Bad, wire.Absent}
	fates    = [...]Fate{Delivered, Sent, Answered, Dropped, Guarded, Suppressed, Mended}
	// possible are the fates that each side has.
	possible = [2][len(fates)]bool{{true, false, true, true, true, false, true}, {false, true, false, true, false, true, true}}
)

// NewLedger returns a ledger that knows the given drop reasons, and
// ReasonUnknown.
func NewLedger(reasons ...map[string]string) *Ledger {
	l := &Ledger{reasons: map[string]*atomic.Uint64{ReasonUnknown: new(atomic.Uint64)}}
	for _, m := range reasons {
		for name := range m {
			l.reasons[name] = new(atomic.Uint64)
		}
	}
	return l
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
	for i := range checks {
		for j, v := range verdicts {
			if v == checks[i].Verdict {
				l.verdicts[j].Add(1)
				break
			}
		}
	}
}

// Settle counts a packet's fate, once for each packet, with the reason if it
// was dropped, guarded or mended. A fate that the direction does not have counts as
// dropped, and a reason that is not on the closed list as ReasonUnknown: a
// wrong name must not lose a packet.
func (l *Ledger) Settle(d Direction, fate Fate, reason string) {
	s := side(d)
	i := slices.Index(fates[:], fate)
	if i < 0 || !possible[s][i] {
		fate, reason = Dropped, ReasonUnknown
		i = slices.Index(fates[:], fate)
	}
	l.fates[s][i].Add(1)
	if fate != Dropped && fate != Guarded && fate != Mended {
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
		Verdicts: map[wire.Verdict]uint64{}, InFates: map[Fate]uint64{}, OutFates: map[Fate]uint64{},
		Drops: map[string]uint64{},
	}
	for i, v := range verdicts {
		t.Verdicts[v] = l.verdicts[i].Load()
	}
	for s, m := range [...]map[Fate]uint64{t.InFates, t.OutFates} {
		for i, f := range fates {
			n := l.fates[s][i].Load()
			if possible[s][i] && (n > 0 || f != Suppressed && f != Mended) {
				// Of hosts where netstack alone answers, unmended, there is nothing to
				// say.
				m[f] = n
			}
		}
	}
	for reason, n := range l.reasons {
		if n := n.Load(); n > 0 {
			t.Drops[reason] = n
		}
	}
	return t
}
