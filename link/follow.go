package link

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sirupsen/logrus"
)

// lookEvery is how often the device is looked at without an event. Events are
// only a hint to look at once: wireguard sends EventDown up to a second late or
// not at all (it forgets with every netlink message that the device was ever up),
// sends none for addresses, and none at all for MTU once its netlink socket has
// failed, for example overrun (ENOBUFS). A subscription of our own would fail
// just as that does; asking does not.
const lookEvery = 5 * time.Second

// lookEveryPrepared is the same of a prepared device, of which there are no events:
// wireguard asks whether one is up as often.
const lookEveryPrepared = time.Second

// follower watches a device on behalf of an endpoint and says in the log what
// changed, also while the endpoint was detached. It belongs to the followLoop that
// runs; the next one waits for that to end.
type follower struct {
	e      *Endpoint
	known  bool // last has been read
	last   State
	failed string // what the last look failed with, "" if it did not
}

// followLoop is the follower goroutine. previous is closed when the one before
// has ended, nil if there was none; ended is closed, and counted, at the end.
func (e *Endpoint) followLoop(stop <-chan struct{}, previous <-chan struct{}, ended chan<- struct{}) {
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		close(ended)
		e.followers--
		e.changed.Broadcast()
	}()
	if previous != nil {
		<-previous
	}
	f := &e.follower
	f.look()
	every := lookEvery
	if e.dev.prepared {
		every = lookEveryPrepared
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	events := e.dev.tun.Events()
	for {
		select {
		case <-stop:
			return
		case _, open := <-events:
			if !open {
				events = nil // closed; stop is about to be
				continue
			}
		case <-ticker.C:
		}
		if !f.look() {
			ticker.Stop() // nothing to see any more, but events must be taken
		}
	}
}

// look reads the device's state and tells what is new. It is false when the
// device is gone or closed.
func (f *follower) look() bool {
	e := f.e
	now, err := e.dev.State()
	switch {
	case errors.Is(err, os.ErrClosed):
		return false
	case errors.Is(err, ErrGone):
		e.die(fmt.Errorf("follow device %s: %w: somebody deleted it", e.dev.name, ErrGone))
		e.interruptRead()
		return false
	case err != nil:
		if f.failed != err.Error() {
			f.failed = err.Error()
			e.log.WithError(err).Warn("the device's state cannot be seen; packets are still moved")
		}
		return true
	}
	if f.failed != "" {
		f.failed = ""
		e.log.Info("the device's state can be seen again")
	}
	if !f.known || now.MTU != f.last.MTU {
		e.setMTU(now.MTU)
	}
	if f.known && f.last.MTU < MinMTU6 && now.MTU >= MinMTU6 {
		// The kernel made the device's IPv6 settings anew. Who has given up its
		// privileges since cannot set them again, and the log says so.
		e.dev.keepAddresses(now.Name)
	}
	for _, n := range judge(f.known, f.last, now, e.dev.kernel) {
		e.log.WithFields(n.fields).Log(n.level, n.message)
	}
	f.known, f.last = true, now
	return true
}

// interruptRead has the reader find out that the device is dead.
func (e *Endpoint) interruptRead() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mover.interrupt()
}

// notice is one line of the log.
type notice struct {
	level   logrus.Level
	message string
	fields  logrus.Fields
}
