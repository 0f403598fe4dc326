package hooks

import (
	"slices"
	"sync/atomic"

	"netstackd/hooks/wire"
)

// A Ledger counts packets, checksum verdicts and fates. It is safe for
// concurrent use and never blocks. Make one with [NewLedger].
type Ledger struct {
	// What each packet has is counted in arrays, for a map would take longer
	// than all the counting.
	packets, bytes [2][len(kinds)]atomic.Uint64 // by side
	verdicts       [len(layers)][len(verdicts)]atomic.Uint64
	fates          [2][len(fates)]atomic.Uint64 // by side
	// reasons counts the drops, by side and by whether they were guarded.
	reasons map[string]*[2][2]atomic.Uint64
	// mends counts the packets that each mend had a part in, by side. It has an
	// element for each reason: the name of a mend is one.
	mends map[string]*[2]atomic.Uint64
	// ahead counts the packets that were delivered before others.
	ahead atomic.Uint64
	// untaken counts the writes of which the link did not take all.
	untaken atomic.Uint64
}

// Untaken returns how many writes there were of which the link did not take all: netstack
// knows of those, and sends no more fragments of a datagram then.
func (l *Ledger) Untaken() uint64 { return l.untaken.Load() }

// A Kind is what packets are told apart by when they are counted.
type Kind struct {
	// Version is 4 or 6, or 0 of what is no IP.
	Version uint8
	// Protocol is icmpv4, icmpv6, tcp, udp, or other: fragments that are not the
	// first have it too, and what cannot be decoded is other.
	Protocol string
}

// ProtocolOther is the Protocol of what has no name of its own.
const ProtocolOther = "other"

// kinds are the kinds that there are, in the order of kindOf.
var kinds = [...]Kind{
	{4, "tcp"}, {4, "udp"}, {4, "icmpv4"}, {4, ProtocolOther},
	{6, "tcp"}, {6, "udp"}, {6, "icmpv6"}, {6, ProtocolOther},
	{0, ProtocolOther},
}

// kindOf returns a packet's place in kinds.
func kindOf(p *Packet) int {
	base, icmp := 0, uint8(wire.ProtocolICMPv4)
	switch p.Version {
	case 4:
	case 6:
		base, icmp = 4, wire.ProtocolICMPv6
	default:
		return len(kinds) - 1
	}
	switch p.Protocol {
	case wire.ProtocolTCP:
		return base
	case wire.ProtocolUDP:
		return base + 1
	case icmp:
		return base + 2
	}
	return base + 3
}

