package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// kernelState asks the descriptor whether the device still is, and netlink, by
// index, how it is.
func (d *Device) kernelState() (State, error) {
	// A rename between the two questions looks like a move: ask again.
	const attempts = 3
	for attempt := range attempts {
		name, err := d.attachedName()
		if err != nil {
			return State{}, err
		}
		l, err := netlink.LinkByIndex(d.index)
		var notFound netlink.LinkNotFoundError
		if errors.As(err, &notFound) || errors.Is(err, unix.ENODEV) || (err == nil && l.Attrs().Name != name) {
			continue
		}
		if err != nil {
			return State{}, fmt.Errorf("read state of %s: %w", d.name, err)
		}
		st := State{Name: name, Up: l.Attrs().Flags&net.FlagUp != 0, MTU: l.Attrs().MTU}
		if d.configured.Load() {
			if st.Missing, err = d.missing(l); err != nil {
				return State{}, err
			}
		}
		if attempt == 0 && len(st.Missing) > 0 {
			continue // maybe the device itself has just gone, or moved
		}
		return st, nil
	}
	return State{}, fmt.Errorf("read state of %s: %w", d.name, ErrElsewhere)
}

// attachedName is the present name of the device that the descriptor is attached
// to, in whichever network namespace it is (TUNGETIFF, linux/if_tun.h).
func (d *Device) attachedName() (string, error) {
	conn, err := d.tun.File().SyscallConn()
	if err != nil {
		return "", fmt.Errorf("read name of %s: %w", d.name, err)
	}
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return "", fmt.Errorf("read name of %s: %w", d.name, err)
	}
	var errno error
	if err := conn.Control(func(fd uintptr) { errno = unix.IoctlIfreq(int(fd), unix.TUNGETIFF, ifr) }); err != nil {
		if d.closing.Load() {
			err = os.ErrClosed // the poller has its own error for it
		}
		return "", fmt.Errorf("read name of %s: %w", d.name, err)
	}
	if errors.Is(errno, unix.EBADFD) {
		return "", fmt.Errorf("read name of %s: %w", d.name, ErrGone)
	}
	if errno != nil {
		return "", fmt.Errorf("read name of %s: %w", d.name, errno)
	}
	return ifr.Name(), nil
}

// missing are the configured addresses that the link does not have.
func (d *Device) missing(l netlink.Link) ([]Address, error) {
	addrs, err := retryDump(func() ([]netlink.Addr, error) { return netlink.AddrList(l, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses of %s: %w", d.name, err)
	}
	has := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP); ok {
			has[ip.Unmap()] = true
		}
	}
	var missing []Address
	for _, a := range d.kernel {
		if !has[a.Local.Addr()] {
			missing = append(missing, a)
		}
	}
	return missing, nil
}

// Statistics asks the kernel what it has counted of the device, by index.
func (d *Device) Statistics() (Statistics, error) {
	if d.closing.Load() {
		return Statistics{}, fmt.Errorf("read statistics of %s: %w", d.name, os.ErrClosed)
	}
	l, err := netlink.LinkByIndex(d.index)
	if err != nil {
		return Statistics{}, fmt.Errorf("read statistics of %s: %w", d.name, err)
	}
	st := Statistics{QueueLen: l.Attrs().TxQLen}
	if counted := l.Attrs().Statistics; counted != nil {
		st.TxDropped = counted.TxDropped
	}
	return st, nil
}
