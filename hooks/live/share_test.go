package live

import (
	"testing"
	"time"
)

// TestShare: a reader may take a burst at once and then the rate, shared with those that
// there are; a pause gives it a burst again, and no more.
func TestShare(t *testing.T) {
	const size = 64<<10 - perPacket // 64 KiB with what a packet costs
	const whole = rate * int(burst) / int(time.Second) >> 16
	for _, readers := range []int{1, 4, Max} {
		var s share
		now := time.Unix(1_000_000_000, 0)
		takes := func() (n int) {
			for s.take(now, size, readers) {
				n++
			}
			return n
		}
		if n, want := takes(), whole/readers; n != want {
			t.Errorf("%d readers: %d packets at once, want %d", readers, n, want)
		}
		took := 0
		for range 1000 {
			now = now.Add(10 * time.Millisecond)
			took += takes()
		}
		if want := 10 * rate >> 16 / readers; took < want-1 || took > want+1 {
			t.Errorf("%d readers: %d packets in 10 s, want %d", readers, took, want)
		}
		now = now.Add(time.Hour)
		if n, want := takes(), whole/readers; n != want {
			t.Errorf("%d readers: %d packets after a pause, want %d", readers, n, want)
		}
	}
}
