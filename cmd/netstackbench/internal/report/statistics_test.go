package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpreadOf(t *testing.T) {
	for _, tt := range []struct {
		name    string
		samples []float64
		want    Spread
	}{
		{"one", []float64{7}, Spread{Median: 7, Min: 7, Max: 7}},
		{"two", []float64{4, 1}, Spread{Median: 2.5, Min: 1, Max: 4}},
		{"odd", []float64{9, 1, 5}, Spread{Median: 5, Min: 1, Max: 9}},
		{"even", []float64{8, 2, 6, 4}, Spread{Median: 5, Min: 2, Max: 8}},
		{"an outlier moves the spread alone", []float64{5, 5, 1000, 5, 5}, Spread{Median: 5, Min: 5, Max: 1000}},
	} {
		before := append([]float64(nil), tt.samples...)
		if diff := cmp.Diff(tt.want, SpreadOf(tt.samples)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(before, tt.samples); diff != "" {
			t.Errorf("%s: it changed the samples (-before +after):\n%s", tt.name, diff)
		}
	}
}
