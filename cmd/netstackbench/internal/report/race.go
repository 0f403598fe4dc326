package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"netstackd/hooks/trace"
)

// Race is how answerers of the same pings have done.
type Race struct {
	Date      time.Time  `json:"date"`
	Machine   Machine    `json:"machine"`
	Run       RaceRun    `json:"run"`
	Answerers []Answerer `json:"answerers"`
}

// RaceRun is how it was held.
type RaceRun struct {
	Rounds   int           `json:"rounds"`
	Pings    int           `json:"pings"` // at most, a round, over either IP version
	Interval time.Duration `json:"interval_ns"`
	Length   time.Duration `json:"length_ns"` // of an answerer's share of a round
	Patience time.Duration `json:"patience_ns"`
	Took     time.Duration `json:"took_ns"`
	// Netstackd is its command line.
	Netstackd string `json:"netstackd"`
}

// Answerer is how one has done. Without Times nothing was answered but, at most,
// the first ping.
type Answerer struct {
	Name string `json:"name"`
	// Label is the name for the chart, About how it was run.
	Label string `json:"label"`
	About string `json:"about,omitempty"`
	// Published is where the time is from if it was not measured here.
	Published string `json:"published_not_measured_here,omitempty"`
	// Requests and Answered are as ping saw it.
	Requests uint64 `json:"requests"`
	Answered uint64 `json:"answered"`
	// First is the first round trip, in microseconds, which may have found the
	// answerer starting: it is in no other time.
	First *float64 `json:"first_us,omitempty"`
	Times *Times   `json:"rtt_us,omitempty"`
	IPv4  *Times   `json:"ipv4_rtt_us,omitempty"`
	IPv6  *Times   `json:"ipv6_rtt_us,omitempty"`
	// Rounds are the medians of the rounds, in microseconds.
	Rounds []float64 `json:"round_medians_us,omitempty"`
	// Card is netstackd's own judgement; nil for who has no netstackd.
	Card  *trace.Scorecard `json:"scorecard,omitempty"`
	Notes []string         `json:"notes,omitempty"`
	Error string           `json:"error,omitempty"`
}

// Times are round trips in microseconds.
type Times struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// TimesOf is nil if there are none.
func TimesOf(all []time.Duration) *Times {
	if len(all) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(all))
	// The least time that so many percent do not exceed.
	at := func(percent int) float64 {
		return float64(sorted[(len(sorted)*percent+99)/100-1]) / 1e3
	}
	return &Times{at(50), at(90), at(99), at(100)}
}

// Rank puts the fastest first, and those without a time last.
func (r *Race) Rank() {
	median := func(a Answerer) float64 {
		if a.Times == nil {
			return math.Inf(1)
		}
		return a.Times.P50
	}
	slices.SortStableFunc(r.Answerers, func(a, b Answerer) int { return cmp.Compare(median(a), median(b)) })
}

// WriteJSON writes all there is, indented.
func (r *Race) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
