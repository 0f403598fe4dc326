package serve

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// kernelBacklog of a listener: beyond it the kernel's own limit counts.
	kernelBacklog = 1 << 16
	// kernelThreads is how many connections may each block a thread. It is the
	// fastest way to serve a few, and no way to hold many: those wait in Go's
	// poller.
	kernelThreads = 128
	// kernelBuffer is what one read or write takes at most, in bytes.
	kernelBuffer = 256 << 10
	// datagramBuffer of a UDP socket, in bytes, if that is permitted.
	datagramBuffer = 4 << 20
)

// kernelBuffers are those of the connections that block.
var kernelBuffers = sync.Pool{New: func() any { return new([kernelBuffer]byte) }}

// Kernel serves echo, discard and chargen with the kernel's sockets at the
// addresses, which it gives to the interface, over IPv4: at IPv6 addresses it
// answers pings alone. It returns on an error only; the process is to be killed.
func Kernel(interfaceName string, addresses []netip.Prefix, ready func()) error {
	if err := configure("lo", nil); err != nil {
		return err
	}
	if err := configure(interfaceName, addresses); err != nil {
		return err
	}
	failed := make(chan error, 5)
	for port, serve := range map[int]func(conn, []byte){7: echo, 9: discard, 19: chargen} {
		fd, err := listen(unix.SOCK_STREAM, netip.IPv4Unspecified(), port)
		if err != nil {
			return err
		}
		go func() { failed <- accept(fd, serve) }()
	}
	// A reply has to come from the address that was asked. With a socket for each
	// of a thousand this would be a benchmark of that; the loads use two.
	addresses = slices.DeleteFunc(slices.Clone(addresses), func(p netip.Prefix) bool { return p.Addr().Is6() })
	asked := slices.Compact([]netip.Prefix{addresses[0], addresses[len(addresses)-1]})
	for _, a := range asked {
		fd, err := listen(unix.SOCK_DGRAM, a.Addr(), 7)
		if err != nil {
			return err
		}
		go func() { failed <- echoDatagrams(fd) }()
	}
	ready()
	return <-failed
}

// listen opens a port at an address.
func listen(kind int, at netip.Addr, port int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: at.As4(), Port: port}); err == nil && kind == unix.SOCK_STREAM {
		err = unix.Listen(fd, kernelBacklog)
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("listen on port %d: %w", port, err), unix.Close(fd))
	}
	return fd, nil
}

// conn is an accepted connection.
type conn interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	Close() error
}

// blocking is a connection whose calls block a thread.
type blocking int

func (c blocking) Read(p []byte) (int, error)  { return unix.Read(int(c), p) }
func (c blocking) Write(p []byte) (int, error) { return unix.Write(int(c), p) }
func (c blocking) Close() error                { return unix.Close(int(c)) }

func accept(fd int, serve func(conn, []byte)) error {
	var threads atomic.Int64
	// One descriptor is kept for telling clients that there are no more.
	spare, err := unix.Dup(fd)
	if err != nil {
		return fmt.Errorf("keep a descriptor: %w", err)
	}
	for {
		got, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		switch {
		case err == unix.EINTR, err == unix.ECONNABORTED:
			continue
		case err == unix.EMFILE:
			if spare, err = refuse(fd, spare); err == nil {
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		_ = unix.SetsockoptInt(got, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if threads.Add(1) <= kernelThreads {
			go func() {
				defer threads.Add(-1)
				buf := kernelBuffers.Get().(*[kernelBuffer]byte)
				defer kernelBuffers.Put(buf)
				serveAndClose(blocking(got), buf[:], serve)
			}()
			continue
		}
		threads.Add(-1)
		if err := unix.SetNonblock(got, true); err != nil {
			return fmt.Errorf("make connection pollable: %w", err)
		}
		// Small, since it is for those that are only held.
		go serveAndClose(os.NewFile(uintptr(got), "connection"), make([]byte, 512), serve)
	}
}

// refuse resets the next connection, with the descriptor that spare was. It
// returns the new spare one.
func refuse(fd, spare int) (int, error) {
	if err := unix.Close(spare); err != nil {
		return -1, err
	}
	if got, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC); err == nil {
		_ = unix.SetsockoptLinger(got, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		_ = unix.Close(got)
	}
	return unix.Dup(fd)
}

func serveAndClose(c conn, buf []byte, serve func(conn, []byte)) {
	serve(c, buf)
	_ = c.Close()
}

// echo, discard and chargen serve until the client ends the connection, which
// the loads do with a reset.

func echo(c conn, buf []byte) {
	for n := next(c, buf); n > 0; n = next(c, buf) {
		for rest := buf[:n]; len(rest) > 0; {
			m, err := c.Write(rest)
			if err != nil && err != unix.EINTR {
				return
			}
			rest = rest[max(m, 0):]
		}
	}
}

func discard(c conn, buf []byte) {
	for next(c, buf) > 0 {
	}
}

// next reads, 0 at the end and after an error.
func next(c conn, buf []byte) int {
	for {
		n, err := c.Read(buf)
		if err == unix.EINTR {
			continue
		}
		return max(n, 0)
	}
}

func chargen(c conn, buf []byte) {
	for i := range buf {
		buf[i] = ' ' + byte(i%95)
	}
	for {
		if _, err := c.Write(buf); err != nil && err != unix.EINTR {
			return
		}
	}
}

func echoDatagrams(fd int) error {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, datagramBuffer)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, datagramBuffer)
	buf := make([]byte, 1<<16)
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("receive datagram: %w", err)
		}
		// What the client does not take is lost, as datagrams are.
		_ = unix.Sendto(fd, buf[:n], 0, from)
	}
}
