package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"
)

// OpenPrepared opens a TUN device that somebody else has made, and configures
// nothing of it: that takes no privilege where the device is this user's
// (TUNSETOWNER) or nobody's. The device has the name of c; its MTU and the kernel's
// addresses are as they are, those of c are not used. It is refused, with one line
// that says what to do, where there is no such device (ENODEV), it is another's
// (EPERM), somebody has it open (EBUSY), it is no TUN, its MTU is too small for the
// addresses of netstack, or the kernel has one of those itself (EADDRINUSE).
//
// The caller closes the device, which stays.
func OpenPrepared(c Config) (*Device, error) {
	if err := CheckName(c.Name); err != nil {
		return nil, err
	}
	l, err := netlink.LinkByName(c.Name)
	var notFound netlink.LinkNotFoundError
	if errors.As(err, &notFound) {
		return nil, fmt.Errorf("open device %s: %w: there is none: prepare it as root: ip tuntap add dev %s mode tun user %d",
			c.Name, unix.ENODEV, shellQuote(c.Name), os.Geteuid())
	}
	if err != nil {
		return nil, fmt.Errorf("look up device %s: %w", c.Name, err)
	}
	dev, err := asTUN(l)
	if err == nil && dev.Queues > 0 {
		err = errOpenElsewhere
	}
	if err != nil {
		return nil, fmt.Errorf("open device %s: %w", c.Name, err)
	}
	fd, err := unix.Open(cloneDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, cloneDeviceError(cloneDevice, err, fmt.Sprintf("let user %d open it: chmod 0666 %s", os.Geteuid(), cloneDevice))
	}
	if err = attach(fd, dev); err == nil {
		var d *Device
		if d, err = examine(fd, c); err == nil {
			return d.own(fd)
		}
	}
	return nil, errors.Join(fmt.Errorf("open device %s: %w", c.Name, err), unix.Close(fd))
}

// errOpenElsewhere is the refusal of a device whose packets another would get, or
// get a part of.
var errOpenElsewhere = fmt.Errorf("%w: another process has it open: end that, or use another device", unix.EBUSY)

// attach attaches an open /dev/net/tun to a device.
func attach(fd int, dev *netlink.Tuntap) error {
	ifr, err := unix.NewIfreq(dev.Attrs().Name)
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR | uint16(dev.Flags&netlink.TUNTAP_MULTI_QUEUE))
	err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: it belongs to another user or group, see whose it is: ip -d link show %s", err, shellQuote(dev.Attrs().Name))
	case errors.Is(err, unix.EBUSY):
		return errOpenElsewhere
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: it was made anew meanwhile, with or without multi_queue: try again", err)
	}
	return err
}

// OpenDescriptor takes the TUN device of an open descriptor, and configures nothing
// of it. Name and MTU are read from it, those of c are not used. It is refused, with
// one line that says what to do, where the descriptor is not open (EBADF) or no TUN's,
// as one of a TAP or with packet information; where its device is in another network
// namespace; and as by OpenPrepared. The descriptor need not be of a device with a
// virtio-net header: without one there is no offload.
//
// After an error the descriptor is still the caller's. Else the Device owns it, and no
// process that is started from then on inherits it.
func OpenDescriptor(fd int, c Config) (*Device, error) {
	doing := fmt.Sprintf("use descriptor %d", fd)
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		return nil, fmt.Errorf("%s: %w: it is not open: whoever starts netstackd is to pass it on", doing, err)
	}
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return nil, err
	}
	switch err := unix.IoctlIfreq(fd, unix.TUNGETIFF, ifr); {
	case errors.Is(err, unix.EBADFD):
		return nil, fmt.Errorf("%s: %w: it is of %s and has no device yet: attach it to one first (TUNSETIFF)", doing, err, cloneDevice)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: it is not that of a TUN device", doing, err)
	case ifr.Uint16()&unix.IFF_DETACH_QUEUE != 0:
		return nil, fmt.Errorf("%s: its queue is detached from device %s: attach it first (TUNSETQUEUE)", doing, ifr.Name())
	}
	c.Name = ifr.Name()
	if ifr.Uint16()&unix.IFF_TAP != 0 {
		return nil, fmt.Errorf("%s: %w", doing, errTAP)
	}
	d, err := examine(fd, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return d.own(fd)
}

var errTAP = errors.New("it is a TAP, whose packets are Ethernet frames: make it with mode tun")

// asTUN refuses what is no TUN device.
func asTUN(l netlink.Link) (*netlink.Tuntap, error) {
	dev, ok := l.(*netlink.Tuntap)
	switch {
	case !ok:
		return nil, fmt.Errorf("it is a %s, not a TUN: choose another", kindOf(l))
	case dev.Mode != netlink.TUNTAP_MODE_TUN:
		return nil, errTAP
	}
	return dev, nil
}

