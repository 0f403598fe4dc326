package live

import (
	"sync/atomic"
	"time"
)

const (
	// rate is how much all readers together may take, in bytes a second: to copy,
	// write and send it costs about as much as the packets themselves, and whoever
	// sends them is not to wait for that.
	rate = 128 << 20
	// burst is how much of that a reader may take at once after a pause.
	burst = time.Second / 4
	// perPacket is what a packet costs beside its bytes, in bytes.
	perPacket = 1 << 10
)

// A share is what a reader may take, one of those that there are at the time. It is safe
// for concurrent use.
type share struct {
	// paid is the time up to which it has used it up, in nanoseconds since 1970.
	paid atomic.Int64
}

// take uses up some of the share for a packet seen at a time of which it takes so many
// bytes, or reports false, if there is not so much left.
func (s *share) take(now time.Time, bytes, readers int) bool {
	at := now.UnixNano()
	cost := int64(bytes+perPacket) * int64(readers) * int64(time.Second) / rate
	for {
		paid := s.paid.Load()
		next := max(paid, at-int64(burst)) + cost
		if next > at {
			return false
		}
		if s.paid.CompareAndSwap(paid, next) {
			return true
		}
	}
}
