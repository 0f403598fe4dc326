package stack

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"gvisor.dev/gvisor/pkg/waiter"
)

// service is one definition and what was opened for it; what it does not have
// is nil.
type service struct {
	definition
	listener *listener
	socket   *socket
	web      *webServer
	speed    *speedServer

	// off is closed by stop, once: nothing is accepted any more.
	off chan struct{}
	// done is closed by finish and tells its goroutines to end.
	done chan struct{}
	// goroutines counts them: one for the listener, one for each TCP connection.
	goroutines sync.WaitGroup
	finishing  sync.Once
}

// services are those of an instance. They do not change.
type services struct {
	// open are those that serve, in the order of the table.
	open []*service
	// ending were taken away, and have connections that go on.
	ending []*service
	// past is what those counted that have ended.
	past Counters
}

// all are those that have connections.
func (s *services) all() []*service { return slices.Concat(s.open, s.ending) }

func (s *services) names() []string {
	names := make([]string, 0, len(s.open))
	for _, o := range s.open {
		names = append(names, o.name)
	}
	return names
}

// held counts the TCP connections that the services have.
func (i *instance) held() (n uint64) {
	for _, s := range i.services.Load().all() {
		if s.listener != nil {
			n += uint64(s.listener.open())
		}
	}
	return n
}

// setServices is that of Host. On an error nothing is changed, unless it panicked.
func (i *instance) setServices(chosen []definition) error {
	if i.damaged.Load() {
		return errPanicked
	}
	set := make(chan error, 1)
	if !i.ask(WhereService, func() {
		i.changing.Lock()
		defer i.changing.Unlock()
		if i.closed {
			set <- os.ErrClosed
			return
		}
		set <- i.change(chosen)
	}) {
		return errPanicked
	}
	return <-set
}

// change opens the services that are new, and takes away those that are chosen no
// more. It is called with changing held.
func (i *instance) change(chosen []definition) error {
	was, next := i.services.Load(), &services{}
	var fresh []*service
	for _, d := range chosen {
		if at := slices.IndexFunc(was.open, func(s *service) bool { return s.name == d.name }); at >= 0 {
			next.open = append(next.open, was.open[at])
			continue
		}
		s := &service{definition: d, off: make(chan struct{}), done: make(chan struct{})}
		next.open, fresh = append(next.open, s), append(fresh, s)
		if err := i.open(s); err != nil {
			for _, s := range fresh {
				i.takeAway(s)
			}
			return err
		}
	}
	p := makePage(i.about, i.prefixes, chosen)
	for _, s := range next.open {
		if s.web != nil {
			s.web.page.Store(p)
		}
	}
	var gone []*service
	for _, s := range was.open {
		if !slices.Contains(next.open, s) {
			gone = append(gone, s)
		}
	}
	next.ending, next.past = slices.Concat(was.ending, gone), was.past
	i.services.Store(next)
	if i.serving {
		for _, s := range fresh {
			i.begin(s)
		}
	}
	for _, s := range gone {
		i.takeAway(s)
		if s.web != nil {
			i.run(s, s.web.drain)
		}
		finished, most := make(chan struct{}), i.limits.drain
		i.goroutines.Go(func() {
			s.goroutines.Wait()
			close(finished)
		})
		i.goroutines.Go(func() {
			i.drain(s, finished, most)
			i.retire(s)
		})
	}
	return nil
}

// takeAway closes the ports of a service. What connects just then is turned away.
func (i *instance) takeAway(s *service) {
	if s.listener != nil {
		i.sources.leave(s.listener)
		s.listener.turnAway()
	}
	if s.speed != nil {
		// A test is nothing without its ports: the server tells its client, and ends it.
		i.sources.evict(s.listener)
	}
	s.stop()
}

// drain lets the connections of a service end that was taken away, until finished is
// closed. Those that are there after most yet are reset, and counted, unless the service is
// back by then.
func (i *instance) drain(s *service, finished <-chan struct{}, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	done := s.done
	for {
		select {
		case <-finished:
			return
		case <-done:
			done = nil // the host closes
		case <-timer.C:
			if slices.Contains(i.services.Load().names(), s.name) {
				timer.Reset(most)
				continue
			}
			i.cover(WhereService, func() {
				for _, v := range i.sources.evict(s.listener) {
					// Whoever serves it finds out.
					v.ep.Abort()
				}
				s.finish()
			})
		}
	}
}

