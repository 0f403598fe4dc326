package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Soak is how netstackd has stood a long run with faults.
type Soak struct {
	Date    time.Time   `json:"date"`
	Machine Machine     `json:"machine"`
	Run     SoakRun     `json:"run"`
	Loads   []SoakLoad  `json:"loads"`
	Faults  []SoakFault `json:"faults"`
	// Judged is netstackd's own summary, as far as it is told here.
	Judged SoakJudged `json:"judged"`
	// Kernel is what the kernel dropped because the device's queue was full, and
	// Charged how many losses that explains.
	Kernel  uint64      `json:"kernel_dropped"`
	Levels  []SoakLevel `json:"levels"`
	Samples []SoakPoint `json:"samples"`
	// Log are netstackd's warnings and errors, and how often each was said.
	Log map[string]int `json:"log,omitempty"`
	// Omitted are faults that were not made, each with why.
	Omitted []string `json:"omitted,omitempty"`
	// Problems are what must not be. There are none if it has passed.
	Problems []string `json:"problems,omitempty"`
}

// SoakRun is how it was run.
type SoakRun struct {
	Minutes float64       `json:"minutes"`
	Seed    uint64        `json:"seed"`
	Idle    int           `json:"idle_connections"`
	Rounds  int           `json:"rounds"` // of faults that were completed
	Took    time.Duration `json:"took_ns"`
	// Netstackd is its command line.
	Netstackd string `json:"netstackd"`
}

// SoakLoad is what a load did. Of packets each is one; of connections the sent are
// operations begun and the lost those that failed.
type SoakLoad struct {
	Name string `json:"name"`
	// Sent, Answered and Lost add up. Late are answered ones that took over 1 s.
	Sent     uint64 `json:"sent"`
	Answered uint64 `json:"answered"`
	Late     uint64 `json:"late,omitempty"`
	Lost     uint64 `json:"lost,omitempty"`
	// ByFault, ByKernel and Unexplained are what the lost are explained by.
	ByFault     uint64 `json:"lost_by_fault,omitempty"`
	ByKernel    uint64 `json:"lost_by_kernel,omitempty"`
	Unexplained uint64 `json:"lost_unexplained,omitempty"`
	// Twice are replies beyond the first, Refused what the kernel did not take.
	Twice   uint64 `json:"answered_twice,omitempty"`
	Refused uint64 `json:"refused_by_kernel,omitempty"`
	Bytes   uint64 `json:"bytes,omitempty"`
	// Slowest in seconds.
	Slowest float64 `json:"slowest_s"`
}

// SoakFault is a kind of fault.
type SoakFault struct {
	Name string `json:"name"`
	// Costs are the loads that it may cost something.
	Costs []string `json:"may_cost,omitempty"`
	Times int      `json:"times"`
	// Amount is how much of what Unit says there was in all.
	Amount uint64 `json:"amount,omitempty"`
	Unit   string `json:"unit,omitempty"`
	// Slowest is the longest that it took until all was well again, in seconds.
	Slowest float64 `json:"slowest_s"`
}

// SoakJudged is netstackd's own account.
type SoakJudged struct {
	Packets    uint64            `json:"packets"`
	Bad        uint64            `json:"bad_checksums"`
	Match      uint64            `json:"match"`
	Differ     uint64            `json:"differ"`
	Missing    uint64            `json:"missing"`
	Unexpected uint64            `json:"unexpected"`
	Unjudged   uint64            `json:"unjudged"`
	TraceLost  uint64            `json:"trace_lost"`
	Drops      map[string]uint64 `json:"drops,omitempty"`
	Elsewhere  map[string]uint64 `json:"elsewhere,omitempty"`
}

// SoakLevel is something that is to come back to where it was: memory, goroutines.
type SoakLevel struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"`
	// Baseline is after a first load and a rest, End after the last load and a rest.
	Baseline float64 `json:"baseline"`
	// Warm is after the first round of faults and a rest, of memory alone and if there
	// was another round: what that leaves behind is no growth if no other adds to it.
	Warm float64 `json:"warm_baseline,omitempty"`
	Peak float64 `json:"peak"`
	End  float64 `json:"end"`
}

// levelTolerance is the part of the baseline by which the end may be off.
const levelTolerance = 0.2

// judgedBy is the baseline that the end is judged by.
func (l *SoakLevel) judgedBy() float64 {
	if l.Warm > 0 {
		return l.Warm
	}
	return l.Baseline
}

// Back tells whether it is back, or below.
func (l *SoakLevel) Back() bool { return l.End <= l.judgedBy()*(1+levelTolerance) }

// SoakPoint is how netstackd was at a time.
type SoakPoint struct {
	// At is seconds since the start, Fault what was at work.
	At         float64 `json:"at_s"`
	Resident   uint64  `json:"resident_bytes"`
	Goroutines int     `json:"goroutines,omitempty"`
	Fault      string  `json:"fault,omitempty"`
}

// Judge adds what the figures say that must not be to the problems.
func (s *Soak) Judge() {
	problem := func(format string, args ...any) { s.Problems = append(s.Problems, fmt.Sprintf(format, args...)) }
	for _, l := range s.Loads {
		switch {
		case l.Unexplained > 0:
			problem("%s: %d of %d lost and not explained", l.Name, l.Unexplained, l.Sent)
		case l.Answered == 0:
			problem("%s: nothing was answered", l.Name)
		}
	}
	for _, j := range []struct {
		n    uint64
		what string
	}{
		{s.Judged.Differ, "differ"}, {s.Judged.Missing, "are missing"}, {s.Judged.Unexpected, "are unexpected"},
	} {
		if j.n > 0 {
			problem("netstackd says that %d replies %s", j.n, j.what)
		}
	}
	for _, l := range s.Levels {
		if !l.Back() {
			before := "before"
			if l.Warm > 0 {
				before = "after the first round"
			}
			problem("%s: %s at the end, %s %s", l.Name, l.text(l.End), l.text(l.judgedBy()), before)
		}
	}
}

// WriteJSON writes all there is, indented.
func (s *Soak) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(s); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
