package main

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestGiveBack: memory is given back once each time that work is over, and never
// while it goes on.
func TestGiveBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var packets, given atomic.Uint64
		stop := make(chan struct{})
		var done sync.WaitGroup
		done.Go(func() { giveBack(packets.Load, func() { given.Add(1) }, stop) })
		after := func(d time.Duration, each uint64, want uint64) {
			t.Helper()
			for range d / time.Second {
				time.Sleep(time.Second)
				packets.Add(each)
			}
			synctest.Wait()
			if got := given.Load(); got != want {
				t.Errorf("given back %d times, want %d", got, want)
			}
		}
		after(9*time.Second, 1, 0)
		after(2*time.Second, 1, 1)   // the start is over
		after(60*time.Second, 10, 1) // a ping now and then
		after(60*time.Second, 1000, 1)
		after(21*time.Second, 10, 2)
		after(60*time.Second, 10, 2)
		close(stop)
		done.Wait()
	})
}
