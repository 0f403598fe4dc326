package soak_test

import (
	"slices"
	"testing"

	"netstackd/cmd/netstackbench/internal/soak"
)

// TestRounds: each round has each fault once, the first in the order given, the others
// in one that the seed makes.
func TestRounds(t *testing.T) {
	faults := []int{0, 1, 2, 3, 4, 5, 6, 7}
	const rounds = 20
	plan := func(seed uint64) (all []int) {
		for f, last := range soak.Rounds(faults, soak.Rand(seed)) {
			all = append(all, f)
			if (len(all)%len(faults) == 0) != last {
				t.Fatalf("after %v: last is %v", all, last)
			}
			if len(all) == rounds*len(faults) {
				break
			}
		}
		return all
	}
	one := plan(1)
	orders := map[[8]int]bool{}
	for round := range slices.Chunk(one, len(faults)) {
		orders[[8]int(round)] = true
		if !slices.Equal(slices.Sorted(slices.Values(round)), faults) {
			t.Errorf("a round: %v", round)
		}
	}
	switch {
	case !slices.Equal(one[:len(faults)], faults):
		t.Errorf("the first round: %v", one[:len(faults)])
	case !slices.Equal(one, plan(1)):
		t.Error("the same seed makes another plan")
	case slices.Equal(one, plan(2)):
		t.Error("another seed makes the same plan")
	case len(orders) < rounds/2:
		t.Errorf("%d orders in %d rounds", len(orders), rounds)
	}
}
