package link

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"
)

// Open makes a TUN device, down and without addresses; Up completes it. It first
// refuses, with one line that says what to do, whatever would fail or conflict:
// no /dev/net/tun, no privilege (EPERM), a name that is bad or in use (EBUSY),
// an address the kernel has (EADDRINUSE), a prefix that overlaps a route of the
// kernel's main table, IPv6 switched off. After an error nothing is left behind.
//
// The caller closes the device, which removes it.
func Open(c Config) (*Device, error) {
	if c.Log == nil {
		c.Log = discard()
	}
	if err := refuse(&c); err != nil {
		return nil, err
	}
	dev, err := tun.CreateTUN(c.Name, c.MTU)
	if err != nil {
		// Only what changed since refuse looked comes here.
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w: it needs CAP_NET_ADMIN: run as root, or in a network namespace of your own: unshare -rn", err)
		}
		return nil, fmt.Errorf("create device %s: %w", c.Name, err)
	}
	d := &Device{tun: dev, name: c.Name, kernel: slices.Clone(c.Kernel), log: c.Log.WithField("device", c.Name)}
	l, err := netlink.LinkByName(c.Name)
	if err != nil {
		// The first error says why, and closing the device is all that can be done.
		_ = d.Close()
		return nil, fmt.Errorf("find device %s: %w", c.Name, err)
	}
	d.index = l.Attrs().Index
	d.keepAddresses(c.Name)
	return d, nil
}
