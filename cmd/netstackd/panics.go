package main

import (
	"encoding/hex"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/hooks/capture"
	"netstackd/stack"
)

const (
	// panicsQueued is how many panics may wait to be written down. What comes beyond
	// that is counted as a panic like any other.
	panicsQueued = 16
	// mostLogged is how much of a packet stands in the log, in bytes, if there is no
	// quarantine.
	mostLogged = 512
)

// panics writes down what netstack panicked of, on a goroutine of its own: neither the
// packets' way nor the rebuilding waits for a disk.
type panics struct {
	// quarantine is nil if there is none.
	quarantine *capture.Quarantine
	onPanic    string // what follows
	log        logrus.FieldLogger
	notify     *notifier

	events chan panicEvent
	ending chan struct{} // closed by close
	ended  chan struct{} // closed when the goroutine ends
	lost   atomic.Uint64 // events that found the queue full
}

// A panicEvent is a panic, or that netstack is rebuilt after down.
type panicEvent struct {
	panic *stack.Panic
	down  time.Duration
}

// openPanics opens the quarantine, if there is to be one. It starts nothing.
func openPanics(cfg *config.Config, device string, log logrus.FieldLogger, notify *notifier) (*panics, error) {
	p := &panics{
		onPanic: "it is rebuilt, and its connections are lost", log: log, notify: notify,
		events: make(chan panicEvent, panicsQueued), ending: make(chan struct{}), ended: make(chan struct{}),
	}
	if cfg.ExitOnPanic {
		p.onPanic = "the host ends (-on-panic exit)"
	}
	if cfg.Quarantine == "" {
		return p, nil
	}
	var err error
	p.quarantine, err = capture.OpenQuarantine(cfg.Quarantine, device, version)
	return p, err
}

// start starts the goroutine.
func (p *panics) start() { go p.write() }

// panicked takes a panic, and does not wait.
func (p *panics) panicked(what stack.Panic) { p.put(panicEvent{panic: &what}) }

// rebuilt takes that netstack is there again, and does not wait.
func (p *panics) rebuilt(down time.Duration) { p.put(panicEvent{down: down}) }

func (p *panics) put(e panicEvent) {
	select {
	case p.events <- e:
	default:
		p.lost.Add(1)
	}
}

// write is the goroutine.
func (p *panics) write() {
	defer close(p.ended)
	for {
		select {
		case e := <-p.events:
			p.tell(e)
			continue
		case <-p.ending:
		}
		for {
			select {
			case e := <-p.events:
				p.tell(e)
			default:
				return
			}
		}
	}
}

func (p *panics) tell(e panicEvent) {
	if e.panic == nil {
		p.notify.say(statusAnswers)
		p.log.WithField("after", e.down.Round(time.Microsecond)).Info("netstack is rebuilt")
		return
	}
	p.notify.say("STATUS=netstack panicked: " + p.onPanic)
	p.keep(e.panic)
}

// keep puts a panic into quarantine, or else into the log.
func (p *panics) keep(e *stack.Panic) {
	log := p.log.WithFields(logrus.Fields{"where": e.Where.String(), "panic": e.Value, "connections": e.Connections})
	if p.quarantine != nil {
		comment := fmt.Sprintf("netstack panicked where=%s version=%s panic=%q\n%s", e.Where, version, e.Value, e.Stack)
		err := p.quarantine.Add(e.Time, e.Packets, comment)
		if err == nil {
			log.WithField("quarantine", p.quarantine.Path()).Error("netstack panicked: " + p.onPanic)
			return
		}
		log = log.WithError(err)
	}
	if n := len(e.Packets); n > 0 {
		packet := e.Packets[n-1]
		log = log.WithField("packet", hex.EncodeToString(packet[:min(len(packet), mostLogged)]))
	}
	log.WithField("stack", e.Stack).Error("netstack panicked: " + p.onPanic)
}

// close writes what is left, for no longer than tracePatience, and closes the
// quarantine. Who panics later yet, in a netstack that could not be freed, is counted only.
func (p *panics) close() error {
	close(p.ending)
	select {
	case <-p.ended:
	case <-time.After(tracePatience):
		return fmt.Errorf("close quarantine: it did not take the rest within %v", tracePatience)
	}
	if n := p.lost.Load(); n > 0 {
		p.log.WithField("lost", n).Warn("more panics than could be written down: they are counted only")
	}
	if p.quarantine == nil {
		return nil
	}
	return p.quarantine.Close()
}
