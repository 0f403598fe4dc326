package link

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	cloneDevice = "/dev/net/tun"
	sysctlRoot  = "/proc/sys"
)

// refuse looks for everything that would make opening fail or conflict with what
// the kernel has. It changes nothing: CreateTUN leaks its descriptor when the
// kernel refuses the device, so the refusal must come before it.
func refuse(c *Config) error {
	for _, check := range []func() error{
		c.check,
		func() error { return checkCloneDevice(cloneDevice) },
		checkPrivilege,
		func() error { return checkNameFree(c.Name) },
		func() error {
			if !c.ipv6() {
				return nil
			}
			return checkIPv6(sysctlRoot)
		},
		c.checkAddresses,
		c.checkRoutes,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkCloneDevice opens the device that TUN devices are made with.
func checkCloneDevice(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		return unix.Close(fd)
	}
	return cloneDeviceError(path, err, "run as root")
}

// cloneDeviceError says what to do when the device that TUN devices are made with
// cannot be opened; allow is for who may not.
func cloneDeviceError(path string, err error, allow string) error {
	// PathError's text names the verb and the path.
	cause := &fs.PathError{Op: "open", Path: path, Err: err}
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: %s, or in a container: --device %s", cause, allow, cloneDevice)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%w: modprobe tun, or in a container: --device %s", cause, cloneDevice)
	}
	return cause
}

// checkPrivilege asks to change a device that cannot exist. The kernel looks at
// the privilege first (rtnetlink_rcv_msg in net/core/rtnetlink.c), over the user
// namespace that owns this network namespace, exactly as TUNSETIFF does; the
// process's capability sets would not tell that.
func checkPrivilege() error {
	nobody := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: math.MaxInt32}}
	if err := netlink.LinkSetMTU(nobody, MaxMTU); errors.Is(err, unix.EPERM) {
		return fmt.Errorf("create a TUN device: %w: it needs CAP_NET_ADMIN: run as root, or in a network namespace of your own: unshare -rn", err)
	}
	return nil
}

// checkNameFree refuses the name of any link, and any link's alternative name.
func checkNameFree(name string) error {
	l, err := netlink.LinkByName(name)
	var notFound netlink.LinkNotFoundError
	if errors.As(err, &notFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up device %s: %w", name, err)
	}
	as := ""
	if l.Attrs().Name != name {
		as = " as another name of " + l.Attrs().Name
	}
	return fmt.Errorf("create device %s: the name is in use by a %s%s: %w: choose another name, or see what it is: ip -d link show %s",
		name, kindOf(l), as, unix.EBUSY, shellQuote(name))
}

// kindOf is for messages: what a link is.
func kindOf(l netlink.Link) string {
	switch l.Type() {
	case "tuntap", "tun":
		return "TUN device"
	case "device": // hardware, and lo
		return "network device"
	}
	return l.Type() + " device"
}

// checkIPv6 refuses a kernel that would not take an IPv6 address for a new
// device. root is /proc/sys.
func checkIPv6(root string) error {
	if _, err := os.Stat(filepath.Join(root, "net/ipv6/conf")); err != nil {
		return fmt.Errorf("use IPv6: the kernel has none (%w): leave the IPv6 addresses out, or boot without ipv6.disable=1", err)
	}
	for _, scope := range []string{"all", "default"} {
		b, err := os.ReadFile(filepath.Join(root, "net/ipv6/conf", scope, "disable_ipv6"))
		if err == nil && strings.TrimSpace(string(b)) != "0" {
			return fmt.Errorf("use IPv6: it is switched off in the kernel: sysctl -w net.ipv6.conf.%s.disable_ipv6=0, or leave the IPv6 addresses out", scope)
		}
	}
	return nil
}

