package load

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// datagramPatience is how long no reply may come before the outstanding
	// datagrams are given up.
	datagramPatience = 20 * time.Millisecond
	// socketBuffer of a socket that takes many datagrams at once, in bytes.
	socketBuffer = 4 << 20
)

// Datagrams sends UDP datagrams with so many bytes of payload to an echo
// service, so many outstanding at a time. Bytes and Operations are those echoed.
func Datagrams(to netip.AddrPort, size, outstanding int, w Window) (Result, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Result{}, fmt.Errorf("make socket: %w", err)
	}
	defer unix.Close(fd)
	// Beyond the system's limit where that is permitted.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer)
	if err := setTimeout(fd, unix.SO_RCVTIMEO, datagramPatience); err != nil {
		return Result{}, fmt.Errorf("set timeout: %w", err)
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil {
		return Result{}, fmt.Errorf("connect to %v: %w", to, err)
	}
	d := datagrams{fd: fd, most: outstanding, out: make([]byte, size), in: make([]byte, 1<<16)}
	begin := time.Now()
	for time.Since(begin) < w.Warm {
		if err := d.round(); err != nil {
			return Result{}, err
		}
	}
	w.Mark()
	begin = time.Now()
	before := d.echoed
	for time.Since(begin) < w.Length {
		if err := d.round(); err != nil {
			return Result{}, err
		}
	}
	elapsed, count := time.Since(begin), d.echoed-before
	w.Mark()
	for d.open > 0 {
		if got, err := d.receive(0); err != nil {
			return Result{}, err
		} else if !got {
			break
		}
	}
	if count == 0 {
		return Result{}, fmt.Errorf("echo datagrams: %d sent, none came back", d.sent)
	}
	return Result{
		Elapsed: elapsed, Operations: count, Bytes: count * uint64(size),
		Sent: d.sent, Lost: d.sent - min(d.sent, d.echoed),
	}, nil
}

// datagrams is one socket that echoes.
type datagrams struct {
	fd, most     int
	out, in      []byte
	open         int
	sent, echoed uint64
}

// round fills the window, waits for a reply, and takes what else is there.
func (d *datagrams) round() error {
	for d.open < d.most {
		_, err := write(d.fd, d.out)
		if err == unix.ENOBUFS {
			break
		}
		if err != nil {
			return fmt.Errorf("send datagram: %w", err)
		}
		d.open++
		d.sent++
	}
	got, err := d.receive(0)
	if err != nil {
		return err
	}
	if !got {
		d.open = 0
		return nil
	}
	for got && d.open > 0 {
		if got, err = d.receive(unix.MSG_DONTWAIT); err != nil {
			return err
		}
	}
	return nil
}

// receive takes one reply; false if there is none in time.
func (d *datagrams) receive(flags int) (bool, error) {
	n, err := again(func() (int, error) {
		n, _, err := unix.Recvfrom(d.fd, d.in, flags)
		return n, err
	})
	switch {
	case err == unix.EAGAIN:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("receive datagram: %w", err)
	case n != len(d.out):
		return false, fmt.Errorf("receive datagram: %d bytes came back of %d", n, len(d.out))
	}
	d.echoed++
	// A reply that was given up before comes on top.
	d.open = max(d.open-1, 0)
	return true, nil
}
