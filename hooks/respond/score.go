package respond

import (
	"maps"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"netstackd/hooks/trace"
)

// A Scorecard is how an answerer has done so far.
type Scorecard = trace.Scorecard

// The latencies that a score tells apart, in nanoseconds, with two digits: the
// histogram is copied while the packets' way may wait.
const (
	shortestLatency = 1
	longestLatency  = int64(time.Hour)
	latencyDigits   = 2
)

// A score counts how an answerer does. It is safe for concurrent use.
type score struct {
	mu sync.Mutex
	// The following are guarded by mu. latency is nil while there is none: it
	// is large.
	counts  Scorecard
	latency *hdrhistogram.Histogram
}

func newScore(name string) *score {
	return &score{counts: Scorecard{Name: name, Wrong: map[string]uint64{}}}
}

// asked counts a request.
func (s *score) asked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Requests++
}

// judged counts a reply: first says that it is the first to its request, sent
// that it answers it.
func (s *score) judged(v *Verdict, first, sent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.counts
	for _, f := range v.Faults {
		c.Wrong[f.Field]++
	}
	if v.Late {
		c.Late++
	}
	if v.Match && first {
		c.RightFirstTime++
	}
	if !sent {
		return
	}
	c.Answered++
	if s.latency == nil {
		s.latency = hdrhistogram.New(shortestLatency, longestLatency, latencyDigits)
	}
	// What is out of its range it refuses.
	_ = s.latency.RecordValue(min(max(int64(v.Latency), shortestLatency), longestLatency))
}

// repeated counts a reply to what was answered already.
func (s *score) repeated() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Repeated++
}

// unasked counts a reply that nobody waits for.
func (s *score) unasked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Unasked++
}

// card returns a copy of the counts.
func (s *score) card() Scorecard {
	c, latencies := s.copy()
	if latencies != nil {
		h := hdrhistogram.Import(latencies)
		us := func(ns int64) float64 { return float64(ns) / 1e3 }
		c.Latency = &trace.Latency{
			P50: us(h.ValueAtPercentile(50)), P90: us(h.ValueAtPercentile(90)),
			P99: us(h.ValueAtPercentile(99)), Max: us(h.Max()),
		}
	}
	return c
}

// copy returns copies of what mu guards, nil for latencies if there are none.
func (s *score) copy() (Scorecard, *hdrhistogram.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Wrong = maps.Clone(c.Wrong)
	if s.latency == nil {
		return c, nil
	}
	return c, s.latency.Export()
}
