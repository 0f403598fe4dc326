package torture

import (
	"fmt"
	"time"

	"netstackd/hooks/compare"
)

// Counts are what the parts of a way have counted, all together.
type Counts struct {
	In  uint64 `json:"in"`
	Out uint64 `json:"out"`
	// Fates and FatesOut are those of packets in and out; Drops, Mends their reasons.
	Fates    map[string]uint64 `json:"fates_in"`
	FatesOut map[string]uint64 `json:"fates_out"`
	Drops    map[string]uint64 `json:"drops"`
	Mends    map[string]uint64 `json:"mends,omitempty"`
	// Link is what the link has dropped, LinkIn what it has handed on.
	Link   map[string]uint64 `json:"link"`
	LinkIn uint64            `json:"link_in"`
	// Kept is what the hooks have kept from netstack, or it counts nowhere, and
	// Netstack what it has counted.
	Kept uint64 `json:"kept"`
	// Ahead is what the hooks have let netstack have before others, of their own.
	Ahead    uint64         `json:"ahead,omitempty"`
	Netstack uint64         `json:"netstack"`
	Compare  compare.Counts `json:"compare"`
}

// A Sample is the memory and goroutines of a process at one time.
type Sample struct {
	// Packets is how many had been sent.
	Packets uint64 `json:"packets"`
	// Heap is what is live in it, Resident what the process has, in bytes.
	Heap       uint64 `json:"heap"`
	Resident   uint64 `json:"resident"`
	Goroutines int    `json:"goroutines"`
}

// An Outcome is what a run came to.
type Outcome struct {
	// Name says which way, and Seed and Part which packets.
	Name string `json:"name"`
	Seed uint64 `json:"seed"`
	Part uint64 `json:"part"`
	// Kinds are the packets sent by kind, Sent all of them.
	Kinds map[string]uint64 `json:"kinds"`
	Sent  uint64            `json:"sent"`
	// Supers are super-datagrams sent, each of which the link may make many of.
	Supers uint64        `json:"super_datagrams"`
	Pings  uint64        `json:"pings"`
	Opened uint64        `json:"connections"`
	Took   time.Duration `json:"took"`
	Counts Counts        `json:"counts"`
	// Kernel is the account of the device's other side, where that is the kernel.
	Kernel *Kernel `json:"kernel,omitempty"`
	// Samples are one before the first packet and one at each stretch; After is when
	// all is over, Settled later where a process lives on.
	Samples []Sample      `json:"samples,omitempty"`
	After   Sample        `json:"after"`
	Settled time.Duration `json:"settled,omitempty"`
	// Listed and Findings are the differences: those that a case of the catalogue
	// lists, and those that none does.
	// Mended are those in what an error quotes that the guard's own mends had made,
	// and took out again.
	Listed   []Finding `json:"listed"`
	Mended   uint64    `json:"mended,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	// Wrong is everything else that is not as it has to be.
	Wrong []string `json:"wrong,omitempty"`
}

// OK reports whether all is well.
func (o *Outcome) OK() bool { return len(o.Findings) == 0 && len(o.Wrong) == 0 }

func (o *Outcome) wrong(format string, args ...any) {
	o.Wrong = append(o.Wrong, fmt.Sprintf(format, args...))
}

func total(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// settle holds the counts against each other.
func (o *Outcome) settle() {
	c := &o.Counts
	if in := total(c.Fates); c.In != in {
		o.wrong("%d packets in have %d fates", c.In, in)
	}
	if out := total(c.FatesOut); c.Out != out {
		o.wrong("%d packets out have %d fates", c.Out, out)
	}
	if dropped := c.Fates["dropped"] + c.Fates["guarded"] + c.Fates["mended"] + c.FatesOut["dropped"] + c.FatesOut["mended"]; dropped != total(c.Drops) || c.Drops["unknown"] != 0 {
		o.wrong("%d packets dropped, guarded or mended for %v", dropped, c.Drops)
	}
}

// Bounds of what may have grown, in bytes and goroutines. plateau is how many
// packets it takes until as much of it is given up as comes: connections wait a
// minute for their end.
const (
	heapSlack      = 32 << 20
	residentSlack  = 96 << 20
	goroutineSlack = 4
	plateau        = 2_000_000
)

// flat wants memory and goroutines not to have grown: nothing is left when all is
// over, and in a run that is long enough nothing grows from its middle on.
func (o *Outcome) flat() {
	if len(o.Samples) == 0 {
		return
	}
	first := o.Samples[0]
	if o.After.Heap > first.Heap+heapSlack {
		o.wrong("when all is over the heap has %d MiB, before it had %d", o.After.Heap>>20, first.Heap>>20)
	}
	if o.After.Goroutines > first.Goroutines+goroutineSlack {
		o.wrong("%d goroutines before, %d when all is over", first.Goroutines, o.After.Goroutines)
	}
	if o.Sent < plateau {
		return
	}
	middle, last := o.most(1, 2), o.most(2, 3)
	if last.Heap > middle.Heap+middle.Heap/4+heapSlack {
		o.wrong("the heap grew from %d to %d MiB", middle.Heap>>20, last.Heap>>20)
	}
	if last.Resident > middle.Resident+middle.Resident/4+residentSlack {
		o.wrong("the process grew from %d to %d MiB", middle.Resident>>20, last.Resident>>20)
	}
}

// most returns the greatest figures of one third of a run: from, to in thirds.
func (o *Outcome) most(from, to uint64) (m Sample) {
	for _, s := range o.Samples {
		if s.Packets*3 > o.Sent*from && s.Packets*3 <= o.Sent*to {
			m.Heap, m.Resident, m.Goroutines = max(m.Heap, s.Heap), max(m.Resident, s.Resident), max(m.Goroutines, s.Goroutines)
		}
	}
	return m
}
