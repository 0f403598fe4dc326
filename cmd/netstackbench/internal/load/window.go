package load

import (
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Window is when a load is measured.
type Window struct {
	// Warm passes before the measured time.
	Warm time.Duration
	// Length of the measured time. Where nothing was done in it, as on a machine that
	// has other things to do, it goes on until something is, for up to overtime.
	Length time.Duration
	// Mark is called by the load's own goroutine when the measured time begins
	// and when it ends.
	Mark func()
}

// overtime is how much longer a window is where nothing was done.
const overtime = 10 * time.Second

// pass waits until the window is over. measured and ending tell other goroutines
// that its measured time has begun and ended; how long it was is returned. some
// reports whether there is anything to show for it, or never will be.
func (w Window) pass(measured, ending *atomic.Bool, some func() bool) time.Duration {
	time.Sleep(w.Warm)
	w.Mark()
	begin := time.Now()
	measured.Store(true)
	time.Sleep(w.Length)
	for !some() && time.Since(begin) < w.Length+overtime {
		time.Sleep(time.Millisecond)
	}
	ending.Store(true)
	elapsed := time.Since(begin)
	w.Mark()
	return elapsed
}

// Result is what happened in the measured time.
type Result struct {
	// Elapsed is how long the measured time really was.
	Elapsed time.Duration
	// Bytes of payload, one way.
	Bytes uint64
	// Operations are connections, exchanges, datagrams echoed or pings answered.
	Operations uint64
	// Sent and Lost are datagrams or echo requests; both include the warm-up.
	Sent, Lost uint64
	// RTT in nanoseconds, nil if the load has none.
	RTT *RTT
}

// Rate is operations a second.
func (r Result) Rate() float64 { return float64(r.Operations) / r.Elapsed.Seconds() }

// Gbits is 10^9 bits of payload a second.
func (r Result) Gbits() float64 { return float64(r.Bytes) * 8 / 1e9 / r.Elapsed.Seconds() }

// RTT collects round-trip times. It is not safe for concurrent use.
type RTT struct {
	histogram *hdrhistogram.Histogram
	sum       time.Duration
	count     int64
}

// The range of what a histogram tells apart, to three digits.
const (
	shortest = int64(100 * time.Nanosecond)
	longest  = int64(time.Minute)
)

func newRTT() *RTT { return &RTT{histogram: hdrhistogram.New(shortest, longest, 3)} }

func (r *RTT) add(d time.Duration) {
	// It refuses what is longer than longest, which no load here waits for.
	_ = r.histogram.RecordValue(int64(d))
	r.sum += d
	r.count++
}

func (r *RTT) merge(other *RTT) {
	r.histogram.Merge(other.histogram)
	r.sum += other.sum
	r.count += other.count
}

// Count is how many there are.
func (r *RTT) Count() int64 { return r.count }

// Mean is 0 if there are none.
func (r *RTT) Mean() time.Duration {
	if r.count == 0 {
		return 0
	}
	return r.sum / time.Duration(r.count)
}

// Quantile is the time that q percent do not exceed.
func (r *RTT) Quantile(q float64) time.Duration {
	return time.Duration(r.histogram.ValueAtQuantile(q))
}
