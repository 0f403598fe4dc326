package report

import "slices"

// Spread is where the samples lie.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// SpreadOf is the spread of the samples, of which there is at least one.
func SpreadOf(samples []float64) Spread {
	return Spread{Median: Median(samples), Min: slices.Min(samples), Max: slices.Max(samples)}
}

// Median is the middle one, or half way between the two in the middle. There is
// at least one.
func Median(samples []float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
