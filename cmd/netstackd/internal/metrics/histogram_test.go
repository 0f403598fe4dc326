package metrics

import (
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"netstackd/hooks/compare"
)

// TestLatency: a distribution has native buckets and classic ones.
func TestLatency(t *testing.T) {
	var l compare.Latencies
	for _, d := range []time.Duration{20 * time.Microsecond, 40 * time.Microsecond, 3 * time.Second} {
		l.Add(d)
	}
	m, err := newLatency(desc("x_seconds", "x", []string{"who"}), &l, "a")
	if err != nil {
		t.Fatal(err)
	}
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	h := out.Histogram
	if h.GetSampleCount() != 3 || h.GetSampleSum() != 3.00006 || h.GetSchema() != 3 || len(h.PositiveSpan) == 0 {
		t.Errorf("histogram %v", h)
	}
	for _, b := range h.Bucket {
		want := uint64(0)
		for _, d := range []float64{20e-6, 40e-6, 3} {
			if d <= b.GetUpperBound() {
				want++
			}
		}
		if b.GetCumulativeCount() != want {
			t.Errorf("%d up to %v s, want %d", b.GetCumulativeCount(), b.GetUpperBound(), want)
		}
	}
}