// own gives the Device, which examine has made, its descriptor.
func (d *Device) own(fd int) (*Device, error) {
	unix.CloseOnExec(fd)
	// This fails only if the device is being deleted; then the descriptor is closed by
	// a finalizer.
	dev, _, err := tun.CreateUnmonitoredTUNFromFD(fd)
	if err != nil {
		return nil, fmt.Errorf("use device %s: %w", d.name, err)
	}
	d.tun = dev
	return d, nil
}

// examine makes a Device, without its descriptor, of the device with the name of c,
// which that is attached to. It refuses one that cannot be used as it is, and has the
// packets of the descriptor come in the form that is expected of them.
func examine(fd int, c Config) (*Device, error) {
	if c.Log == nil {
		c.Log = discard()
	}
	d := &Device{name: c.Name, prepared: true, netstack: c.Netstack, log: c.Log.WithField("device", c.Name)}
	l, err := netlink.LinkByName(c.Name)
	var notFound netlink.LinkNotFoundError
	if errors.As(err, &notFound) {
		return nil, fmt.Errorf("its device %s is in another network namespace: start netstackd in that (nsenter -n, ip netns exec)", c.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("look up device %s: %w", c.Name, err)
	}
	dev, err := asTUN(l)
	if err != nil {
		return nil, err
	}
	d.index = dev.Attrs().Index
	switch mtu := dev.Attrs().MTU; {
	case dev.Flags&netlink.TUNTAP_NO_PI == 0:
		return nil, errors.New("packet information stands before its packets: open it with IFF_NO_PI")
	case dev.Queues > 1:
		return nil, errOpenElsewhere
	case c.ipv6() && mtu < MinMTU6:
		return nil, fmt.Errorf("its MTU is %d, and IPv6 needs at least %d (RFC 8200 section 5): %s, or leave the IPv6 addresses out",
			mtu, MinMTU6, setMTUCommand(c.Name, MinMTU6))
	}
	c.Kernel = nil
	if err := c.checkAddresses(); err != nil {
		return nil, err
	}
	if d.kernel, err = addressesOf(dev); err != nil {
		return nil, err
	}
	if dev.Flags&netlink.TUNTAP_VNET_HDR == 0 {
		// What the device did for one who had a header must not go on.
		err = os.NewSyscallError("turn offloads off", unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, 0))
	} else {
		err = os.NewSyscallError("set the length of the virtio-net header", unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, virtioHeaderLen))
	}
	return d, err
}

// addressesOf are the kernel's addresses on a device, but for the link's own.
func addressesOf(l netlink.Link) ([]Address, error) {
	addrs, err := retryDump(func() ([]netlink.Addr, error) { return netlink.AddrList(l, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses of %s: %w", l.Attrs().Name, err)
	}
	var all []Address
	for _, a := range addrs {
		local, ok := fromIPNet(a.IPNet)
		if !ok || linkLocal6.Contains(local.Addr()) {
			continue
		}
		peer, _ := fromIPNet(a.Peer)
		all = append(all, Address{Local: local, Peer: peer.Addr()})
	}
	return all, nil
}

// fromIPNet is false for what is no address with the length of a prefix.
func fromIPNet(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if size == 32 {
		ip = ip.Unmap()
	}
	p := netip.PrefixFrom(ip, bits)
	return p, ok && p.IsValid()
}

// lookPrepared says of a device that is prepared what keeps packets from passing.
func (d *Device) lookPrepared() error {
	st, err := d.State()
	if err != nil {
		return err
	}
	if !st.Up {
		d.log.WithField("command", fmt.Sprintf("ip link set dev %s up", shellQuote(st.Name))).
			Warn("the device is down: no packet passes until it is up")
		return nil
	}
	for _, p := range d.netstack {
		if a := p.Addr(); !linkLocal6.Contains(a) && !d.leadsTo(a) {
			d.log.WithFields(logrus.Fields{"addr": a, "command": fmt.Sprintf("ip route add %v dev %s", a, shellQuote(st.Name))}).
				Warn("the kernel does not send to the address by this device")
		}
	}
	return nil
}

// leave has a device that stays work for the next who opens it, as it does when it
// is new: with whole packets and checksums.
func (d *Device) leave() {
	conn, err := d.tun.File().SyscallConn()
	if err != nil {
		return
	}
	// A device that is gone needs nothing.
	_ = conn.Control(func(fd uintptr) { _ = unix.IoctlSetInt(int(fd), unix.TUNSETOFFLOAD, 0) })
}
