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
// nobody talks to for months is to be as small as it was. It ends when stop is
// closed. packets is how many have come in so far, free is debug.FreeOSMemory.
func giveBack(packets func() uint64, free func(), stop <-chan struct{}) {
	ticker := time.NewTicker(rest)
	defer ticker.Stop()
	last, worked := packets(), true // to start is work, too
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		n := packets()
		busy := n-last >= restPackets
		if worked && !busy {
			free()
		}
		last, worked = n, busy
	}
}

// limitMemory has the runtime collect in time to stay under the limit, unless the
// environment says otherwise. It is a soft limit: what is in use is not given up.
func limitMemory(cfg *config.Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(cfg.MemoryLimit)
	}
}
