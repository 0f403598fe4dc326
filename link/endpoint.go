package link

import (
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// defaultMTU in bytes, for a device that cannot tell its own.
const defaultMTU = 1500

// Options of an Endpoint.
type Options struct {
	// Log gets the device's events and the first failure of each kind; nil
	// discards them.
	Log logrus.FieldLogger
}

// Endpoint bridges a Device and a gVisor stack. It offers no offload: netstack
// computes every checksum of outbound packets and verifies every one of inbound
// packets, whose RXChecksumValidated stays false.
//
// All methods may be called concurrently, in any order and again.
//
// Attach starts a goroutine that reads the device and one that follows its
// events; Attach(nil) and Close stop them; Wait waits for them. Attach(nil) does
// not wait: netstack calls it with the stack's lock held, and the reader may be
// inside netstack waiting for that lock. For the same reason call Wait without
// holding it: after RemoveNIC, not by way of stack.Wait with the NIC still there.
//
// To stop, a read that waits for packets is interrupted by a read deadline on the
// device's File. A device that has no File, or none with deadlines, cannot be
// interrupted: its reader stays parked in Read after Attach(nil), what it then
// reads is dropped as link-detached, another Attach takes it up again, and Close
// ends it. Wait does not wait for a parked reader, but for what it delivers.
type Endpoint struct {
	dev      *Device
	log      logrus.FieldLogger
	mover    packetMover
	counters counters
	mtu      atomic.Uint32 // bytes
	linkAddr atomic.Value  // tcpip.LinkAddress; a TUN has none, netstack may set one

	follower follower // of the follower goroutine

	// done is closed, once, by die.
	done chan struct{}

	mu sync.Mutex
	// changed, on mu, is told of every change of reading, delivering, followers,
	// dispatcher and closed.
	changed *sync.Cond
	// The following are guarded by mu.
	dispatcher stack.NetworkDispatcher // nil when detached
	stop       chan struct{}           // made by Attach, closed and made nil by detachLocked
	reading    bool                    // the reader goroutine lives
	delivering bool                    // it is handing packets to a dispatcher
	followers  int                     // follower goroutines that live; the older one is about to end
	following  chan struct{}           // closed by the latest follower when it ends
	closed     bool
	dead       error // set by die
	onClose    func()
}

var _ stack.LinkEndpoint = (*Endpoint)(nil)

// NewEndpoint makes the endpoint of a device. It starts nothing. The endpoint's
// Close closes the device.
func NewEndpoint(dev *Device, o Options) *Endpoint {
	if o.Log == nil {
		o.Log = discard()
	}
	e := &Endpoint{dev: dev, log: o.Log.WithField("device", dev.name), done: make(chan struct{})}
	e.changed = sync.NewCond(&e.mu)
	e.mover = newPortable(dev.tun, &e.counters)
	e.follower.e = e
	e.setMTU(defaultMTU)
	if st, err := dev.State(); err == nil {
		e.setMTU(st.MTU)
		e.follower.known, e.follower.last = true, st
	}
	return e
}

// Attach starts to hand the device's packets to d; nil stops it, see Endpoint.
// Another d takes the first one's place. On an endpoint that is closed, or whose
// device is gone, nothing is started.
func (e *Endpoint) Attach(d stack.NetworkDispatcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d == nil {
		e.detachLocked()
		return
	}
	if e.closed {
		return
	}
	e.dispatcher = d
	e.changed.Broadcast()
	if e.dead != nil {
		return
	}
	if !e.reading {
		e.reading = true
		go e.readLoop()
	}
	// A reader that was told to stop and has not yet goes on instead.
	e.mover.resume()
	if e.stop == nil {
		e.stop = make(chan struct{})
		previous, ended := e.following, make(chan struct{})
		e.following = ended
		e.followers++
		go e.followLoop(e.stop, previous, ended)
	}
}

// detachLocked tells the goroutines to stop. e.mu is held.
func (e *Endpoint) detachLocked() {
	e.dispatcher = nil
	if e.stop != nil {
		close(e.stop)
		e.stop = nil
	}
	e.mover.interrupt()
	e.changed.Broadcast()
}

// IsAttached tells whether the last Attach had a dispatcher.
func (e *Endpoint) IsAttached() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dispatcher != nil
}

