package link

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

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
	// Offload says whether super-segments pass; "" means OffloadOff.
	Offload Offload
	// BusyPoll is how long at most an idle device is polled before the reader
	// blocks on it; 0 never polls. It needs offload.
	BusyPoll time.Duration
}

// Endpoint bridges a Device and a gVisor stack.
//
// With offload, TCP super-segments pass whole both ways, and outbound ones, as
// all segments of TCP connections, leave with the sum of the pseudo-header where
// the checksum will be (CHECKSUM_PARTIAL in include/linux/skbuff.h). Inbound
// packets are marked with what the kernel said of them, and nothing is vouched
// for here:
//   - RXChecksumValidated: the kernel found the transport checksum right.
//   - GSOOptions.NeedsCsum: the field holds the pseudo-header's sum; L3HdrLen is
//     where the TCP or UDP header begins, CsumOffset where the field is in it.
//   - GSOOptions.Type and MSS: a super-segment, in segments of MSS bytes.
//
// The endpoint advertises no capability of a receiver: netstack copies that over
// the mark of each packet, so whoever verifies what the kernel did not, and
// stands between, has to advertise it.
//
// UDP super-datagrams, where the kernel has them, pass to and from the kernel
// alone: inbound ones are split, and the datagrams of one flow that are written
// while the packets of one read are delivered leave as one. Whoever stands
// between endpoint and netstack sees each by itself. Each over IPv4 but the first
// of a super-datagram leaves with another identification than netstack gave it.
//
// Without offload every packet is one of the wire, its checksums computed and
// verified by netstack.
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
	offloads bool      // that mover passes super-segments
	gather   *gatherer // of outbound datagrams, nil if the device takes no super-datagrams
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
	reader     int                     // its number; earlier ones were given up
	followers  int                     // follower goroutines that live; the older one is about to end
	following  chan struct{}           // closed by the latest follower when it ends
	closed     bool
	dead       error         // set by die
	beat       chan struct{} // made by Beat, closed and made nil by the reader at the end of a turn
	onClose    func()
}

var (
	_ stack.LinkEndpoint = (*Endpoint)(nil)
	_ stack.GSOEndpoint  = (*Endpoint)(nil)
)

// NewEndpoint makes the endpoint of a device. It starts nothing. The endpoint's
// Close closes the device. The error is of OffloadOn on a device that cannot.
func NewEndpoint(dev *Device, o Options) (*Endpoint, error) {
	if o.Log == nil {
		o.Log = discard()
	}
	e := &Endpoint{dev: dev, log: o.Log.WithField("device", dev.name), done: make(chan struct{})}
	e.changed = sync.NewCond(&e.mu)
	if err := e.chooseMover(o); err != nil {
		return nil, err
	}
	e.follower.e = e
	e.setMTU(defaultMTU)
	if st, err := dev.State(); err == nil {
		e.setMTU(st.MTU)
		e.follower.known, e.follower.last = true, st
	}
	return e, nil
}

// chooseMover decides how packets are moved.
func (e *Endpoint) chooseMover(o Options) error {
	if o.Offload == OffloadAuto || o.Offload == OffloadOn {
		mover, err := startOffloading(e.dev, &e.counters, o.BusyPoll)
		if err == nil {
			e.mover, e.offloads = mover, true
			if write := mover.writeSuper(); write != nil {
				e.gather = &gatherer{write: write, wrote: e.wroteGathered}
			}
			return nil
		}
		if o.Offload == OffloadOn {
			return fmt.Errorf("offload to device %s: %w", e.dev.name, err)
		}
		e.log.WithError(err).Info("no offload: super-segments are split, and checksums computed, on the way")
	}
	e.mover = newPortable(e.dev.tun, &e.counters)
	return nil
}

// Offloads tells whether super-segments pass.
func (e *Endpoint) Offloads() bool { return e.offloads }

// SupportedGSO implements stack.GSOEndpoint: with offload, super-segments are
// the kernel's to split.
func (e *Endpoint) SupportedGSO() stack.SupportedGSO {
	if e.offloads {
		return stack.HostGSOSupported
	}
	return stack.GSONotSupported
}

// GSOMaxSize implements stack.GSOEndpoint, in bytes.
func (e *Endpoint) GSOMaxSize() uint32 {
	if e.offloads {
		return gsoMaxSize
	}
	return 0
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
		go e.readLoop(e.reader)
	}
	// A reader that was told to stop and has not yet goes on instead.
	e.mover.resume()
	if e.beat != nil {
		e.mover.interrupt() // and takes its turn first
	}
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

// Abandon gives up a reader that is handing packets to a dispatcher, which may never
// return: netstack panicked, say, and left its locks held. The next Attach starts
// another. Nobody waits for the one given up; if it does come back it hands over
// what it has, and ends. Call it after Attach(nil).
func (e *Endpoint) Abandon() {
	if e.abandonReader() && e.gather != nil {
		// Its batch may never end, and what others write is not to wait for that.
		e.gather.end()
	}
}

func (e *Endpoint) abandonReader() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.reading || !e.delivering {
		return false
	}
	e.reader++
	e.reading, e.delivering = false, false
	if e.beat != nil { // the next one is of the next reader
		close(e.beat)
		e.beat = nil
	}
	e.changed.Broadcast()
	return true
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

// Capabilities are none, see Endpoint. That of checksums to be computed is not
// offered with offload either: netstack would leave 0 in the field of what is no
// connection's segment.
func (*Endpoint) Capabilities() stack.LinkEndpointCapabilities { return stack.CapabilityNone }

// ARPHardwareType is ARPHRD_NONE, the device's own.
func (*Endpoint) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader does nothing: there is no link header.
func (*Endpoint) AddHeader(*stack.PacketBuffer) {}

// ParseHeader does nothing: there is no link header.
func (*Endpoint) ParseHeader(*stack.PacketBuffer) bool { return true }
