package link

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// A read that keeps failing is tried again after a pause that doubles from
// firstPause to longestPause, so that it never keeps a core busy.
const (
	firstPause   = time.Millisecond
	longestPause = 250 * time.Millisecond
	// freeFailures in a row need no pause: each may be one bad packet.
	freeFailures = 8
)

// politeTurns is how many times the reader reads before it lets others run: under
// a flood it never waits, and has the only core if there is one.
const politeTurns = 64

// readLoop is the reader goroutine: it hands the device's packets to whichever
// dispatcher is attached. number is its own.
func (e *Endpoint) readLoop(number int) {
	var (
		pkts     []*stack.PacketBuffer
		err      error
		failures int // in a row
	)
	for turns := 1; ; turns++ {
		if turns%politeTurns == 0 {
			runtime.Gosched()
		}
		pkts, err = e.mover.receive(pkts[:0])

		e.mu.Lock()
		dispatcher := e.dispatcher
		e.delivering = true
		e.mu.Unlock()

		e.deliverAll(dispatcher, pkts)
		switch {
		case err == nil, errors.Is(err, errLyingHeader): // the next packet is another one
			failures = 0
		case !errors.Is(err, os.ErrDeadlineExceeded):
			failures++
		}

		if gone := e.judgeRead(err); gone != nil {
			e.die(gone)
		}
		if stop, goOn := e.readAgain(number, err, failures); !goOn {
			return
		} else if failures > freeFailures {
			pause(stop, failures-freeFailures)
		}
	}
}

// readAgain is the end of each turn of the reader. goOn is false when it is to
// end, which is decided and recorded under one lock, so that Attach never finds
// a reader that is about to leave. stop is closed when the endpoint is detached.
func (e *Endpoint) readAgain(number int, err error, failures int) (stop <-chan struct{}, goOn bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if number != e.reader {
		return nil, false // it was given up
	}
	e.delivering = false
	detached := e.dispatcher == nil
	goOn = !e.closed && e.dead == nil && !e.dev.closing.Load() &&
		(!detached || !e.mover.interruptible() && failures == 0)
	if !goOn {
		e.mover.rest()
		e.reading = false
	}
	if e.beat != nil {
		close(e.beat)
		e.beat = nil
		if goOn && !detached {
			e.mover.resume()
		}
	}
	if !goOn || detached {
		e.changed.Broadcast() // ended, or parked
	}
	return e.stop, goOn
}

// deliverAll hands over what one receive brought. What netstack replies to several
// is gathered.
func (e *Endpoint) deliverAll(d stack.NetworkDispatcher, pkts []*stack.PacketBuffer) {
	if e.gather != nil && len(pkts) > 1 {
		e.gather.begin()
		defer e.gather.end()
	}
	for i, pkt := range pkts {
		e.deliver(d, pkt)
		pkts[i] = nil // it may live on in a pool
	}
}

// deliver hands one packet over; netstack takes references of its own.
func (e *Endpoint) deliver(d stack.NetworkDispatcher, pkt *stack.PacketBuffer) {
	defer pkt.DecRef()
	if d == nil {
		e.counters.drop(dropDetached)
		return
	}
	e.counters.in(pkt.Size())
	d.DeliverNetworkPacket(pkt.NetworkProtocolNumber, pkt)
}

// judgeRead counts and logs a failed read. It returns an error when the device
// is gone.
func (e *Endpoint) judgeRead(err error) (gone error) {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	for _, fatal := range []error{os.ErrClosed, syscall.ENODEV, syscall.ENXIO, io.EOF} {
		if errors.Is(err, fatal) {
			return fmt.Errorf("read device %s: %w: somebody deleted it", e.dev.name, ErrGone)
		}
	}
	var (
		onFile *fs.PathError
		errno  syscall.Errno
	)
	switch {
	case errors.As(err, &onFile):
		if e.counters.drop(dropReadError) {
			e.log.WithError(err).Warn("reading the device failed; further failures are only counted")
		}
	case errors.As(err, &errno):
		// Not a read at all: Read also passes on what ended wireguard's event
		// listener. The follower looks at the device by itself as well.
		e.log.WithError(err).Warn("events of the device are not told any more; looking every few seconds instead")
	default:
		if e.counters.drop(dropMalformed) {
			e.log.WithError(err).Warn("the device gave a malformed packet; further ones are only counted")
		}
	}
	return nil
}

// pause waits before the nth try, or until stop is closed.
func pause(stop <-chan struct{}, n int) {
	d := longestPause
	if n < 16 {
		d = min(firstPause<<(n-1), longestPause)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-stop:
	}
}
