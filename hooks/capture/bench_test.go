package capture_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"netstackd/hooks"
	"netstackd/hooks/capture"
)

// BenchmarkWriter says how fast a ring full of packets gets into a file, and
// with sums to complete.
func BenchmarkWriter(b *testing.B) {
	whole := packet(1, hooks.Inbound, samples(b)["tcp-long"], hooks.Delivered, "")
	for _, size := range []int{64, 1500, 65000} {
		for _, completed := range []bool{false, true} {
			b.Run(fmt.Sprintf("size=%d/completed=%v", size, completed), func(b *testing.B) {
				e := whole
				e.Packet.Bytes, e.Len = make([]byte, size), size
				if completed {
					e = partial(e)
				}
				n := min(capture.RingLen, capture.RingBytes/size)
				b.SetBytes(int64(n * size))
				for b.Loop() {
					b.StopTimer()
					r, err := capture.Open(capture.Config{Path: filepath.Join(b.TempDir(), "f.pcapng"), Log: silentLog()})
					if err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					for range n {
						r.Packet(&e)
					}
					if err := r.Close(patience); err != nil || r.Lost() != 0 {
						b.Fatalf("%d lost, %v", r.Lost(), err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/packet")
			})
		}
	}
}
