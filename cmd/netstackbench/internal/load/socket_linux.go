package load

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long one call on a socket may take before it is an error.
const patience = 5 * time.Second

// sockaddr is to in the form of x/sys.
func sockaddr(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is6() {
		return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
}

// again makes a call until a signal does not interrupt it any more.
func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

func read(fd int, p []byte) (int, error) {
	return again(func() (int, error) { return unix.Read(fd, p) })
}

func write(fd int, p []byte) (int, error) {
	return again(func() (int, error) { return unix.Write(fd, p) })
}

// setTimeout bounds each call of a socket, by SO_RCVTIMEO or SO_SNDTIMEO.
func setTimeout(fd, option int, d time.Duration) error {
	tv := unix.NsecToTimeval(int64(d))
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &tv)
}

// dial connects over TCP. Closing the socket resets the connection, so that no
// port is left in TIME-WAIT: a TUN has no reuse of those. From is the local
// address, or not valid.
func dial(to netip.AddrPort, from netip.Addr) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	err = prepare(fd, from)
	if err == nil {
		_, err = again(func() (int, error) { return 0, unix.Connect(fd, sockaddr(to)) })
	}
	if err != nil {
		unix.Close(fd)
		if err == unix.EINPROGRESS || err == unix.EAGAIN {
			err = fmt.Errorf("no answer within %v", patience)
		}
		return -1, fmt.Errorf("connect to %v: %w", to, err)
	}
	return fd, nil
}

func prepare(fd int, from netip.Addr) error {
	err := errors.Join(
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 0}),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		setTimeout(fd, unix.SO_SNDTIMEO, patience),
		setTimeout(fd, unix.SO_RCVTIMEO, patience))
	if err != nil || !from.IsValid() {
		return err
	}
	// The port is chosen when the other end is known, so that many may share it.
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0))))
}

// connections are TCP connections that a load has open.
type connections []int

func dialAll(to netip.AddrPort, n int) (connections, error) {
	var all connections
	for range n {
		fd, err := dial(to, netip.Addr{})
		if err != nil {
			all.close()
			return nil, err
		}
		all = append(all, fd)
	}
	return all, nil
}

// end ends the calls that wait on the connections.
func (c connections) end() {
	for _, fd := range c {
		// One that the other side has reset is at its end already.
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
	}
}

// close resets them.
func (c connections) close() {
	for _, fd := range c {
		unix.Close(fd)
	}
}

// failure keeps the first error of several goroutines.
type failure struct {
	mu  sync.Mutex
	err error // guarded by mu
}

func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
