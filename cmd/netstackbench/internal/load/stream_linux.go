package load

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// transfer is what one read or write of bulk data takes at most, in bytes.
const transfer = 1 << 20

// Send sends over n TCP connections to a discard service as fast as it takes.
// Bytes are those that the other side acknowledged, not those that wait in a
// buffer of this one.
func Send(to netip.AddrPort, n int, w Window) (Result, error) {
	return bulk(to, n, w, func(fd int, buf []byte, _ *atomic.Uint64) error {
		_, err := write(fd, buf)
		return err
	}, func(all connections, _ *atomic.Uint64) (uint64, error) {
		var sum uint64
		for _, fd := range all {
			info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
			if err != nil {
				return 0, fmt.Errorf("read TCP_INFO: %w", err)
			}
			sum += info.Bytes_acked
		}
		return sum, nil
	})
}

// Receive reads from n TCP connections to a chargen service as fast as it sends.
func Receive(to netip.AddrPort, n int, w Window) (Result, error) {
	return bulk(to, n, w, func(fd int, buf []byte, count *atomic.Uint64) error {
		got, err := read(fd, buf)
		if err == nil && got == 0 {
			err = fmt.Errorf("the other side ended the connection")
		}
		count.Add(uint64(max(got, 0)))
		return err
	}, func(_ connections, count *atomic.Uint64) (uint64, error) { return count.Load(), nil })
}

// bulk runs move on each connection, again and again, and measures count.
func bulk(to netip.AddrPort, n int, w Window, move func(int, []byte, *atomic.Uint64) error,
	count func(connections, *atomic.Uint64) (uint64, error),
) (Result, error) {
	all, err := dialAll(to, n)
	if err != nil {
		return Result{}, err
	}
	defer all.close()
	var (
		moved  atomic.Uint64
		ending atomic.Bool
		failed failure
		movers sync.WaitGroup
	)
	for _, fd := range all {
		movers.Go(func() {
			buf := make([]byte, transfer)
			for {
				err := move(fd, buf, &moved)
				if ending.Load() {
					return
				}
				if err != nil {
					failed.set(err)
					return
				}
			}
		})
	}
	time.Sleep(w.Warm)
	w.Mark()
	begin := time.Now()
	before, errBefore := count(all, &moved)
	time.Sleep(w.Length)
	after, errAfter := count(all, &moved)
	for after == before && errAfter == nil && failed.get() == nil && time.Since(begin) < w.Length+overtime {
		time.Sleep(time.Millisecond)
		after, errAfter = count(all, &moved)
	}
	elapsed := time.Since(begin)
	w.Mark()
	ending.Store(true)
	all.end()
	movers.Wait()
	for _, err := range []error{failed.get(), errBefore, errAfter} {
		if err != nil {
			return Result{}, fmt.Errorf("move data: %w", err)
		}
	}
	if after == before {
		return Result{}, fmt.Errorf("move data: nothing moved in %v", elapsed)
	}
	return Result{Elapsed: elapsed, Bytes: after - before}, nil
}
