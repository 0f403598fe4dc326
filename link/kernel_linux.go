package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// keepAddresses has the kernel keep the device's IPv6 addresses when it goes down.
// IPv4 addresses it always keeps. name is the device's present one.
func (d *Device) keepAddresses(name string) {
	if slices.ContainsFunc(d.kernel, func(a Address) bool { return a.Local.Addr().Is6() }) {
		setKeepAddrOnDown(sysctlRoot, name, d.log)
	}
}

// setKeepAddrOnDown writes the setting below root, /proc/sys. That this fails (a
// container with a read-only /proc/sys) is no reason not to run.
func setKeepAddrOnDown(root, name string, log logrus.FieldLogger) {
	path := filepath.Join(root, "net/ipv6/conf", name, "keep_addr_on_down")
	// O_TRUNC|O_CREATE of os.WriteFile would do nothing good here.
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("1")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		log.WithError(err).Warn("cannot set keep_addr_on_down: the kernel's IPv6 addresses will be lost when the device goes down")
	}
}

// Up gives the device its addresses and brings it up. IPv6 addresses are usable
// at once: they skip duplicate address detection (IFA_F_NODAD), which has nobody
// to ask on this link. Call it when netstack is attached. Calling it again puts
// back what is missing. After an error the device is to be closed.
func (d *Device) Up() error {
	if d.index == 0 {
		return nil // wrapped: configured by somebody else
	}
	// By index: the device may have been renamed, and its old name given away.
	l := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: d.index}}
	for _, a := range d.kernel {
		if err := netlink.AddrAdd(l, a.netlink()); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add address %v to %s: %w", a, d.name, err)
		}
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("bring %s up: %w", d.name, err)
	}
	d.configured.Store(true)
	return nil
}

// netlink is the address in that library's terms.
func (a Address) netlink() *netlink.Addr {
	na := &netlink.Addr{IPNet: ipNet(a.Local)}
	if a.Peer.IsValid() {
		na.Peer = ipNet(netip.PrefixFrom(a.Peer, a.Peer.BitLen()))
	}
	if a.Local.Addr().Is6() {
		na.Flags = unix.IFA_F_NODAD
	}
	return na
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
