package main

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestGiveBack: memory is given back each time that work is over, again and again but
// less and less often, and never while work goes on.
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
		after(60*time.Second, 10, 7) // a ping now and then
		after(60*time.Second, 1000, 7)
		after(9*time.Second, 10, 7)
		after(80*time.Second, 10, 15)
		after(10*time.Second, 10, 15)
		after(10*time.Second, 10, 16)
		after(24*time.Hour, 10, 69)
		close(stop)
		done.Wait()
	})
}
