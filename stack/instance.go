package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/waiter"
)

// An instance is one netstack, with its NIC and its services, until it is closed or
// panics: then it is damaged, for good. Its methods are safe for concurrent use.
type instance struct {
	// link is what its NIC has for a link.
	link     *fence
	prefixes []netip.Prefix
	log      logrus.FieldLogger
	stack    *netstack.Stack
	services []*service
	limits   limits
	sources  *sources
	// connections are those of all services.
	connections connections

	// panicked is told of each panic, on the goroutine that panicked, and must not
	// wait.
	panicked func(*instance, Panic)
	// damaged says that netstack panicked. Nobody calls into it any more but to free
	// it.
	damaged atomic.Bool
	// broken is closed then.
	broken chan struct{}

	// done is closed by close and tells every goroutine of the instance to end.
	done chan struct{}
	// goroutines counts those of the instance: one for each listener, one for each
	// TCP connection.
	goroutines sync.WaitGroup
	// started is written by start, before close.
	started bool
}

// service is one definition and what was opened for it; what it does not have
// is nil.
type service struct {
	definition
	listener *listener
	socket   *socket
	web      *webServer
	speed    *speedServer
}

// newInstance builds netstack on a link and opens its listeners. Nothing is attached,
// and no goroutine of this package runs, before start; netstack's TCP goroutines run
// from here to close. On an error nothing is left behind, unless it panicked.
func newInstance(c *Config, chosen []definition, lim limits, lost *losses, panicked func(*instance, Panic)) (*instance, error) {
	i := &instance{
		link:     &fence{LinkEndpoint: c.Link, abandon: c.Abandon, losses: lost},
		prefixes: slices.Clone(c.Addresses),
		log:      c.Log,
		limits:   lim,
		sources:  newSources(lim),
		panicked: panicked,
		broken:   make(chan struct{}),
		done:     make(chan struct{}),
	}
	i.link.instance = i
	var err error
	if !i.cover(WhereBuild, func() { err = i.build(c, chosen) }) {
		// To free it might be to wait for a lock.
		return nil, fmt.Errorf("create host: %w", errPanicked)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create host: %w", err), i.close())
	}
	return i, nil
}

func (i *instance) build(c *Config, chosen []definition) (err error) {
	if i.stack, err = newNetstack(); err != nil {
		return err
	}
	own := newOwnAddresses(i.prefixes)
	for _, d := range chosen {
		s := &service{definition: d}
		i.services = append(i.services, s) // first, so that close finds what is open
		if err := i.open(s, own, c.About, chosen); err != nil {
			return err
		}
	}
	return nil
}

func (i *instance) open(s *service, own *ownAddresses, about About, chosen []definition) error {
	var err error
	if s.streams() {
		s.listener, err = listenTCP(i.stack, s.name, s.port, i.limits, i.sources, &i.connections, i.done, i.log)
		if err != nil {
			return err
		}
	}
	if s.definition.web {
		s.web = newWebServer(i, s.listener, makePage(about, i.prefixes, chosen), i.limits, i.log)
	}
	if s.datagrams() {
		if s.socket, err = listenUDP(i.stack, s.definition, own); err != nil {
			return err
		}
	}
	if s.definition.speed {
		s.speed = newSpeedServer(i, s.listener, s.socket, i.log)
	}
	return nil
}

// start attaches the link, gives the host its addresses and routes, and begins
// to serve. It works once. After an error the instance still needs close.
func (i *instance) start() (err error) {
	i.started = true
	if !i.cover(WhereBuild, func() { err = i.serveAll() }) {
		err = errPanicked
	}
	if err != nil {
		return fmt.Errorf("start host: %w", err)
	}
	i.log.WithFields(logrus.Fields{"addresses": i.prefixes, "services": i.names()}).Debug("netstack is up")
	return nil
}

func (i *instance) serveAll() error {
	if err := addNIC(i.stack, i.link, i.prefixes); err != nil {
		return err
	}
	for _, s := range i.services {
		switch {
		case s.web != nil:
			i.run(s.web.serve)
		case s.speed != nil:
			i.run(s.speed.serve)
		case s.listener != nil:
			i.run(func() { i.accept(s) })
		}
	}
	// Last, so that the first packet finds everything.
	if err := enableNIC(i.stack); err != nil {
		return err
	}
	i.link.open()
	return nil
}

// run runs f on a goroutine of the instance, covered.
func (i *instance) run(f func()) {
	i.goroutines.Go(func() { i.cover(WhereService, f) })
}

// setLimits is that of Host.
func (i *instance) setLimits(lim limits) error {
	set := make(chan error, 1)
	if !i.ask(WhereService, func() { set <- i.limitAll(lim) }) {
		return errPanicked
	}
	return <-set
}

func (i *instance) limitAll(lim limits) error {
	i.sources.setLimits(lim)
	for _, s := range i.services {
		if s.listener == nil {
			continue
		}
		if err := s.listener.setLimits(lim); err != nil {
			return err
		}
	}
	return nil
}

// held counts the TCP connections that the services have.
func (i *instance) held() (n uint64) {
	for _, s := range i.services {
		if s.listener != nil {
			n += uint64(s.listener.open())
		}
	}
	return n
}

func (i *instance) names() []string {
	names := make([]string, 0, len(i.services))
	for _, s := range i.services {
		names = append(names, s.name)
	}
	return names
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
		i.goroutines.Go(func() {
			// Around the cover, for what is lost with a panic is counted there.
			defer at.release()
			i.cover(WhereService, func() { i.serve(s, at, wq) })
		})
	}
}

// serve serves one connection to its end.
func (i *instance) serve(s *service, at *seat, wq *waiter.Queue) {
	conn := newStream(at, wq, at.idle, i.done)
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

// close stops the services, resets the connections that are open, detaches the
// link and frees netstack. It waits until no goroutine of the instance or of
// netstack is left, for the link's own too as far as Link.Wait knows them, and
// must not be called from within the link's delivery. Resets leave through the
// link while it is still attached. netstack closes the link endpoint.
//
// Of a damaged instance the link is not touched, and close may never return, for
// whoever panicked may have held a lock. Call it once.
func (i *instance) close() (err error) {
	if !i.cover(WhereClose, func() { err = i.shutDown() }) {
		err = errPanicked
	}
	if err != nil {
		return fmt.Errorf("close host: %w", err)
	}
	return nil
}

func (i *instance) shutDown() error {
	close(i.done)
	for _, s := range i.services {
		if s.listener != nil {
			s.listener.close()
		}
		if s.web != nil {
			s.web.close()
		}
		if s.socket != nil {
			s.socket.close()
		}
	}
	i.goroutines.Wait()
	if i.stack == nil {
		return nil // it was never built
	}
	// What is left are connections in TIME-WAIT and the like: reset them while
	// there is still a NIC, then take the NIC away.
	i.stack.Close()
	var err error
	if i.started && i.stack.HasNIC(nicID) {
		err = asError(i.stack.RemoveNIC(nicID), "remove NIC")
		i.link.Wait()
	}
	i.stack.Wait()
	i.link.forget()
	return err
}
