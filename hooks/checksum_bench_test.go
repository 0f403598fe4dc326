package hooks

import (
	"fmt"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"

	"netstackd/hooks/wire"
)

// BenchmarkChecksum holds the arithmetic by hand beside gVisor's, in bytes a
// second.
func BenchmarkChecksum(b *testing.B) {
	data := make([]byte, 65535)
	for i := range data {
		data[i] = byte(i * 7)
	}
	for _, n := range []int{20, 64, 576, 1480, 9000, 65535} {
		b.Run(fmt.Sprintf("hand/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				wire.Sum(data[:n], 0)
			}
		})
		b.Run(fmt.Sprintf("gvisor/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				checksum.Checksum(data[:n], 0)
			}
		})
	}
}

// TestChecksumAgrees: at every length, the hand and gVisor come to one sum.
func TestChecksumAgrees(t *testing.T) {
	data := make([]byte, 4096)
	for i := range data {
		data[i] = byte(i*i + 3*i)
	}
	for n := range data {
		for _, initial := range []uint16{0, 1, 0xffff} {
			hand, theirs := wire.Sum(data[:n], initial), checksum.Checksum(data[:n], initial)
			if hand != theirs {
				t.Fatalf("%d bytes over %#04x: by hand %#04x, gVisor %#04x", n, initial, hand, theirs)
			}
		}
	}
}
