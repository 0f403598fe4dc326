package load

import (
	"testing"
	"time"
)

func TestRTT(t *testing.T) {
	r, other := newRTT(), newRTT()
	if r.Mean() != 0 {
		t.Errorf("the mean of nothing is %v", r.Mean())
	}
	for i := 1; i <= 50; i++ {
		r.add(time.Duration(i) * time.Microsecond)
		other.add(time.Duration(50+i) * time.Microsecond)
	}
	r.merge(other)
	if got := r.Count(); got != 100 {
		t.Errorf("count %d, want 100", got)
	}
	if got, want := r.Mean(), 50500*time.Nanosecond; got != want {
		t.Errorf("mean %v, want %v", got, want)
	}
	// The histogram has three digits.
	if got := r.Quantile(99); got < 98900*time.Nanosecond || got > 99200*time.Nanosecond {
		t.Errorf("99th percentile %v, want 99µs", got)
	}
}

func TestRates(t *testing.T) {
	r := Result{Elapsed: 500 * time.Millisecond, Bytes: 1e9, Operations: 1000}
	if got := r.Gbits(); got != 16 {
		t.Errorf("%v Gbit/s, want 16", got)
	}
	if got := r.Rate(); got != 2000 {
		t.Errorf("%v a second, want 2000", got)
	}
}
