package load

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Exchange sends size bytes to an echo service on each of n TCP connections,
// waits for them, and does it again.
func Exchange(to netip.AddrPort, n, size int, w Window) (Result, error) {
	all, err := dialAll(to, n)
	if err != nil {
		return Result{}, err
	}
	defer all.close()
	var (
		measured, ending atomic.Bool
		done             atomic.Int64
		failed           failure
		workers          sync.WaitGroup
		mu               sync.Mutex
	)
	rtts := newRTT() // guarded by mu
	for _, fd := range all {
		workers.Go(func() {
			own := newRTT()
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				rtts.merge(own)
			}()
			buf := make([]byte, size)
			for {
				begin := time.Now()
				err := exchangeOnce(fd, buf)
				if ending.Load() {
					return
				}
				if err != nil {
					failed.set(err)
					return
				}
				if measured.Load() {
					own.add(time.Since(begin))
					done.Add(1)
				}
			}
		})
	}
	elapsed := w.pass(&measured, &ending, func() bool { return done.Load() > 0 || failed.get() != nil })
	all.end()
	workers.Wait()
	if err := failed.get(); err != nil {
		return Result{}, fmt.Errorf("exchange: %w", err)
	}
	if rtts.Count() == 0 {
		return Result{}, fmt.Errorf("exchange: none was done in %v", elapsed)
	}
	count := uint64(rtts.Count())
	return Result{Elapsed: elapsed, Operations: count, Bytes: count * uint64(size), RTT: rtts}, nil
}

// exchangeOnce sends buf and reads as much.
func exchangeOnce(fd int, buf []byte) error {
	if _, err := write(fd, buf); err != nil {
		return err
	}
	for rest := buf; len(rest) > 0; {
		n, err := read(fd, rest)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("the other side ended the connection")
		}
		rest = rest[n:]
	}
	return nil
}
