package load

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Connect makes connections to an echo service, with so many clients at a time.
// Each sends size bytes over its connection and reads them back, if that is not
// 0, and resets it. RTT is how long all of it takes.
func Connect(to netip.AddrPort, clients, size int, w Window) (Result, error) {
	var (
		measured, ending atomic.Bool
		failed           failure
		done             atomic.Int64
		group            sync.WaitGroup
		mu               sync.Mutex
	)
	rtts := newRTT() // guarded by mu
	for range clients {
		group.Go(func() {
			own, buf := newRTT(), make([]byte, size)
			for !ending.Load() {
				begin := time.Now()
				fd, err := dial(to, netip.Addr{})
				if err == nil {
					if size > 0 {
						err = exchangeOnce(fd, buf)
					}
					unix.Close(fd)
				}
				if err != nil {
					failed.set(err)
					break
				}
				took := time.Since(begin)
				if measured.Load() && !ending.Load() {
					own.add(took)
					done.Add(1)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			rtts.merge(own)
		})
	}
	elapsed := w.pass(&measured, &ending, func() bool { return done.Load() > 0 || failed.get() != nil })
	group.Wait()
	if err := failed.get(); err != nil {
		return Result{}, err
	}
	if rtts.Count() == 0 {
		return Result{}, fmt.Errorf("connect to %v: no connection in %v", to, elapsed)
	}
	return Result{Elapsed: elapsed, Operations: uint64(rtts.Count()), RTT: rtts}, nil
}
