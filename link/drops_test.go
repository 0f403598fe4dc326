package link

import "testing"

// TestSizes: a packet counts among those of up to the next power of two.
func TestSizes(t *testing.T) {
	for bytes, want := range map[int]int{0: 0, 1: 0, 2: 1, 64: 6, 65: 7, 84: 7, 1500: 11, 65535: 16, 65536: 16, 1 << 20: 16} {
		var c counters
		c.in(bytes)
		c.out(bytes)
		s := c.snapshot()
		if s.InSizes[want] != 1 || s.OutSizes[want] != 1 || s.InPackets != 1 || s.OutPackets != 1 {
			t.Errorf("%d bytes: %v, %v, want place %d", bytes, s.InSizes, s.OutSizes, want)
		}
	}
}
