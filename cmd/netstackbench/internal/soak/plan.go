package soak

import (
	"iter"
	"math/rand/v2"
	"slices"
)

// Rand is the source of everything random in the run of a seed.
func Rand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// Rounds yields faults without end: first each in turn, then all of them again in
// another order, which comes from random. last tells of each round's last one.
func Rounds[F any](faults []F, random *rand.Rand) iter.Seq2[F, bool] {
	return func(yield func(F, bool) bool) {
		for order := slices.Clone(faults); ; {
			for i, f := range order {
				if !yield(f, i == len(order)-1) {
					return
				}
			}
			random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
	}
}
