package load

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Connect makes connections and resets them at once, with so many workers. RTT
// is how long connect takes.
func Connect(to netip.AddrPort, workers int, w Window) (Result, error) {
	var (
		measured, ending atomic.Bool
		failed           failure
		group            sync.WaitGroup
		mu               sync.Mutex
	)
	rtts := newRTT() // guarded by mu
	for range workers {
		group.Go(func() {
			own := newRTT()
			for !ending.Load() {
				begin := time.Now()
				fd, err := dial(to, netip.Addr{})
				if err != nil {
					failed.set(err)
					break
				}
				took := time.Since(begin)
				unix.Close(fd)
				if measured.Load() && !ending.Load() {
					own.add(took)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			rtts.merge(own)
		})
	}
	time.Sleep(w.Warm)
	w.Mark()
	begin := time.Now()
	measured.Store(true)
	time.Sleep(w.Length)
	ending.Store(true)
	elapsed := time.Since(begin)
	w.Mark()
	group.Wait()
	if err := failed.get(); err != nil {
		return Result{}, err
	}
	if rtts.Count() == 0 {
		return Result{}, fmt.Errorf("connect to %v: no connection in %v", to, w.Length)
	}
	return Result{Elapsed: elapsed, Operations: uint64(rtts.Count()), RTT: rtts}, nil
}
