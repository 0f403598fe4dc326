package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// An instance is one netstack, with its NIC and its services, until it is closed or
// panics: then it is damaged, for good. Its methods are safe for concurrent use.
type instance struct {
	// link is what its NIC has for a link.
	link     *fence
	prefixes []netip.Prefix
	log      logrus.FieldLogger
	stack    *netstack.Stack
	own      *ownAddresses
	about    About
	sources  *sources
	// connections are those of all services.
	connections connections
	// services is written under changing.
	services atomic.Pointer[services]

	// changing is held while limits or services change. Nobody who reads what is
	// counted waits for it, since who has it may be stuck in netstack.
	changing sync.Mutex
	limits   limits // guarded by changing
	serving  bool   // guarded by changing
	closed   bool   // guarded by changing

	// panicked is told of each panic, on the goroutine that panicked, and must not
	// wait.
	panicked func(*instance, Panic)
	// damaged says that netstack panicked. Nobody calls into it any more but to free
	// it.
	damaged atomic.Bool
	// broken is closed then.
	broken chan struct{}

	// goroutines counts those that wait for a service to end.
	goroutines sync.WaitGroup
	// started is written by start, before close.
	started bool
}

// newInstance builds netstack on a link and opens its listeners. Nothing is attached,
// and no goroutine of this package runs, before start; netstack's TCP goroutines run
// from here to close. On an error nothing is left behind, unless it panicked.
func newInstance(c *Config, chosen []definition, lim limits, lost *losses, panicked func(*instance, Panic)) (*instance, error) {
	i := &instance{
		link:     &fence{LinkEndpoint: c.Link, abandon: c.Abandon, losses: lost},
		prefixes: slices.Clone(c.Addresses),
		own:      newOwnAddresses(c.Addresses),
		about:    c.About,
		log:      c.Log,
		limits:   lim,
		sources:  newSources(lim),
		panicked: panicked,
		broken:   make(chan struct{}),
	}
	i.link.instance = i
	i.services.Store(&services{})
	var err error
	if !i.cover(WhereBuild, func() { err = i.build(chosen, c.UnlimitedErrors) }) {
		// To free it might be to wait for a lock.
		return nil, fmt.Errorf("create host: %w", errPanicked)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create host: %w", err), i.close())
	}
	return i, nil
}

func (i *instance) build(chosen []definition, unlimited bool) (err error) {
	if i.stack, err = newNetstack(unlimited); err != nil {
		return err
	}
	i.changing.Lock()
	defer i.changing.Unlock()
	return i.change(chosen)
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
	i.log.WithFields(logrus.Fields{"addresses": i.prefixes, "services": i.services.Load().names()}).Debug("netstack is up")
	return nil
}

func (i *instance) serveAll() error {
	if err := addNIC(i.stack, i.link, i.prefixes); err != nil {
		return err
	}
	i.changing.Lock()
	i.serving = true
	for _, s := range i.services.Load().open {
		i.begin(s)
	}
	i.changing.Unlock()
	// Last, so that the first packet finds everything.
	if err := enableNIC(i.stack); err != nil {
		return err
	}
	i.link.open()
	return nil
}

// setLimits is that of Host. wanted returns the limits, which may be others by the time
// that it is their turn.
func (i *instance) setLimits(wanted func() limits) error {
	set := make(chan error, 1)
	if !i.ask(WhereService, func() { set <- i.limitAll(wanted) }) {
		return errPanicked
	}
	return <-set
}

func (i *instance) limitAll(wanted func() limits) error {
	i.changing.Lock()
	defer i.changing.Unlock()
	i.limits = wanted()
	i.sources.setLimits(i.limits)
	for _, s := range i.services.Load().open {
		if s.listener == nil {
			continue
		}
		if err := s.listener.setLimits(i.limits); err != nil {
			return err
		}
	}
	return nil
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
	i.changing.Lock()
	i.closed = true
	i.changing.Unlock()
	served := i.services.Load()
	for _, s := range served.open {
		s.stop()
	}
	for _, s := range served.all() {
		s.finish()
		s.goroutines.Wait()
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