// Wait returns when the goroutines have ended, at once if there are none. Nobody
// tells them to here: Attach(nil) or Close does. About a device whose reads
// cannot be interrupted see Endpoint.
func (e *Endpoint) Wait() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.followers > 0 || e.reading && !e.parkedLocked() {
		e.changed.Wait()
	}
}

// parkedLocked tells whether the reader waits for a packet and nothing but Close
// can end that. e.mu is held.
func (e *Endpoint) parkedLocked() bool {
	return !e.mover.interruptible() && !e.closed && !e.delivering && e.dispatcher == nil
}

// Close detaches, and closes the device. What is written from then on is dropped
// as link-closed. It does not wait for the goroutines, Wait does.
func (e *Endpoint) Close() {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.closed = true
	e.detachLocked()
	onClose := e.onClose
	e.mu.Unlock()

	if onClose != nil {
		onClose()
	}
	if err := e.dev.Close(); err != nil {
		e.log.WithError(err).Warn("closing the device failed")
	}
}

// SetOnCloseAction sets what Close does before it closes the device.
func (e *Endpoint) SetOnCloseAction(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onClose = f
}

// Done is closed when the device died, which nobody here asked for: it was
// deleted, say. Err then tells why. Close does not close it.
func (e *Endpoint) Done() <-chan struct{} { return e.done }

// Err is why the device died, nil while it has not.
func (e *Endpoint) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dead
}

// die records that the device is gone, unless that is what somebody here asked
// for.
func (e *Endpoint) die(err error) {
	e.mu.Lock()
	first := !e.closed && e.dead == nil && !e.dev.closing.Load()
	if first {
		e.dead = err
		close(e.done)
	}
	e.mu.Unlock()
	if first {
		e.log.WithError(err).Error("the device is gone")
	}
}

// Counters are what has been moved and dropped so far.
func (e *Endpoint) Counters() Counters { return e.counters.snapshot() }

// MTU is the device's, in bytes, followed as it changes.
func (e *Endpoint) MTU() uint32 { return e.mtu.Load() }

// SetMTU makes netstack send packets of another length, in bytes, until the
// device's own MTU changes. The device is left alone.
func (e *Endpoint) SetMTU(mtu uint32) { e.mtu.Store(mtu) }

// setMTU records the device's own MTU.
func (e *Endpoint) setMTU(mtu int) {
	e.mtu.Store(uint32(mtu))
	e.mover.fit(mtu)
}

// MaxHeaderLength is 0: a TUN device has no link header.
func (*Endpoint) MaxHeaderLength() uint16 { return 0 }

// LinkAddress is empty unless one was set.
func (e *Endpoint) LinkAddress() tcpip.LinkAddress {
	addr, _ := e.linkAddr.Load().(tcpip.LinkAddress)
	return addr
}

// SetLinkAddress sets what LinkAddress returns and nothing else.
func (e *Endpoint) SetLinkAddress(addr tcpip.LinkAddress) { e.linkAddr.Store(addr) }

// Capabilities are none: no checksum is offloaded to the link.
func (*Endpoint) Capabilities() stack.LinkEndpointCapabilities { return stack.CapabilityNone }

// ARPHardwareType is ARPHRD_NONE, the device's own.
func (*Endpoint) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader does nothing: there is no link header.
func (*Endpoint) AddHeader(*stack.PacketBuffer) {}

// ParseHeader does nothing: there is no link header.
func (*Endpoint) ParseHeader(*stack.PacketBuffer) bool { return true }
