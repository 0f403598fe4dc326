package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// keepAddresses has the kernel keep the device's IPv6 addresses when it goes down.
// IPv4 addresses it always keeps. name is the device's present one.
func (d *Device) keepAddresses(name string) {
	if !d.prepared && slices.ContainsFunc(d.kernel, func(a Address) bool { return a.Local.Addr().Is6() }) {
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

// Up brings the device up and gives it its addresses. IPv6 addresses are usable
// at once: they skip duplicate address detection (IFA_F_NODAD), which has nobody
// to ask on this link, and Up waits the moment until the kernel delivers to them.
// A prepared device is left as it is; what keeps packets from passing is logged.
// Call it when netstack is attached. Calling it again puts back what is missing.
// After an error the device is to be closed.
func (d *Device) Up() error {
	if d.index == 0 {
		return nil // wrapped: configured by somebody else
	}
	if d.prepared {
		d.configured.Store(true)
		return d.lookPrepared()
	}
	// By index: the device may have been renamed, and its old name given away.
	l := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: d.index}}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("bring %s up: %w", d.name, err)
	}
	// Not before it is up: of an IPv6 address that is added while the device
	// comes up the kernel may forget the route to the peer.
	for _, a := range d.kernel {
		if err := netlink.AddrAdd(l, a.netlink()); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add address %v to %s: %w", a, d.name, err)
		}
	}
	d.configured.Store(true)
	d.awaitIPv6()
	return nil
}

// How long the kernel may take to use an address, and how often it is asked.
const (
	usePatience = 2 * time.Second
	useInterval = time.Millisecond
)

// awaitIPv6 waits until the kernel delivers to its IPv6 addresses and sends to
// netstack's from them. Even without duplicate address detection that is a work
// queue's turn after the address is there: addrconf_dad_work in net/ipv6/addrconf.c
// adds its route to the local table, then the one to the peer. What netstack
// answers before is lost.
func (d *Device) awaitIPv6() {
	deadline := time.Now().Add(usePatience)
	for _, a := range d.kernel {
		if !a.Local.Addr().Is6() {
			continue
		}
		for !isLocal(a.Local.Addr()) || a.Peer.IsValid() && !d.leadsTo(a.Peer) {
			if time.Now().After(deadline) {
				d.log.WithField("addr", a).Warn("the kernel does not use its address yet; packets to it may be lost")
				break
			}
			time.Sleep(useInterval)
		}
	}
}

// isLocal tells whether the kernel would deliver a packet to addr to itself.
func isLocal(addr netip.Addr) bool {
	routes, err := netlink.RouteGet(addr.AsSlice())
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}

// leadsTo tells whether the kernel would send a packet to addr out of the device.
func (d *Device) leadsTo(addr netip.Addr) bool {
	routes, err := netlink.RouteGet(addr.AsSlice())
	return err == nil && len(routes) > 0 && routes[0].LinkIndex == d.index
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
