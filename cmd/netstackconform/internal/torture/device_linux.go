package torture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"

	"netstackd/cmd/netstackconform/internal/hostile"
)

// bufferLen is what the sockets of a device may hold, in bytes: several packets of
// the greatest length.
const bufferLen = 4 << 20

// A device is a TUN device to the link, and a pair of sockets in truth, which keep
// the bounds of packets.
type device struct {
	near *os.File
	far  int
	mtu  int
	// header says that a virtio-net header stands before each packet.
	header bool
	events chan tun.Event // closed by Close
	once   sync.Once
}

var _ tun.Device = (*device)(nil)

func newDevice(mtu int, header bool) (*device, error) {
	// The near end does not block, for the link waits for it in its own way; the
	// far end does, so that whoever sends waits for room.
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make device: %w", err)
	}
	for _, fd := range fds {
		// Only root may have that much, others have what there is.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, bufferLen) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bufferLen)
		}
	}
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	if err := errors.Join(unix.SetNonblock(fds[0], true), unix.SetsockoptTimeval(fds[1], unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit)); err != nil {
		return nil, errors.Join(fmt.Errorf("make device: %w", err), unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return &device{
		near: os.NewFile(uintptr(fds[0]), "device"), far: fds[1], mtu: mtu, header: header, events: make(chan tun.Event, 5),
	}, nil
}

// send gives the link a packet, and waits while there is no room.
func (d *device) send(p *hostile.Packet) error {
	frame := make([]byte, 0, hostile.HeaderLen+len(p.Bytes))
	if d.header {
		frame = p.Header.Append(frame)
	}
	frame = append(frame, p.Bytes...)
	for {
		switch err := unix.Sendto(d.far, frame, unix.MSG_NOSIGNAL, nil); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("the link has taken nothing for %v", patience)
		default:
			return err
		}
	}
}

// receive reads a packet that the link sent, without its header. The error is io.EOF when the
// device is closed.
func (d *device) receive(buf []byte) ([]byte, error) {
	for {
		n, err := unix.Read(d.far, buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		case n == 0:
			return nil, io.EOF
		}
		if d.header {
			return buf[min(hostile.HeaderLen, n):n], nil
		}
		return buf[:n], nil
	}
}

// free closes the far end, once nobody reads it any more.
func (d *device) free() error { return unix.Close(d.far) }

// File implements tun.Device.
func (d *device) File() *os.File { return d.near }

// Read implements tun.Device, for a link without offload.
func (d *device) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	n, err := d.near.Read(bufs[0][offset:])
	if err != nil {
		return 0, err
	}
	sizes[0] = n
	return 1, nil
}

// Write implements tun.Device.
func (d *device) Write(bufs [][]byte, offset int) (int, error) {
	for i, b := range bufs {
		if _, err := d.near.Write(b[offset:]); err != nil {
			return i, err
		}
	}
	return len(bufs), nil
}

// MTU implements tun.Device.
func (d *device) MTU() (int, error) { return d.mtu, nil }

// Name implements tun.Device.
func (d *device) Name() (string, error) { return "torture", nil }

// Events implements tun.Device.
func (d *device) Events() <-chan tun.Event { return d.events }

// BatchSize implements tun.Device.
func (d *device) BatchSize() int { return 1 }

// Close implements tun.Device. It ends what waits at either end.
func (d *device) Close() error {
	err := os.ErrClosed
	d.once.Do(func() {
		close(d.events)
		err = d.near.Close()
	})
	return err
}
