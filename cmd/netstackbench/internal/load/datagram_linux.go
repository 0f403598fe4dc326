package load

import (
	"fmt"
	"net/netip"
	"time"
	"unsafe"

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
// service, so many outstanding at a time. Where each is more than 1 the kernel
// gets so many as one and cuts them apart as late as it can (UDP_SEGMENT, as QUIC
// servers do). Bytes and Operations are those echoed.
func Datagrams(to netip.AddrPort, size, outstanding, each int, w Window) (Result, error) {
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
	if each > 1 {
		if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, size); err != nil {
			return Result{}, fmt.Errorf("send several datagrams as one: %w", err)
		}
	}
	d := newDatagrams(fd, size, outstanding, each)
	begin := time.Now()
	for time.Since(begin) < w.Warm {
		if err := d.round(); err != nil {
			return Result{}, err
		}
	}
	w.Mark()
	begin = time.Now()
	before := d.echoed
	for time.Since(begin) < w.Length || d.echoed == before && time.Since(begin) < w.Length+overtime {
		if err := d.round(); err != nil {
			return Result{}, err
		}
	}
	elapsed, count := time.Since(begin), d.echoed-before
	w.Mark()
	for d.open > 0 {
		if got, err := d.receive(); err != nil {
			return Result{}, err
		} else if got == 0 {
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

// datagrams is one socket that echoes, many datagrams with one system call.
type datagrams struct {
	fd, size, each int
	most, open     int
	sent, echoed   uint64
	out            []mmsghdr // of each datagrams
	in             []mmsghdr // of one
}

// mmsghdr is struct mmsghdr of recvmmsg(2), which x/sys does not have.
type mmsghdr struct {
	unix.Msghdr
	length uint32
}

func newDatagrams(fd, size, most, each int) *datagrams {
	d := &datagrams{fd: fd, size: size, each: each, most: most, out: make([]mmsghdr, most/each), in: make([]mmsghdr, most)}
	same := make([]byte, size*each)
	for i := range d.out {
		d.out[i].point(same)
	}
	for i := range d.in {
		// One byte more, to see a reply that is too long.
		d.in[i].point(make([]byte, size+1))
	}
	return d
}

// point makes m take buf, which is not empty.
func (m *mmsghdr) point(buf []byte) {
	m.Iov = &unix.Iovec{Base: &buf[0]}
	m.Iov.SetLen(len(buf))
	m.SetIovlen(1)
}

// round fills the window, waits for a reply, and takes what else is there. With
// no reply in time the outstanding ones are given up.
func (d *datagrams) round() error {
	if room := (d.most - d.open) / d.each; room > 0 {
		n, err := d.call(unix.SYS_SENDMMSG, d.out[:room], 0)
		if err != nil && err != unix.ENOBUFS {
			return fmt.Errorf("send datagrams: %w", err)
		}
		d.open += n * d.each
		d.sent += uint64(n * d.each)
	}
	got, err := d.receive()
	if got == 0 {
		d.open = 0
	}
	return err
}

// receive waits for a reply and takes as many as there are; 0 if none comes in
// time.
func (d *datagrams) receive() (int, error) {
	got, err := d.call(unix.SYS_RECVMMSG, d.in, unix.MSG_WAITFORONE)
	if err == unix.EAGAIN {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("receive datagrams: %w", err)
	}
	for i := range d.in[:got] {
		if n := int(d.in[i].length); n != d.size {
			return 0, fmt.Errorf("receive datagrams: %d bytes came back of %d", n, d.size)
		}
	}
	d.echoed += uint64(got)
	// Replies that were given up before come on top.
	d.open = max(d.open-got, 0)
	return got, nil
}

// call is sendmmsg or recvmmsg. The fifth argument is the latter's timeout, none.
func (d *datagrams) call(trap uintptr, messages []mmsghdr, flags uintptr) (int, error) {
	for {
		n, _, errno := unix.Syscall6(trap, uintptr(d.fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
