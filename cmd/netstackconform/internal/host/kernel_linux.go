package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackconform/internal/suite"
)

const (
	// mtu of the kernel's device, in bytes: that of netstackd by default.
	mtu = 1500
	// infoLen is what stands before each packet, and before its virtio-net
	// header, on a TUN device with packet information: flags, and the protocol in network byte order
	// (linux/if_tun.h). With it the version that a packet claims is the
	// kernel's to judge, not the device's.
	infoLen = 4
)

// A Kernel is the Linux kernel, as a host.
type Kernel struct {
	inside   bool
	fd       int
	reader   *reader
	services *services
}

var _ suite.Offloader = (*Kernel)(nil)

// NewKernel returns it.
func NewKernel() *Kernel { return &Kernel{fd: -1} }

// Name implements suite.Host.
func (*Kernel) Name() string { return "linux" }

// Start implements suite.Host.
func (k *Kernel) Start(sink func([]byte)) error {
	if !k.inside {
		if err := leave(); err != nil {
			return err
		}
		if err := set(witness); err != nil {
			return err
		}
		k.inside = true
	}
	err := k.open()
	if err == nil {
		k.reader = read(k.fd, k.receive, sink)
		k.services, err = serve()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start linux: %w", err), k.Stop())
	}
	return nil
}

// open makes the device, and gives it the host's addresses.
func (k *Kernel) open() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	k.fd = fd
	request, err := unix.NewIfreq(Device)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return fmt.Errorf("make device %s: %w", Device, err)
	}
	l, err := netlink.LinkByName(Device)
	if err != nil {
		return fmt.Errorf("find %s: %w", Device, err)
	}
	if err := errors.Join(netlink.LinkSetMTU(l, mtu), netlink.LinkSetUp(l)); err != nil {
		return fmt.Errorf("bring %s up: %w", Device, err)
	}
	for _, p := range []netip.Prefix{suite.Prefix4, suite.Prefix6} {
		a := &netlink.Addr{IPNet: ipNet(p)}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(l, a); err != nil {
			return fmt.Errorf("add %v to %s: %w", p, Device, err)
		}
	}
	// A reply to whatever source has a way, as behind netstackd.
	for _, p := range []string{"0.0.0.0/0", "::/0"} {
		route := &netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(netip.MustParsePrefix(p)), Scope: netlink.SCOPE_LINK}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("add route %s: %w", p, err)
		}
	}
	return k.settle()
}

// settle waits until the kernel delivers to its IPv6 address, which takes it a
// work queue's turn.
func (k *Kernel) settle() error {
	for range 2000 {
		routes, err := netlink.RouteGet(suite.Prefix6.Addr().AsSlice())
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("the kernel does not use %s", suite.Host6)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func (k *Kernel) receive(buf []byte) ([][]byte, error) {
	n, err := unix.Read(k.fd, buf)
	if err != nil || n < infoLen+offloadLen {
		return nil, err
	}
	var o offload
	o.decode(buf[infoLen:])
	return o.finish(buf[infoLen+offloadLen : n]), nil
}

// Send implements suite.Host.
func (k *Kernel) Send(packet []byte) error { return k.send(packet, offload{}) }

// SendUnfinished implements suite.Offloader.
func (k *Kernel) SendUnfinished(packet []byte, segment int) error {
	return k.send(packet, unfinished(packet, segment))
}

func (k *Kernel) send(packet []byte, o offload) error {
	b := o.append(binary.BigEndian.AppendUint16([]byte{0, 0}, protocolOf(packet)))
	if _, err := unix.Write(k.fd, append(b, packet...)); err != nil {
		return fmt.Errorf("send %d bytes: %w", len(packet), err)
	}
	return nil
}

// Wait implements suite.Host.
func (*Kernel) Wait(d time.Duration) { time.Sleep(d) }

// Died implements suite.Host: who could tell.
func (*Kernel) Died() error { return nil }

// Stop implements suite.Host.
func (k *Kernel) Stop() error {
	var err error
	if k.services != nil {
		err = k.services.close()
		k.services = nil
	}
	if k.reader != nil {
		k.reader.end()
		k.reader = nil
	}
	if k.fd >= 0 {
		err = errors.Join(err, unix.Close(k.fd))
		k.fd = -1
	}
	return err
}
