package load

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// holdClients is how many clients open connections at a time.
const holdClients = 4

// Held are connections that are open.
type Held struct {
	// Err is why there are not as many as asked for, nil if there are.
	Err error

	all connections
}

// Hold opens n connections to an echo service from these addresses, and has one
// byte echoed over each, which proves that it is served. It stops at the first
// that cannot be opened; that is no error, unless it is the very first.
func Hold(to netip.AddrPort, sources []netip.Addr, n int) (*Held, error) {
	var (
		next    atomic.Int64
		failed  failure
		clients sync.WaitGroup
		mu      sync.Mutex
	)
	h := &Held{} // its connections are guarded by mu
	for range min(holdClients, n) {
		clients.Go(func() {
			for failed.get() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				fd, err := dial(to, sources[i%len(sources)])
				if err == nil {
					if err = exchangeOnce(fd, make([]byte, 1)); err != nil {
						unix.Close(fd)
					}
				}
				if err != nil {
					failed.set(err)
					return
				}
				mu.Lock()
				h.all = append(h.all, fd)
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	if h.Err = failed.get(); len(h.all) == 0 {
		return nil, h.Err
	}
	return h, nil
}

// Alive is how many of them still echo.
func (h *Held) Alive() int {
	alive := 0
	for _, fd := range h.all {
		if exchangeOnce(fd, make([]byte, 1)) == nil {
			alive++
		}
	}
	return alive
}

// closeStep is how many connections are reset between two pauses of closePause: more
// resets at once than the device's queue holds would be lost.
const (
	closeStep  = 50
	closePause = 2 * time.Millisecond
)

// Close resets them.
func (h *Held) Close() {
	for some := range slices.Chunk(h.all, closeStep) {
		some.close()
		Pause(closePause)
	}
}
