package main

import (
	"os"
	"runtime"
	"time"

	"netstackd/link"
)

// A packet is with us for a few microseconds, in which it passes three
// goroutines; on another core each would have to be woken first, which costs more
// than its work. So half of the cores are left to the kernel's side of the link
// and to whoever talks to us. On 2 cores, one is measured to be better than two in
// all but one work: several streams that come in at once keep one core so busy
// that the second pays.
const (
	// manyFlows at least send at once, of which one would be better off with one
	// core: 0.85 of the kernel's throughput, and 0.68 with two.
	manyFlows = 3
	// busySuperSegments came in since the last look: 4 Gbit/s.
	busySuperSegments = 800
	// lookAt is how often we look, calmLooks how many times in a row it has to be
	// calm again.
	lookAt    = 100 * time.Millisecond
	calmLooks = 5
)

// procs chooses how many cores run Go code.
type procs struct {
	few, many int
	bulk      func() link.Bulk

	calm int // looks in a row without bulk, up to calmLooks
	stop chan struct{}
	done chan struct{}
}

// newProcs leaves half of the cores to others from start on, unless the environment
// says otherwise.
func newProcs() *procs {
	all := runtime.GOMAXPROCS(0)
	p := &procs{few: (all + 1) / 2, many: all, calm: calmLooks}
	if os.Getenv("GOMAXPROCS") != "" {
		p.few = all
	}
	return p
}

// start leaves them, and watches what bulk says, until close. It comes after netstack
// was built, which starts a TCP processor for each core that it finds: there is one
// for the second, too, once that pays.
func (p *procs) start(bulk func() link.Bulk) {
	runtime.GOMAXPROCS(p.few)
	if p.few != 1 || p.many == 1 {
		return // measured on 2 cores alone
	}
	p.bulk, p.stop, p.done = bulk, make(chan struct{}), make(chan struct{})
	go p.watch()
}

func (p *procs) close() {
	if p.stop != nil {
		close(p.stop)
		<-p.done
	}
}

func (p *procs) watch() {
	defer close(p.done)
	ticker := time.NewTicker(lookAt)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
		}
		if n := p.look(p.bulk()); n != runtime.GOMAXPROCS(0) {
			runtime.GOMAXPROCS(n)
		}
	}
}

// look says how many cores are worth while, after what came in since the last
// look.
func (p *procs) look(b link.Bulk) int {
	switch {
	case b.Flows >= manyFlows && b.SuperSegments >= busySuperSegments:
		p.calm = 0
	case p.calm < calmLooks:
		p.calm++
	}
	if p.calm < calmLooks {
		return p.many
	}
	return p.few
}
