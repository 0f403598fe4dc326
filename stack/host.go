package stack

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Host is one IP host: netstack, its NIC and its services. It outlives its netstack:
// when that panics on a goroutine of ours, the instance is abandoned and another one
// built in its place (rebuild.go). Its methods are safe for concurrent use. Whatever
// New returned needs Close.
type Host struct {
	config Config
	chosen []definition // guarded by serving
	limits limits       // guarded by mu
	log    logrus.FieldLogger
	// cores are how many ran Go code when New was called: netstack starts as many
	// TCP processors.
	cores int

	// instances is written under mu.
	instances atomic.Pointer[instances]

	panics         [wheres]atomic.Uint64
	rebuilds, lost atomic.Uint64

	// broken has room for one signal that the current instance may be damaged.
	broken chan struct{}
	// done is closed by Close and ends the keeper, which is the goroutine that
	// rebuilds.
	done   chan struct{}
	keeper sync.WaitGroup
	budget budget // the keeper's

	// failed is closed, once, when the host is not rebuilt; failure says why.
	failed  chan struct{}
	failure error

	// losses are those of all instances.
	losses losses

	// serving is held while services change, or an instance with services is made.
	serving sync.Mutex

	mu      sync.Mutex
	started bool // guarded by mu
	closed  bool // guarded by mu

	closing  sync.Once
	closeErr error // written under closing
}

// instances are those that a host has. They do not change.
type instances struct {
	// current is nil while there is none.
	current *instance
	// abandoned are damaged and not freed.
	abandoned []*instance
	// past is what those counted that are freed, and refused that of Refused.
	past    Counters
	refused uint64
}

// current is the instance that lives, or nil.
func (h *Host) current() *instance { return h.instances.Load().current }

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
	if c.Log == nil {
		c.Log = silentLog()
	}
	c.Addresses = slices.Clone(c.Addresses)
	h := &Host{
		config: c, chosen: chosen, limits: lim, log: c.Log, cores: runtime.GOMAXPROCS(0),
		broken: make(chan struct{}, 1), done: make(chan struct{}), failed: make(chan struct{}),
	}
	i, err := newInstance(&h.config, chosen, lim, &h.losses, h.panicked)
	if err != nil {
		return nil, err
	}
	h.instances.Store(&instances{current: i})
	return h, nil
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
	if err := h.current().start(); err != nil {
		return err
	}
	h.keeper.Go(h.keep)
	return nil
}

// SetLimits changes what clients may hold. Connections that are open stay, also where
// there are more of them than that, and so does their idle time: then new ones are
// refused until there are fewer.
func (h *Host) SetLimits(l Limits) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	h.mu.Lock()
	h.limits = l.limits()
	i := h.current()
	h.mu.Unlock()
	if i == nil {
		return nil // the next one gets them
	}
	if err := i.setLimits(h.wantedLimits); err != nil && !errors.Is(err, errPanicked) { // so does that one's
		return fmt.Errorf("set limits: %w", err)
	}
	return nil
}

// closePatience is how long Close waits for a damaged netstack to be freed.
const closePatience = time.Second

// Close stops the services, resets the connections that are open, detaches the
// link and frees netstack. It waits until no goroutine of the host or of
// netstack is left, for the link's own too as far as Link.Wait knows them, and
// must not be called from within the link's delivery. Resets leave through the
// link while it is still attached. netstack closes the link endpoint.
//
// For a netstack that has panicked it waits a second at most, and that does not close
// the link endpoint.
//
// Every call waits for the first to finish and returns the same.
func (h *Host) Close() error {
	h.closing.Do(func() { h.closeErr = h.shutDown() })
	return h.closeErr
}

func (h *Host) shutDown() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	close(h.done)
	h.keeper.Wait()

	i := h.current()
	if i == nil {
		h.awaitFreed()
		return nil
	}
	closed := make(chan error, 1)
	go func() { closed <- i.close() }()
	var err error
	select {
	case err = <-closed:
	case <-i.broken:
		select {
		case err = <-closed:
		case <-time.After(closePatience):
			err = fmt.Errorf("close host: %w, and cannot be freed", errPanicked)
		}
	}
	h.awaitFreed()
	return err
}
