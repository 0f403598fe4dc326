package faults

import (
	"maps"
	"sync/atomic"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// The reasons of packets that the injector lost.
const (
	ReasonDrop     = "inject-drop"
	ReasonOverflow = "inject-overflow"
	ReasonDetached = "inject-detached"
	ReasonUnsent   = "inject-unsent"
)

// DropReasons documents each reason in one line.
func DropReasons() map[string]string {
	return map[string]string{
		ReasonDrop:     "lost on purpose by an injected drop",
		ReasonOverflow: "to be held back by an injected reorder or delay, when as many as may be already were",
		ReasonDetached: "in the injector's hands when netstack was detached",
		ReasonUnsent:   "copied or held back by the injector, and then not taken by the link",
	}
}

// A Fault is one thing that was done to one packet.
type Fault struct {
	Kind      Kind
	Direction hooks.Direction
	// Rule is the index of the rule that did it.
	Rule int
	// Packet is the packet's number in its direction, from 1: all that pass
	// while netstack is attached are numbered, copies are not.
	Packet uint64
	// Key is [Key] of the bytes as they go on, or went until they were lost.
	Key uint64
	// Protocols are all the names that fit the packet.
	Protocols Protocols
	// Len is the length of the packet as it goes on, in bytes; of one that
	// Truncate has cut it is where.
	Len int
	// Offset and Bit are those of the flipped bit: the byte from the packet's
	// start, and the bit in it, 0 for the least. Layer is the outermost layer
	// whose checksum is wrong now.
	Offset, Bit int
	Layer       wire.Layer
	// Reason is the drop reason if the packet was lost, else empty.
	Reason string
}

// Key returns a number by which a packet's bytes can be found again: their
// FNV-1a hash.
func Key(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// Counts are those of one direction.
type Counts struct {
	// Packets that came while netstack was attached.
	Packets uint64
	// Faults holds every kind, by how often it was done.
	Faults map[Kind]uint64
	// Unfit counts packets that were to be damaged and could not be: no
	// checksum covers a byte of theirs, or nothing is there to be cut off.
	Unfit uint64
	// Completed counts packets whose unfinished checksum, for which the
	// kernel vouched, was completed.
	Completed uint64
	// Drops holds the reasons that occurred.
	Drops map[string]uint64
}

// Counters are the counts of both directions. Taken while packets move, they
// may be a few packets apart from each other.
type Counters struct{ In, Out Counts }

// A tally counts for one direction. It is safe for concurrent use.
type tally struct {
	faults                    map[Kind]*atomic.Uint64
	drops                     map[string]*atomic.Uint64
	packets, unfit, completed atomic.Uint64
}

func newTally() *tally {
	t := &tally{faults: map[Kind]*atomic.Uint64{}, drops: map[string]*atomic.Uint64{}}
	for _, k := range kinds {
		t.faults[k] = new(atomic.Uint64)
	}
	for reason := range DropReasons() {
		t.drops[reason] = new(atomic.Uint64)
	}
	return t
}

func (t *tally) lost(reason string, n int) { t.drops[reason].Add(uint64(n)) }

func (t *tally) counts() Counts {
	c := Counts{
		Packets: t.packets.Load(), Unfit: t.unfit.Load(), Completed: t.completed.Load(),
		Faults: map[Kind]uint64{}, Drops: map[string]uint64{},
	}
	for k, n := range t.faults {
		c.Faults[k] = n.Load()
	}
	for reason, n := range t.drops {
		c.Drops[reason] = n.Load()
	}
	maps.DeleteFunc(c.Drops, func(_ string, n uint64) bool { return n == 0 })
	return c
}
