package trace

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Scorecard is how one answerer has done, in the summary.
type Scorecard struct {
	// Name is the answerer's, with what tells it from others: "fifo:/tmp".
	Name string `json:"name"`
	// Live says that its replies were sent, for one address at least.
	Live bool `json:"live"`
	// Requests are the echo requests it was to answer, Answered those that it
	// did, with a reply that was sent or, of one that is not live, any.
	Requests uint64 `json:"requests"`
	Answered uint64 `json:"answered"`
	// RightFirstTime are the requests whose first reply was right.
	RightFirstTime uint64 `json:"right_first_time"`
	// Wrong counts the faults of replies by field.
	Wrong map[string]uint64 `json:"wrong,omitempty"`
	// Late are replies to requests of more than 10 seconds ago, or that were
	// dropped; Repeated those to requests that were answered already; Unasked
	// those that came when nobody waited.
	Late     uint64 `json:"late"`
	Repeated uint64 `json:"repeated"`
	Unasked  uint64 `json:"unasked"`
	// Latency is that of the answers, from the request to the reply.
	Latency *Latency `json:"latency_us,omitempty"`
}

// A Latency is a distribution, in microseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// text is the scorecard in words, a line.
func (s *Scorecard) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "answerer %s", s.Name)
	if !s.Live {
		b.WriteString(" (shadow)")
	}
	fmt.Fprintf(&b, ": %d requests, %d answered, %d right first time", s.Requests, s.Answered, s.RightFirstTime)
	for _, field := range slices.Sorted(maps.Keys(s.Wrong)) {
		fmt.Fprintf(&b, ", %d wrong in %s", s.Wrong[field], field)
	}
	for _, c := range []struct {
		n    uint64
		what string
	}{{s.Late, "late"}, {s.Repeated, "repeated"}, {s.Unasked, "unasked"}} {
		if c.n > 0 {
			fmt.Fprintf(&b, ", %d %s", c.n, c.what)
		}
	}
	if l := s.Latency; l != nil {
		fmt.Fprintf(&b, "; latency p50 %v, p90 %v, p99 %v, max %v", micros(l.P50), micros(l.P90), micros(l.P99), micros(l.Max))
	}
	b.WriteByte('\n')
	return b.String()
}

// micros is a duration of so many microseconds, in three digits or so.
func micros(us float64) time.Duration {
	d := time.Duration(us * float64(time.Microsecond))
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
}
