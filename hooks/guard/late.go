package guard

import (
	"sync"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// late tells of datagrams in fragments that did not become whole in time. Between
// such there is nothing to do, and nobody wakes.
type late struct {
	// wake says that there are fragments to wait for. It holds one.
	wake chan struct{}
	// quit is closed by Close, once.
	quit     chan struct{}
	quitOnce sync.Once
	// waiting is the goroutine that Start starts.
	waiting sync.WaitGroup
	// timeouts is what Sweep works with, to be used again.
	timeouts []byhand.Timeout
}

// How often it is looked whether time is up, and by how much the reference host
// tells of it too early.
const (
	lateEvery = 500 * time.Millisecond
	lateEarly = time.Second
)

// begin has it known that fragments wait.
func (l *late) begin() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Start starts the goroutine that tells of datagrams which did not become whole.
func (g *Guard) Start() {
	g.late.waiting.Go(func() {
		for {
			select {
			case <-g.late.wake:
				g.wait()
			case <-g.late.quit:
				return
			}
		}
	})
}

// wait sweeps until no fragments wait any more.
func (g *Guard) wait() {
	tick := time.NewTicker(lateEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if !g.Sweep(now) {
				return
			}
		case <-g.late.quit:
			return
		}
	}
}

// Close ends what Start has started.
func (g *Guard) Close() {
	g.late.quitOnce.Do(func() { close(g.late.quit) })
	g.late.waiting.Wait()
}

// Sweep tells of each ICMPv4 message whose time to become whole is up at now, of
// which netstack tells nobody, and reports whether other fragments wait. It is for
// one goroutine at a time.
func (g *Guard) Sweep(now time.Time) (pending bool) {
	h := &g.hand
	h.mu.Lock()
	g.late.timeouts = h.host.Timeouts(now.Add(-lateEarly), g.late.timeouts[:0])
	pending = h.host.Pending(now)
	h.mu.Unlock()
	e, told := h.endpoint.Load(), g.current.Load().mends.has(mendReassemblyTimeout)
	for i := range g.late.timeouts {
		t := &g.late.timeouts[i]
		if told && t.Request.Version == 4 && t.Request.Protocol == wire.ProtocolICMPv4 && t.Expect == byhand.MustReply && e != nil && h.errors.AllowN(now, 1) {
			// What the link does not take it counts.
			_ = e.Send(t.Reply, hooks.Answer{By: "byhand", Mend: nameOf(mendReassemblyTimeout), Alone: true, Received: t.Since})
		}
		*t = byhand.Timeout{}
	}
	return pending
}
