package linktest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.zx2c4.com/wireguard/tun"

	"netstackd/link"
)

// queueLen bounds what a Device holds in either direction.
const queueLen = 1024

// ErrFull tells that a Device holds as much as it can.
var ErrFull = errors.New("queue is full")

// DeviceOptions of a Device; the zero value is a device named "fake" with an MTU
// of 1500 that reads one packet at a time and can be interrupted.
type DeviceOptions struct {
	Name      string
	MTU       int // bytes
	BatchSize int
	// NoFile makes File return nil, as Windows' device does: its reads can be
	// ended by Close only.
	NoFile bool
}

// Device is a TUN device in memory. All methods may be called concurrently.
type Device struct {
	name   string
	batch  int
	noFile bool

	// The pipe holds a byte for each element of inbound, so that a Read waits on
	// a file, with deadlines, as on a real device.
	waiting, token *os.File

	sent   chan []byte    // closed by nobody
	events chan tun.Event // closed by Close

	mu sync.Mutex
	// The following are guarded by mu.
	inbound  []read
	readErr  error // of every Read
	writeErr error // of every Write
	state    link.State
	stateErr error
	reads    int
	looks    int
	closed   bool
}

// read is what one Read returns.
type read struct {
	packets [][]byte
	err     error
}

var (
	_ tun.Device  = (*Device)(nil)
	_ link.Stater = (*Device)(nil)
)

// NewDevice makes a Device. Close it.
func NewDevice(o DeviceOptions) (*Device, error) {
	if o.Name == "" {
		o.Name = "fake"
	}
	if o.MTU == 0 {
		o.MTU = 1500
	}
	waiting, token, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make device %s: %w", o.Name, err)
	}
	return &Device{
		name:    o.Name,
		batch:   max(o.BatchSize, 1),
		noFile:  o.NoFile,
		waiting: waiting,
		token:   token,
		sent:    make(chan []byte, queueLen),
		events:  make(chan tun.Event, 5), // as many as wireguard's
		state:   link.State{Name: o.Name, Up: true, MTU: o.MTU},
	}, nil
}

// Inject gives a packet to the next Read that is free. The device owns it from
// then on.
func (d *Device) Inject(packet []byte) error { return d.InjectRead(nil, packet) }

// InjectRead gives several packets, an error or both to one Read. More packets
// than BatchSize come as a super-segment with too many segments comes from
// wireguard: one less than fit, with tun.ErrTooManySegments.
func (d *Device) InjectRead(err error, packets ...[]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return os.ErrClosed
	}
	if len(d.inbound) >= queueLen {
		return ErrFull
	}
	d.inbound = append(d.inbound, read{packets, err})
	_, werr := d.token.Write([]byte{0})
	return werr
}

// Sent are the packets written to the device, whoever receives one owns it. When
// nobody takes them, Write fails with ENOBUFS after the 1,024th.
func (d *Device) Sent() <-chan []byte { return d.sent }

// FailReads makes every Read fail from the next on, nil makes them work again.
// A Read that is waiting still waits for something to be injected.
func (d *Device) FailReads(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.readErr = err
}

// FailWrites makes every Write fail, nil makes them work again.
func (d *Device) FailWrites(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writeErr = err
}

// SetState sets what State returns, and sends no event.
func (d *Device) SetState(s link.State, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state, d.stateErr = s, err
}

// SendEvent sends an event, and fails when five already wait to be taken.
func (d *Device) SendEvent(e tun.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return os.ErrClosed
	}
	select {
	case d.events <- e:
		return nil
	default:
		return ErrFull
	}
}

// Reads is how many times Read was called.
func (d *Device) Reads() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reads
}

// Looks is how many times State was called.
func (d *Device) Looks() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.looks
}

// State implements link.Stater.
func (d *Device) State() (link.State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looks++
	return d.state, d.stateErr
}

// File is a file whose read deadline interrupts Read, or nil.
func (d *Device) File() *os.File {
	if d.noFile {
		return nil
	}
	return d.waiting
}

// Read waits for what Inject or InjectRead gives.
func (d *Device) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	d.mu.Lock()
	d.reads++
	err := d.readErr
	d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if _, err := d.waiting.Read(make([]byte, 1)); err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.inbound[0]
	d.inbound = d.inbound[1:]
	for i, packet := range r.packets {
		if i == len(bufs) {
			return i - 1, tun.ErrTooManySegments
		}
		sizes[i] = len(packet)
		copy(bufs[i][offset:], packet)
	}
	return len(r.packets), r.err
}

// Write queues copies of the packets for Sent. As wireguard may, it writes to
// the room before and after each packet.
func (d *Device) Write(bufs [][]byte, offset int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0, os.ErrClosed
	}
	if d.writeErr != nil {
		return 0, d.writeErr
	}
	total := 0
	for _, b := range bufs {
		packet := append([]byte(nil), b[offset:]...)
		for i := range offset {
			b[i] = 0xa5
		}
		rest := b[len(b):cap(b)]
		for i := range rest {
			rest[i] = 0xa5
		}
		select {
		case d.sent <- packet:
			total += len(packet)
		default:
			return total, syscall.ENOBUFS
		}
	}
	return total, nil
}

// MTU is that of the state set last.
func (d *Device) MTU() (int, error) {
	s, err := d.State()
	return s.MTU, err
}

// Name is the name it was made with.
func (d *Device) Name() (string, error) { return d.name, nil }

// Events are those of SendEvent, until Close.
func (d *Device) Events() <-chan tun.Event { return d.events }

// Close ends a waiting Read, which fails with os.ErrClosed as all others from
// then on.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return os.ErrClosed
	}
	d.closed = true
	close(d.events)
	return errors.Join(d.waiting.Close(), d.token.Close())
}

// BatchSize is as the options say.
func (d *Device) BatchSize() int { return d.batch }
