package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/sirupsen/logrus"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Host is one IP host: netstack, its NIC and its services. Its methods are safe
// for concurrent use. Whatever New returned needs Close.
type Host struct {
	link     netstack.LinkEndpoint
	prefixes []netip.Prefix
	log      logrus.FieldLogger
	stack    *netstack.Stack
	services []*service
	limits   limits
	sources  *sources
	// connections are those of all services.
	connections connections

	// done is closed by Close and tells every goroutine of the host to end.
	done chan struct{}
	// goroutines counts those of the host: one for each listener, one for each
	// TCP connection.
	goroutines sync.WaitGroup

	mu      sync.Mutex
	started bool // guarded by mu
	closed  bool // guarded by mu

	closing  sync.Once
	closeErr error // written under closing
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

// New builds a host and opens its listeners. Nothing is attached, and no
// goroutine of this package runs, before Start; netstack's TCP goroutines run
// from here to Close.
func New(c Config) (*Host, error) {
	return newHost(c, c.Limits.limits())
}

func newHost(c Config, lim limits) (*Host, error) {
	chosen, err := c.check()
	if err != nil {
		return nil, err
	}
	h := &Host{
		link:     c.Link,
		prefixes: slices.Clone(c.Addresses),
		log:      c.Log,
		limits:   lim,
		sources:  newSources(lim),
		done:     make(chan struct{}),
	}
	if h.log == nil {
		h.log = silentLog()
	}
	if h.stack, err = newNetstack(); err != nil {
		return nil, fmt.Errorf("create host: %w", err)
	}
	own := newOwnAddresses(h.prefixes)
	for _, d := range chosen {
		s := &service{definition: d}
		h.services = append(h.services, s) // first, so that Close finds what is open
		if err := h.open(s, own, c.About, chosen); err != nil {
			return nil, errors.Join(fmt.Errorf("create host: %w", err), h.Close())
		}
	}
	return h, nil
}

func (h *Host) open(s *service, own *ownAddresses, about About, chosen []definition) error {
	var err error
	if s.streams() {
		s.listener, err = listenTCP(h.stack, s.name, s.port, h.limits, h.sources, &h.connections, h.done, h.log)
		if err != nil {
			return err
		}
	}
	if s.definition.web {
		s.web = newWebServer(s.listener, makePage(about, h.prefixes, chosen), h.limits, h.log)
	}
	if s.datagrams() {
		if s.socket, err = listenUDP(h.stack, s.definition, own); err != nil {
			return err
		}
	}
	if s.definition.speed {
		s.speed = newSpeedServer(s.listener, s.socket, h.log)
	}
	return nil
}

// Start attaches the link, gives the host its addresses and routes, and begins
// to serve. It works once. After an error the host still needs Close.
func (h *Host) Start() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return fmt.Errorf("start host: %w", os.ErrClosed)
	case h.started:
		return errors.New("start host: already started")
	}
	h.started = true
	if err := addNIC(h.stack, h.link, h.prefixes); err != nil {
		return fmt.Errorf("start host: %w", err)
	}
	for _, s := range h.services {
		switch {
		case s.web != nil:
			h.goroutines.Go(s.web.serve)
		case s.speed != nil:
			h.goroutines.Go(s.speed.serve)
		case s.listener != nil:
			h.goroutines.Go(func() { h.accept(s) })
		}
	}
	// Last, so that the first packet finds everything.
	if err := enableNIC(h.stack); err != nil {
		return fmt.Errorf("start host: %w", err)
	}
	h.log.WithFields(logrus.Fields{"addresses": h.prefixes, "services": h.names()}).Debug("netstack is up")
	return nil
}

// SetLimits changes what clients may hold. Connections that are open stay, also where
// there are more of them than that, and so does their idle time: then new ones are
// refused until there are fewer.
func (h *Host) SetLimits(l Limits) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	lim := l.limits()
	h.sources.setLimits(lim)
	for _, s := range h.services {
		if s.listener == nil {
			continue
		}
		if err := s.listener.setLimits(lim); err != nil {
			return fmt.Errorf("set limits: %w", err)
		}
	}
	return nil
}

func (h *Host) names() []string {
	names := make([]string, 0, len(h.services))
	for _, s := range h.services {
		names = append(names, s.name)
	}
	return names
}

// accept is the accept loop of one service.
func (h *Host) accept(s *service) {
	for {
		at, wq, err := s.listener.next()
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				h.log.WithField("service", s.name).WithError(err).Error("listener failed")
			}
			return
		}
		h.goroutines.Go(func() { h.serve(s, at, wq) })
	}
}

// serve serves one connection to its end.
func (h *Host) serve(s *service, at *seat, wq *waiter.Queue) {
	defer at.release()
	conn := newStream(at, wq, at.idle, h.done)
	err := s.stream(conn)
	if errors.Is(err, errIdle) {
		s.listener.idled.Add(1)
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		h.log.WithFields(logrus.Fields{"service": s.name, "remote": conn.from}).
			WithError(err).Debug("connection ended early")
	}
	conn.close(err == nil)
}

// Close stops the services, resets the connections that are open, detaches the
// link and frees netstack. It waits until no goroutine of the host or of
// netstack is left, for the link's own too as far as Link.Wait knows them, and
// must not be called from within the link's delivery. Resets leave through the
// link while it is still attached. netstack closes the link endpoint.
//
// Every call waits for the first to finish and returns the same.
func (h *Host) Close() error {
	h.closing.Do(func() { h.closeErr = h.shutDown() })
	return h.closeErr
}

func (h *Host) shutDown() error {
	h.mu.Lock()
	h.closed = true
	started := h.started
	h.mu.Unlock()

	close(h.done)
	for _, s := range h.services {
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
	h.goroutines.Wait()

	// What is left are connections in TIME-WAIT and the like: reset them while
	// there is still a NIC, then take the NIC away.
	h.stack.Close()
	var err error
	if started && h.stack.HasNIC(nicID) {
		err = asError(h.stack.RemoveNIC(nicID), "remove NIC")
		h.link.Wait()
	}
	h.stack.Wait()
	if err != nil {
		return fmt.Errorf("close host: %w", err)
	}
	return nil
}
