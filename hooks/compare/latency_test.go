package compare

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLatencies: each latency is in the bucket whose bounds are around it.
func TestLatencies(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want int
	}{
		{-time.Second, -239}, {0, -239}, {1, -239}, // 1 ns is over 2^-30 s
		{250 * time.Millisecond, -16}, {250*time.Millisecond + 1, -15},
		{time.Second, 0}, {time.Second + 1, 1}, {2 * time.Second, 8}, {time.Hour, 56},
	} {
		var l Latencies
		l.Add(test.d)
		if diff := cmp.Diff(map[int]int64{test.want: 1}, l.Buckets()); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.d, diff)
		}
	}
	var l Latencies
	l.Add(time.Second)
	l.Add(time.Second)
	if l.Count != 2 || l.Sum != 2*time.Second {
		t.Errorf("count %d, sum %v", l.Count, l.Sum)
	}
}
