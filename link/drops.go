package link

import (
	"maps"
	"math/bits"
	"sync/atomic"
)

// reason is why a packet was dropped.
type reason int

const (
	dropEmpty reason = iota
	dropMalformed
	dropUnknownSegmentation
	dropTooManySegments
	dropSegmentTooLarge
	dropReadError
	dropDetached
	dropLinkDown
	dropClosed
	dropNoBuffers
	dropWriteError
	numReasons
)

// reasons is the closed list: name and documentation of each reason.
var reasons = [numReasons]struct{ name, doc string }{
	dropEmpty:               {"link-empty", "inbound: a packet of no bytes"},
	dropMalformed:           {"link-malformed", "inbound: the device's virtio-net header does not fit the packet"},
	dropUnknownSegmentation: {"link-unknown-segmentation", "inbound: the device's virtio-net header names a segmentation that was not agreed on"},
	dropTooManySegments:     {"link-too-many-segments", "inbound: a super-segment had more segments than there were buffers; the first ones were delivered, one drop stands for all the others"},
	dropSegmentTooLarge:     {"link-segment-too-large", "inbound: a segment of a super-segment was longer than its buffer, because the device's MTU was raised just before"},
	dropReadError:           {"link-read-error", "inbound: reading the device failed"},
	dropDetached:            {"link-detached", "inbound: netstack was just detached"},
	dropLinkDown:            {"link-down", "outbound: the device is down"},
	dropClosed:              {"link-closed", "outbound: the device is closed or gone"},
	dropNoBuffers:           {"link-no-buffers", "outbound: the kernel had no memory for the packet"},
	dropWriteError:          {"link-write-error", "outbound: the device refused the packet for another reason"},
}

func (r reason) String() string { return reasons[r].name }

// DropReasons documents each name that may appear in Counters.Drops, in one
// line.
func DropReasons() map[string]string {
	docs := make(map[string]string, numReasons)
	for _, r := range reasons {
		docs[r.name] = r.doc
	}
	return docs
}

// Counters count since the endpoint was made. Bytes are those of whole IP
// packets.
type Counters struct {
	InPackets, InBytes   uint64 // handed to netstack
	OutPackets, OutBytes uint64 // written to the device
	// InSizes and OutSizes count the same packets by their length: element i those
	// of up to 2^i bytes and over half of that. What is longer than the MTU is a
	// super-segment.
	InSizes, OutSizes [SizeBounds]uint64
	// Drops counts by reason name what was neither, see DropReasons. Reasons
	// that did not occur are left out.
	Drops map[string]uint64
}

// SizeBounds is how many lengths are told apart: 2^16 bytes is more than any
// packet has.
const SizeBounds = 17

// sizeOf is the place of a packet's length in Counters.InSizes.
func sizeOf(bytes int) int { return min(bits.Len(uint(max(bytes, 1)-1)), SizeBounds-1) }

// counters are Counters while they move.
type counters struct {
	inBytes, outBytes atomic.Uint64
	inSizes, outSizes [SizeBounds]atomic.Uint64

	drops [numReasons]atomic.Uint64

	bulk bulkMeter
}

func (c *counters) in(bytes int) {
	c.inSizes[sizeOf(bytes)].Add(1)
	c.inBytes.Add(uint64(bytes))
}

func (c *counters) out(bytes int) {
	c.outSizes[sizeOf(bytes)].Add(1)
	c.outBytes.Add(uint64(bytes))
}

// outAll is out for so many packets, of each bytes but the last.
func (c *counters) outAll(packets, each, last int) {
	c.outSizes[sizeOf(each)].Add(uint64(packets - 1))
	c.outSizes[sizeOf(last)].Add(1)
	c.outBytes.Add(uint64((packets-1)*each + last))
}

// drop counts one and tells whether it is the first of its kind, which is the
// one worth a log line.
func (c *counters) drop(r reason) (first bool) { return c.dropAll(r, 1) }

// dropAll is drop for packets that are lost together.
func (c *counters) dropAll(r reason, packets int) (first bool) {
	return c.drops[r].Add(uint64(packets)) == uint64(packets)
}

func (c *counters) snapshot() Counters {
	s := Counters{
		InBytes:  c.inBytes.Load(),
		OutBytes: c.outBytes.Load(),
		Drops:    make(map[string]uint64),
	}
	for i := range s.InSizes {
		s.InSizes[i], s.OutSizes[i] = c.inSizes[i].Load(), c.outSizes[i].Load()
		s.InPackets += s.InSizes[i]
		s.OutPackets += s.OutSizes[i]
	}
	for r := range c.drops {
		s.Drops[reason(r).String()] = c.drops[r].Load()
	}
	maps.DeleteFunc(s.Drops, func(_ string, n uint64) bool { return n == 0 })
	return s
}
