package link

import (
	"math/bits"
	"sync/atomic"
)

// Bulk is what came in as super-segments in some time.
type Bulk struct {
	// SuperSegments is how many.
	SuperSegments uint64
	// Flows is of how many TCP connections at least, up to 64.
	Flows int
}

// bulkMeter counts for Bulk. The reader adds, anybody takes.
type bulkMeter struct {
	superSegments atomic.Uint64
	flows         atomic.Uint64 // a bit is set for each flow, by a hash of its ports
}

// add counts a super-segment with its TCP header, the same flow's always alike.
func (m *bulkMeter) add(tcp []byte) {
	m.superSegments.Add(1)
	// The client's port differs from connection to connection by as little as 2:
	// a multiplication spreads that over the upper bits (Knuth, volume 3, 6.4).
	ports := uint32(tcp[0])<<24 | uint32(tcp[1])<<16 | uint32(tcp[2])<<8 | uint32(tcp[3])
	bit := uint64(1) << (ports * 2654435769 >> 26)
	if m.flows.Load()&bit == 0 {
		m.flows.Or(bit)
	}
}

// take returns what was counted since the last call.
func (m *bulkMeter) take() Bulk {
	return Bulk{SuperSegments: m.superSegments.Swap(0), Flows: bits.OnesCount64(m.flows.Swap(0))}
}

// Bulk tells what came in as super-segments since the last call, nothing without
// offload.
func (e *Endpoint) Bulk() Bulk { return e.counters.bulk.take() }
