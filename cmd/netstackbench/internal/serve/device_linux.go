package serve

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// mtu of every link here, in bytes.
	mtu = 1500
	// deviceName of every TUN device here.
	deviceName = "bench0"
)

// openTUN makes a TUN device as a program does that wants whole IP packets and
// nothing else: no packet information, no virtio-net header. kernel is the
// address of the kernel's side. The device vanishes with the descriptor, which
// blocks.
func openTUN(kernel netip.Prefix) (fd int, err error) {
	fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(deviceName)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err == nil {
		err = configure(deviceName, []netip.Prefix{kernel})
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("make device %s: %w", deviceName, err), unix.Close(fd))
	}
	return fd, nil
}

// configure gives an interface its MTU and addresses and brings it up.
func configure(name string, addresses []netip.Prefix) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	if err := netlink.LinkSetMTU(l, mtu); err != nil {
		return fmt.Errorf("set MTU of %s: %w", name, err)
	}
	for _, p := range addresses {
		address := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
		if p.Addr().Is6() {
			address.Flags = unix.IFA_F_NODAD // nobody else is there, and it takes a second
		}
		if err := netlink.AddrAdd(l, address); err != nil {
			return fmt.Errorf("add %v to %s: %w", p, name, err)
		}
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("bring %s up: %w", name, err)
	}
	return nil
}
