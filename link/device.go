package link

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	"golang.zx2c4.com/wireguard/tun"
)

// Limits of a device's MTU, in bytes.
const (
	// MinMTU is the least every IPv4 link must carry, RFC 791 section 3.2, and
	// the least a Linux TUN device takes (ETH_MIN_MTU).
	MinMTU = 68
	// MaxMTU is the most a TUN device takes: the longest IPv4 packet.
	MaxMTU = 65535
	// MinMTU6 is the least every IPv6 link must carry, RFC 8200 section 5. Linux
	// takes IPv6 off a device whose MTU falls below it.
	MinMTU6 = 1280
)

var (
	// ErrGone tells that the device does not exist any more, though nobody here
	// closed it.
	ErrGone = errors.New("device is gone")
	// ErrElsewhere tells that the device was moved to another network namespace:
	// it still carries packets, its state cannot be seen from here.
	ErrElsewhere = errors.New("device is in another network namespace")
)

// Address is an address of the kernel's side of the link.
type Address struct {
	// Local is the kernel's own address with the length of the link's prefix.
	Local netip.Prefix
	// Peer is the other end of a point-to-point link: where Local is a single
	// address (/32, /128) and netstack's is unrelated. Not valid otherwise.
	Peer netip.Addr
}

// String is the address as ip(8) takes it: "172.16.0.1/24", or
// "10.0.0.1 peer 10.9.9.9/32".
func (a Address) String() string {
	if !a.Peer.IsValid() {
		return a.Local.String()
	}
	return fmt.Sprintf("%v peer %v", a.Local.Addr(), netip.PrefixFrom(a.Peer, a.Peer.BitLen()))
}

// Config says what Open makes.
type Config struct {
	// Name of the device, see CheckName.
	Name string
	// MTU in bytes, MinMTU to MaxMTU, with an IPv6 address at least MinMTU6.
	MTU int
	// Kernel are the addresses Up gives to the kernel's side.
	Kernel []Address
	// Netstack are the addresses the other side owns, with the length of the
	// link's prefix. They are given to nobody here, only conflicts are refused.
	Netstack []netip.Prefix
	// Log gets warnings; nil discards them.
	Log logrus.FieldLogger
}

// ipv6 tells whether an IPv6 address is wanted on either side.
func (c *Config) ipv6() bool {
	for _, a := range c.Kernel {
		if a.Local.Addr().Is6() {
			return true
		}
	}
	for _, p := range c.Netstack {
		if p.Addr().Is6() {
			return true
		}
	}
	return false
}

// State is what the kernel says of a device.
type State struct {
	// Name it has now; it may have been renamed.
	Name string
	// Up is the administrative state, IFF_UP.
	Up bool
	// MTU in bytes.
	MTU int
	// Missing are the addresses that Up gave, or that a prepared device had, and
	// that are there no more.
	Missing []Address
}

// Statistics is what the kernel counts of a device.
type Statistics struct {
	// QueueLen is how many packets for netstack may wait in the device's queue,
	// and TxDropped how many found it full, or the device without a reader.
	QueueLen  int
	TxDropped uint64
}

// Stater is what a tun.Device given to Wrap may implement to be asked for its
// state; without it only the MTU is known.
type Stater interface {
	State() (State, error)
}

// Device is a TUN device. Its methods may be called concurrently.
type Device struct {
	tun    tun.Device
	name   string // when it was opened
	index  int    // interface index; 0 when the kernel is not asked (Wrap)
	kernel []Address
	log    logrus.FieldLogger
	// virtio says that tun's File passes packets behind virtio-net headers, and is no
	// TUN device to be asked whether it does.
	virtio bool
	// prepared says that somebody else made and configured it, and that it stays;
	// netstack are then the other side's addresses.
	prepared bool
	netstack []netip.Prefix

	// configured is set when Up has given the addresses: from then on one that
	// is not there is missing.
	configured atomic.Bool
	// closing is set before tun is closed, so that who then finds it closed
	// knows that it was on purpose.
	closing   atomic.Bool
	closeOnce sync.Once
	closeErr  error // written in closeOnce
}

// Wrap makes a Device of a TUN device that somebody else opened and configured.
// The Device owns it from then on. Up does nothing.
func Wrap(dev tun.Device) *Device {
	name, err := dev.Name()
	if err != nil {
		name = "tun" // only ever shown
	}
	return &Device{tun: dev, name: name, log: discard()}
}

// WrapVirtio is Wrap for a device that is none of the kernel's, but whose File,
// one end of a pair of sockets, say, passes one packet at a time behind a
// virtio-net header of 10 bytes, and agrees to everything that Linux can offload.
// With OffloadOn or OffloadAuto packets move on that file alone.
func WrapVirtio(dev tun.Device) *Device {
	d := Wrap(dev)
	d.virtio = true
	return d
}

// Name is the name the device was opened with. It may have been renamed since,
// see State.
func (d *Device) Name() string { return d.name }

// Kernel are the addresses of the kernel's side: those that Up gives, or that a
// prepared device had when it was opened.
func (d *Device) Kernel() []Address { return slices.Clone(d.kernel) }

// State asks the kernel for the device's state. The error is ErrGone when the
// device was deleted, ErrElsewhere when it is in another network namespace,
// os.ErrClosed when it was closed here.
func (d *Device) State() (State, error) {
	if d.closing.Load() {
		return State{}, fmt.Errorf("read state of %s: %w", d.name, os.ErrClosed)
	}
	if d.index != 0 {
		st, err := d.kernelState()
		if d.closing.Load() {
			// Half of it may have been read of a device that was no more.
			return State{}, fmt.Errorf("read state of %s: %w", d.name, os.ErrClosed)
		}
		return st, err
	}
	if s, ok := d.tun.(Stater); ok {
		return s.State()
	}
	mtu, err := d.tun.MTU()
	if err != nil {
		return State{}, fmt.Errorf("read MTU of %s: %w", d.name, err)
	}
	return State{Name: d.name, Up: true, MTU: mtu}, nil
}

// Close closes the device; blocked reads and writes return. The kernel removes
// the device, its addresses and its routes with it, but for one that was prepared. Close returns when that is
// done and nothing the device started is left. It may be called again, then it
// returns what the first call returned.
func (d *Device) Close() error {
	d.closeOnce.Do(func() {
		d.closing.Store(true)
		if d.prepared {
			d.leave()
		}
		if err := d.tun.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			d.closeErr = fmt.Errorf("close device %s: %w", d.name, err)
		}
		// The device's own goroutines may be about to send an event, and end
		// only when somebody takes it. The last of them closes the channel.
		if events := d.tun.Events(); events != nil {
			for range events { //nolint:revive // drained, nobody wants them now
			}
		}
	})
	return d.closeErr
}

// discard is the logger of who did not want one.
func discard() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}