// layers are the layers whose verdicts are counted, those of most packets first.
var layers = [...]wire.Layer{wire.LayerIPv4, wire.LayerTCP, wire.LayerUDP, wire.LayerICMPv4, wire.LayerICMPv6}

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
	l := &Ledger{
		reasons: map[string]*[2][2]atomic.Uint64{ReasonUnknown: {}},
		mends:   map[string]*[2]atomic.Uint64{ReasonUnknown: {}},
	}
	for _, m := range reasons {
		for name := range m {
			l.reasons[name] = new([2][2]atomic.Uint64)
			l.mends[name] = new([2]atomic.Uint64)
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
	i, kind := side(p.Direction), kindOf(p)
	l.packets[i][kind].Add(1)
	l.bytes[i][kind].Add(uint64(p.Len))
	l.Judge(p.Checks())
}

// Judge counts verdicts: of a datagram put together from fragments, say, whose
// checksum no single packet shows.
func (l *Ledger) Judge(checks []wire.Check) {
	for i := range checks {
		layer, verdict := slices.Index(layers[:], checks[i].Layer), slices.Index(verdicts[:], checks[i].Verdict)
		if layer >= 0 && verdict >= 0 {
			l.verdicts[layer][verdict].Add(1)
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
	guarded := 0
	if fate == Guarded {
		guarded = 1
	}
	t[s][guarded].Add(1)
}

// mended counts the mends of a packet, whatever became of it.
func (l *Ledger) mended(p *Packet) {
	for _, name := range p.mends {
		n := l.mends[name]
		if n == nil {
			n = l.mends[ReasonUnknown]
		}
		n[side(p.Direction)].Add(1)
	}
}

// A Totals is a copy of the ledger's counts.
type Totals struct {
	In, Out, InBytes, OutBytes uint64
	Verdicts                   map[wire.Verdict]uint64
	InFates, OutFates          map[Fate]uint64
	// Drops holds the reasons that occurred, Mends the mends: whether they changed
	// a packet, kept it back, or answered it. Mends is nil if none did.
	Drops, Mends map[string]uint64
	// Ahead counts the packets that a mend has had delivered before others, which
	// nobody sent; In does not.
	Ahead uint64
}

// Details are the ledger's counts, told apart as far as it does.
type Details struct {
	// Packets has an element for each direction and kind, Checksums one for each
	// layer and verdict.
	Packets   []KindCount
	Checksums []ChecksumCount
	// Fates has an element for each fate of each direction that is no drop, and
	// one for each reason of a drop that occurred.
	Fates []FateCount
	// Mends has an element for each mend that occurred, and each direction.
	Mends []MendCount
}

// A KindCount counts the packets of a kind, and their bytes.
type KindCount struct {
	Direction Direction
	Kind
	Packets, Bytes uint64
}

// A ChecksumCount counts the checksums of a layer that had a verdict.
type ChecksumCount struct {
	Layer   wire.Layer
	Verdict wire.Verdict
	N       uint64
}

// A FateCount counts the packets that had a fate, for a reason.
type FateCount struct {
	Direction Direction
	Fate      Fate
	Reason    string
	N         uint64
}

// A MendCount counts the packets that a mend had a part in.
type MendCount struct {
	Direction Direction
	Mend      string
	N         uint64
}

// Totals returns the counts. Taken while packets move, they may be a few
// packets apart from each other.
func (l *Ledger) Totals() Totals {
	t := Totals{
		Verdicts: map[wire.Verdict]uint64{}, InFates: map[Fate]uint64{}, OutFates: map[Fate]uint64{},
		Drops: map[string]uint64{}, Ahead: l.ahead.Load(),
	}
	for k := range kinds {
		t.In += l.packets[0][k].Load()
		t.Out += l.packets[1][k].Load()
		t.InBytes += l.bytes[0][k].Load()
		t.OutBytes += l.bytes[1][k].Load()
	}
	for i, v := range verdicts {
		t.Verdicts[v] = 0
		for layer := range layers {
			t.Verdicts[v] += l.verdicts[layer][i].Load()
		}
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
	for reason, by := range l.reasons {
		if n := by[0][0].Load() + by[0][1].Load() + by[1][0].Load(); n > 0 {
			t.Drops[reason] = n
		}
	}
	for mend, by := range l.mends {
		if n := by[0].Load() + by[1].Load(); n > 0 {
			if t.Mends == nil {
				t.Mends = map[string]uint64{}
			}
			t.Mends[mend] = n
		}
	}
	return t
}

// Details returns the counts. Taken while packets move, they may be a few packets
// apart from each other.
func (l *Ledger) Details() Details {
	var d Details
	for s, direction := range [...]Direction{Inbound, Outbound} {
		for k, kind := range kinds {
			d.Packets = append(d.Packets, KindCount{direction, kind, l.packets[s][k].Load(), l.bytes[s][k].Load()})
		}
		for i, fate := range fates {
			if possible[s][i] && fate != Dropped && fate != Guarded {
				d.Fates = append(d.Fates, FateCount{direction, fate, "", l.fates[s][i].Load()})
			}
		}
		for reason, by := range l.reasons {
			for guarded, fate := range [...]Fate{Dropped, Guarded} {
				if n := by[s][guarded].Load(); n > 0 {
					d.Fates = append(d.Fates, FateCount{direction, fate, reason, n})
				}
			}
		}
		for mend, by := range l.mends {
			if n := by[s].Load(); n > 0 {
				d.Mends = append(d.Mends, MendCount{direction, mend, n})
			}
		}
	}
	for i, layer := range layers {
		for j, verdict := range verdicts {
			d.Checksums = append(d.Checksums, ChecksumCount{layer, verdict, l.verdicts[i][j].Load()})
		}
	}
	return d
}
