package main

import (
	"os"
	"runtime/debug"
	"time"

	"netstackd/cmd/netstackd/internal/config"
)

const (
	// rest is how long the host has to be at rest before its memory is given
	// back: with fewer packets than restPackets in that time.
	rest        = 10 * time.Second
	restPackets = 500
)

// giveBack returns to the system, whenever the host has come to rest after some
// work, the memory that the work took and Go keeps for the next: a host that
// nobody talks to for months is to be as small as it was. What ends later, as
// connections do that are found to be idle, and fragments that nothing follows, is
// given back later: again and again, but less and less often. It ends when stop is
// closed. packets is how many have come in so far, free gives back.
func giveBack(packets func() uint64, free func(), stop <-chan struct{}) {
	ticker := time.NewTicker(rest)
	defer ticker.Stop()
	last, rested, next := packets(), 0, 1 // to start is work, too
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		n := packets()
		if n-last >= restPackets {
			rested, next = 0, 1
		} else if rested++; rested == next {
			free()
			next += 1 + next/8
		}
		last = n
	}
}

// limitMemory has the runtime collect in time to stay under the limit, unless the
// environment says otherwise. It is a soft limit: what is in use is not given up.
func limitMemory(cfg *config.Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(cfg.MemoryLimit)
	}
}