// checkAddresses refuses an address that the kernel has already.
func (c *Config) checkAddresses() error {
	addrs, err := retryDump(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("list the kernel's addresses: %w", err)
	}
	taken := make(map[netip.Addr]int, len(addrs))
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP); ok {
			taken[ip.Unmap()] = a.LinkIndex
		}
	}
	for _, p := range c.Netstack {
		if index, ok := taken[p.Addr()]; ok {
			return fmt.Errorf("use address %v: %w: it is already the kernel's, on %s: choose one that no interface has", p, unix.EADDRINUSE, linkName(index))
		}
	}
	for _, a := range c.Kernel {
		if index, ok := taken[a.Local.Addr()]; ok && !linkLocal6.Contains(a.Local.Addr()) {
			return fmt.Errorf("use host address %v: %w: the kernel has it already, on %s: choose one that no interface has", a.Local, unix.EADDRINUSE, linkName(index))
		}
	}
	return nil
}

// checkRoutes refuses a prefix that overlaps a route of the main table, or one
// that the kernel delivers to itself: a prefix on the loopback device is local
// as a whole, which only the local table says.
func (c *Config) checkRoutes() error {
	var routes []netlink.Route
	for _, filter := range []netlink.Route{
		{Table: unix.RT_TABLE_MAIN},
		{Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL},
	} {
		mask := netlink.RT_FILTER_TABLE
		if filter.Type != 0 {
			mask |= netlink.RT_FILTER_TYPE
		}
		some, err := retryDump(func() ([]netlink.Route, error) {
			return netlink.RouteListFiltered(netlink.FAMILY_ALL, &filter, mask)
		})
		if err != nil {
			return fmt.Errorf("list the kernel's routes: %w", err)
		}
		routes = append(routes, some...)
	}
	for _, r := range routes {
		dst, ok := routePrefix(r.Dst)
		// A single local address is checkAddresses' to judge.
		if !ok || r.Type == unix.RTN_LOCAL && dst.IsSingleIP() {
			continue
		}
		for _, p := range c.prefixes() {
			if conflicts(dst, p) {
				return fmt.Errorf("use prefix %v: it overlaps the kernel's route %v %s: choose a prefix that ip route show does not, or remove that route",
					p, dst, routeWay(&r))
			}
		}
	}
	return nil
}

// prefixes are all the prefixes that the link lays claim to, masked, each once.
func (c *Config) prefixes() []netip.Prefix {
	var all []netip.Prefix
	seen := make(map[netip.Prefix]bool)
	add := func(p netip.Prefix) {
		if p = p.Masked(); !seen[p] {
			seen[p] = true
			all = append(all, p)
		}
	}
	for _, p := range c.Netstack {
		add(p)
	}
	for _, a := range c.Kernel {
		add(a.Local)
		if a.Peer.IsValid() {
			add(netip.PrefixFrom(a.Peer, a.Peer.BitLen()))
		}
	}
	return all
}

// routePrefix is false for a default route, which has no destination.
func routePrefix(dst *net.IPNet) (netip.Prefix, bool) {
	if dst == nil {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(dst.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	bits, size := dst.Mask.Size()
	if size == 32 {
		ip = ip.Unmap()
	}
	p := netip.PrefixFrom(ip, bits)
	return p, p.IsValid() && bits > 0
}

// routeWay says where a route leads.
func routeWay(r *netlink.Route) string {
	switch r.Type {
	case unix.RTN_BLACKHOLE:
		return "(blackhole)"
	case unix.RTN_UNREACHABLE:
		return "(unreachable)"
	case unix.RTN_PROHIBIT:
		return "(prohibit)"
	case unix.RTN_THROW:
		return "(throw)"
	}
	index := r.LinkIndex
	if index == 0 && len(r.MultiPath) > 0 {
		index = r.MultiPath[0].LinkIndex
	}
	return "dev " + linkName(index)
}

// linkName is for messages: the name of the link with that index, or the index.
func linkName(index int) string {
	l, err := netlink.LinkByIndex(index)
	if err != nil {
		return "interface " + strconv.Itoa(index)
	}
	return l.Attrs().Name
}

// retryDump repeats a netlink dump that the kernel marked as interrupted by a
// change (NLM_F_DUMP_INTR), a few times.
func retryDump[T any](dump func() ([]T, error)) ([]T, error) {
	const attempts = 5
	var (
		all []T
		err error
	)
	for range attempts {
		if all, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}
