package soak_test

import (
	"slices"
	"testing"
	"time"

	"netstackd/cmd/netstackbench/internal/soak"
)

// TestAccount: a loss is explained by a window that may cost that load something, or
// by the kernel's drops at that time, and by no more of them than there were.
func TestAccount(t *testing.T) {
	begin := time.Now()
	span := func(from, to int) soak.Span {
		return soak.Span{From: begin.Add(time.Duration(from) * time.Second), To: begin.Add(time.Duration(to) * time.Second)}
	}
	a := &soak.Account{}
	a.Add(soak.Window{Span: span(10, 20), Fault: "down", Costs: []string{soak.Everything}})
	a.Add(soak.Window{Span: span(30, 40), Fault: "fragments", Costs: []string{"one", "two"}})
	a.Add(soak.Window{Span: span(50, 60), Fault: "SIGHUP"})
	a.Dropped(span(62, 63), 1)
	a.Dropped(span(70, 71), 1)
	for _, tt := range []struct {
		what, load string
		span       soak.Span
		lost       uint64
		want       soak.Reason
	}{
		{"before any fault", "one", span(1, 9), 1, soak.Unexplained},
		{"it begins before and ends in a fault", "one", span(9, 10), 1, soak.ByFault},
		{"within one", "three", span(12, 13), 1, soak.ByFault},
		{"about one", "one", span(1, 25), 0, soak.ByFault},
		{"it begins when one ends", "one", span(20, 21), 1, soak.ByFault},
		{"after one", "one", span(21, 22), 1, soak.Unexplained},
		{"a fault of two loads", "two", span(35, 36), 1, soak.ByFault},
		{"another load", "three", span(35, 36), 1, soak.Unexplained},
		{"a fault that costs nothing", "one", span(55, 56), 1, soak.Unexplained},
		{"an operation while the kernel drops", "one", span(70, 71), 0, soak.Unexplained},
		{"before the kernel drops", "one", span(60, 61), 1, soak.Unexplained},
		{"between two drops", "one", span(65, 66), 1, soak.Unexplained},
		{"while the kernel drops", "one", span(70, 70), 1, soak.ByKernel},
		{"two are more than one", "one", span(63, 65), 2, soak.Unexplained},
		{"the other drop", "two", span(63, 65), 1, soak.ByKernel},
		{"more than the kernel dropped", "one", span(70, 71), 1, soak.Unexplained},
		{"after the last drop", "one", span(72, 73), 1, soak.Unexplained},
	} {
		if got := a.Explain(tt.load, tt.span, tt.lost); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.what, got, tt.want)
		}
	}
	if got := a.At(span(15, 55)); !slices.Equal(got, []string{"down", "fragments", "SIGHUP"}) {
		t.Errorf("at work: %q", got)
	}
}
