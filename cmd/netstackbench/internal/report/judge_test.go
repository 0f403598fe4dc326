package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// group is a group of one sample a path; kinds are their names.
func group(less bool, values map[string]float64) Group {
	g := Group{Work: "work", Figure: "figure", LessIsBetter: less}
	for _, kind := range []string{Kernel, Netstackd, Compare, FDBased, WireGuard, Minimal} {
		if v, ok := values[kind]; ok {
			g.Rows = append(g.Rows, Row{Path: kind, Kind: kind, Samples: []float64{v}})
		}
	}
	return g
}

func TestRatios(t *testing.T) {
	type want struct {
		ToKernel, ToBest float64
		Best             string
	}
	for _, tt := range []struct {
		name string
		in   Group
		want map[string]want
	}{
		{
			"more is better",
			group(false, map[string]float64{Kernel: 20, Netstackd: 10, FDBased: 2, WireGuard: 4}),
			map[string]want{
				Kernel: {1, 5, WireGuard}, Netstackd: {0.5, 2.5, WireGuard},
				FDBased: {0.1, 0.5, WireGuard}, WireGuard: {0.2, 1, WireGuard},
			},
		},
		{
			"less is better",
			group(true, map[string]float64{Kernel: 4, Netstackd: 8, FDBased: 80, WireGuard: 40, Minimal: 10}),
			map[string]want{
				Kernel: {1, 0.1, WireGuard}, Netstackd: {2, 0.2, WireGuard}, FDBased: {20, 2, WireGuard},
				WireGuard: {10, 1, WireGuard}, Minimal: {2.5, 0.25, WireGuard},
			},
		},
		{
			"the first alternative is the best",
			group(false, map[string]float64{Kernel: 8, FDBased: 4, WireGuard: 2}),
			map[string]want{Kernel: {1, 2, FDBased}, FDBased: {0.5, 1, FDBased}, WireGuard: {0.25, 0.5, FDBased}},
		},
		{
			"without the kernel",
			group(false, map[string]float64{Netstackd: 10, FDBased: 2}),
			map[string]want{Netstackd: {0, 5, FDBased}, FDBased: {0, 1, FDBased}},
		},
		{
			"without an alternative",
			group(false, map[string]float64{Kernel: 10, Netstackd: 2}),
			map[string]want{Kernel: {1, 0, ""}, Netstackd: {0.2, 0, ""}},
		},
		{
			"nothing divides by nothing",
			group(false, map[string]float64{Kernel: 0, Netstackd: 2, FDBased: 0}),
			map[string]want{Kernel: {}, Netstackd: {}, FDBased: {}},
		},
	} {
		r := Report{Groups: []Group{tt.in}}
		r.Judge(nil)
		got := map[string]want{}
		for _, row := range r.Groups[0].Rows {
			got[row.Path] = want{value(row.ToKernel), value(row.ToBest), row.Best}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// value is 0 if there is none.
func value(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}

// TestFailedPathIsNoMeasure wants a path that failed to be compared with nothing,
// and nothing with it.
func TestFailedPathIsNoMeasure(t *testing.T) {
	g := group(false, map[string]float64{Kernel: 10, Netstackd: 5, FDBased: 1})
	g.Rows[0].Error = "the host died"
	r := Report{Groups: []Group{g}}
	r.Judge([]Target{{Work: "work", Figure: "figure", Of: Netstackd, Against: Kernel, Least: 0.1}})
	kernel, netstackd := r.Groups[0].Rows[0], r.Groups[0].Rows[1]
	if kernel.ToKernel != nil || kernel.ToBest != nil || netstackd.ToKernel != nil {
		t.Errorf("ratios with a failed path: %+v, %+v", kernel, netstackd)
	}
	want := []Verdict{{Target: "at least 0.1 of kernel"}}
	if diff := cmp.Diff(want, netstackd.Verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestTargets(t *testing.T) {
	lost := func(f float64) *float64 { return &f }
	values := map[string]float64{Kernel: 20, Netstackd: 16, Compare: 14, FDBased: 2, WireGuard: 4, Minimal: 30}
	for _, tt := range []struct {
		target Target
		lost   *float64 // of every row
		words  string
		value  float64
		met    bool
	}{
		{Target{Of: Netstackd, Against: Kernel, Least: 0.8}, nil, "at least 0.8 of kernel", 0.8, true},
		{Target{Of: Netstackd, Against: Kernel, Least: 0.81}, nil, "at least 0.81 of kernel", 0.8, false},
		{Target{Of: Netstackd, Against: FDBased, Least: 6}, nil, "at least 6 of fdbased", 8, true},
		{Target{Of: Netstackd, Against: Minimal, Most: 0.5}, nil, "at most 0.5 of minimal", 16.0 / 30, false},
		{Target{Of: Netstackd, Most: 40}, nil, "at most 40", 16, true},
		{Target{Of: Netstackd, Most: 15}, nil, "at most 15", 16, false},
		{Target{Of: Netstackd, Least: 0.8, Most: 1.2}, nil, "0.8 to 1.2", 16, false},
		{Target{Of: Netstackd, Least: 10, Most: 16}, nil, "10 to 16", 16, true},
		{Target{Of: Compare, Against: Netstackd, Least: 0.85}, nil, "at least 0.85 of tracing off", 0.875, true},
		{Target{Of: Compare, Against: Netstackd, Least: 0.85, TraceLost: 0.01}, lost(0.009), "at least 0.85 of tracing off, under 1 % of trace lost", 0.875, true},
		{Target{Of: Compare, Against: Netstackd, Least: 0.85, TraceLost: 0.01}, lost(0.01), "at least 0.85 of tracing off, under 1 % of trace lost", 0.875, false},
		{Target{Of: Compare, Against: Netstackd, Least: 0.85, TraceLost: 0.01}, nil, "at least 0.85 of tracing off, under 1 % of trace lost", 0.875, false},
	} {
		r := Report{Groups: []Group{group(false, values)}}
		for i := range r.Groups[0].Rows {
			r.Groups[0].Rows[i].TraceLost = tt.lost
		}
		tt.target.Work, tt.target.Figure = "work", "figure"
		r.Judge([]Target{tt.target, {Work: "other", Figure: "figure", Of: tt.target.Of, Least: 1}})
		for _, row := range r.Groups[0].Rows {
			var want []Verdict
			if row.Kind == tt.target.Of {
				want = []Verdict{{Target: tt.words, Value: &tt.value, Met: tt.met}}
			}
			if diff := cmp.Diff(want, row.Verdicts); diff != "" {
				t.Errorf("%v of %s (-want +got):\n%s", tt.target, row.Path, diff)
			}
		}
	}
}

// TestEachBinaryAgainstItself wants the trace of a binary held against the same
// binary without.
func TestEachBinaryAgainstItself(t *testing.T) {
	g := Group{Work: "work", Figure: "figure", Rows: []Row{
		{Path: "old", Kind: Netstackd, Binary: "old", Samples: []float64{10}},
		{Path: "new", Kind: Netstackd, Binary: "new", Samples: []float64{20}},
		{Path: "old+compare", Kind: Compare, Binary: "old", Samples: []float64{9}},
		{Path: "new+compare", Kind: Compare, Binary: "new", Samples: []float64{16}},
	}}
	r := Report{Groups: []Group{g}}
	r.Judge([]Target{{Work: "work", Figure: "figure", Of: Compare, Against: Netstackd, Least: 0.85}})
	got := map[string]float64{}
	for _, row := range r.Groups[0].Rows[2:] {
		got[row.Path] = *row.Verdicts[0].Value
	}
	if diff := cmp.Diff(map[string]float64{"old+compare": 0.9, "new+compare": 0.8}, got); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
}
