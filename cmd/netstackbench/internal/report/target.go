package report

import (
	"fmt"
	"strconv"
)

// Target is a goal: the value of a path, divided by another's, is at least so
// much or at most so much.
type Target struct {
	// Work and Figure name the group.
	Work, Figure string
	// Of is the kind of path that has the goal.
	Of string
	// Against is the kind of path it is divided by, of the same binary if both
	// run one; empty: nothing, the value itself counts.
	Against string
	// Least and Most are the bounds, as far as they are not 0.
	Least, Most float64
	// TraceLost bounds the part of the trace that may be lost, if it is not 0.
	TraceLost float64
}

// Verdict is a target judged.
type Verdict struct {
	// Target in words: "at least 0.8 of kernel".
	Target string `json:"target"`
	// Value is the ratio, or the value itself; nil if it could not be told.
	Value *float64 `json:"value,omitempty"`
	Met   bool     `json:"met"`
}

// String is the goal in words.
func (t Target) String() string {
	var s string
	switch {
	case t.Least != 0 && t.Most != 0:
		s = number(t.Least) + " to " + number(t.Most)
	case t.Most != 0:
		s = "at most " + number(t.Most)
	default:
		s = "at least " + number(t.Least)
	}
	switch t.Against {
	case "":
	case Netstackd:
		s += " of tracing off"
	default:
		s += " of " + t.Against
	}
	if t.TraceLost != 0 {
		s += fmt.Sprintf(", under %s %% of trace lost", number(100*t.TraceLost))
	}
	return s
}

func (t Target) judge(g *Group, row *Row) Verdict {
	v := Verdict{Target: t.String()}
	if !row.valid() {
		return v
	}
	if t.Against == "" {
		v.Value = &row.Spread.Median
	} else {
		v.Value = row.ratio(g.find(t.Against, t.binary(row)))
	}
	if v.Value == nil {
		return v
	}
	v.Met = *v.Value >= t.Least && (t.Most == 0 || *v.Value <= t.Most)
	if t.TraceLost != 0 {
		v.Met = v.Met && row.TraceLost != nil && *row.TraceLost < t.TraceLost
	}
	return v
}

// binary is which binary the other path has to run.
func (t Target) binary(row *Row) string {
	if t.Against == Netstackd {
		return row.Binary
	}
	return ""
}

// number is the shortest way to write a number.
func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