// retire keeps what a service has counted that has ended.
func (i *instance) retire(s *service) {
	i.changing.Lock()
	defer i.changing.Unlock()
	next := *i.services.Load()
	next.ending = slices.DeleteFunc(slices.Clone(next.ending), func(o *service) bool { return o == s })
	c := Counters{Services: map[string]ServiceCounters{}, Drops: map[string]uint64{}}
	c.Services[s.name] = s.count(c.Drops)
	next.past = next.past.plus(c, false)
	i.services.Store(&next)
}

// open opens the ports of a service. What it opens, stop closes, after an error too.
func (i *instance) open(s *service) error {
	var err error
	if s.streams() {
		s.listener, err = listenTCP(i.stack, s.name, s.port, i.limits, i.sources, &i.connections, s.off, i.log)
		if err != nil {
			return err
		}
	}
	if s.definition.web {
		s.web = newWebServer(i, s.listener, i.limits, s.done, i.log)
	}
	if s.datagrams() {
		if s.socket, err = listenUDP(i.stack, s.definition, i.own); err != nil {
			return err
		}
	}
	if s.definition.speed {
		s.speed = newSpeedServer(i, s.listener, s.socket, i.log)
	}
	return nil
}

// begin starts what serves.
func (i *instance) begin(s *service) {
	switch {
	case s.web != nil:
		i.run(s, s.web.serve)
	case s.speed != nil:
		i.run(s, s.speed.serve)
	case s.listener != nil:
		i.run(s, func() { i.accept(s) })
	}
}

// run runs f on a goroutine of a service, covered.
func (i *instance) run(s *service, f func()) {
	s.goroutines.Go(func() { i.cover(WhereService, f) })
}

// stop closes the ports, once. Connections go on.
func (s *service) stop() {
	close(s.off)
	if s.listener != nil {
		s.listener.close()
	}
	if s.socket != nil {
		s.socket.close()
	}
}

// finish tells the goroutines of a service that was stopped to end. It does not wait for
// them.
func (s *service) finish() {
	s.finishing.Do(func() {
		close(s.done)
		if s.web != nil {
			s.web.close()
		}
	})
}

// accept is the accept loop of one service.
func (i *instance) accept(s *service) {
	for {
		at, wq, err := s.listener.next()
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				i.log.WithField("service", s.name).WithError(err).Error("listener failed")
			}
			return
		}
		s.goroutines.Go(func() {
			// Around the cover, for what is lost with a panic is counted there.
			defer at.release()
			i.cover(WhereService, func() { i.serve(s, at, wq) })
		})
	}
}

// serve serves one connection to its end.
func (i *instance) serve(s *service, at *seat, wq *waiter.Queue) {
	conn := newStream(at, wq, at.idle, s.done)
	err := s.stream(conn)
	if errors.Is(err, errIdle) {
		s.listener.idled.Add(1)
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		i.log.WithFields(logrus.Fields{"service": s.name, "remote": conn.from}).
			WithError(err).Debug("connection ended early")
	}
	conn.close(err == nil)
}

// SetServices changes which services there are, from names out of ServiceNames. What is
// new is open when it returns, the ports of what is chosen no more are closed. Connections
// of that may go on for a minute; what is left of them then is reset, and counted. A test
// of iperf3 ends at once, and its client is told. On an error nothing is changed. A host
// whose netstack is being rebuilt has them afterwards.
func (h *Host) SetServices(names []string) error {
	chosen, err := chooseServices(names)
	if err != nil {
		return fmt.Errorf("set services: %w", err)
	}
	h.serving.Lock()
	defer h.serving.Unlock()
	if i := h.current(); i != nil {
		if err := i.setServices(chosen); err != nil && !errors.Is(err, errPanicked) {
			return fmt.Errorf("set services: %w", err)
		}
	}
	h.chosen = chosen // the next one gets them
	return nil
}

func (h *Host) wantedLimits() limits {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.limits
}
