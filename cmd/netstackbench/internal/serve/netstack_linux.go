package serve

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/link"
	"netstackd/stack"
)

// services are those that the loads talk to.
var services = []string{"echo", "discard", "chargen"}

// A Link makes the endpoint of a host with these addresses, and what completes
// the kernel's side once netstack is attached.
type Link func(kernel netip.Prefix, addresses []netip.Prefix, log logrus.FieldLogger) (ep netstack.LinkEndpoint, up func() error, closeLink func(), err error)

// FDBased is gVisor's fdbased endpoint on a TUN device, with the options that
// tun2socks gives it: packets one by one, no offload, since fdbased has none for
// what is not a socket.
func FDBased(kernel netip.Prefix, _ []netip.Prefix, _ logrus.FieldLogger) (netstack.LinkEndpoint, func() error, func(), error) {
	fd, err := openTUN(kernel)
	if err != nil {
		return nil, nil, nil, err
	}
	ep, err := fdbased.New(&fdbased.Options{FDs: []int{fd}, MTU: mtu, PacketDispatchMode: fdbased.Readv})
	if err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("make fdbased endpoint: %w", err), unix.Close(fd))
	}
	// It never closes the descriptor.
	return ep, func() error { return nil }, func() { unix.Close(fd) }, nil
}

// WireGuard moves packets with wireguard/tun's Read and Write, as Tailscale does.
func WireGuard(kernel netip.Prefix, addresses []netip.Prefix, log logrus.FieldLogger) (netstack.LinkEndpoint, func() error, func(), error) {
	device, err := link.Open(link.Config{
		Name: deviceName, MTU: mtu, Kernel: []link.Address{{Local: kernel}}, Netstack: addresses, Log: log,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	ep, err := link.NewEndpoint(device, link.Options{Log: log, Offload: link.OffloadOff})
	if err != nil {
		return nil, nil, nil, errors.Join(err, device.Close())
	}
	return ep, device.Up, func() { _ = device.Close() }, nil
}

// Netstack is a host on another link, until stop is closed. It has the same
// netstack, tuning and services as netstackd.
func Netstack(over Link, kernel netip.Prefix, addresses []netip.Prefix, log logrus.FieldLogger, ready func(), stop <-chan struct{}) error {
	ep, up, closeLink, err := over(kernel, addresses, log)
	if err != nil {
		return err
	}
	defer closeLink()
	host, err := stack.New(stack.Config{Link: ep, Addresses: addresses, Services: services, Limits: stack.Limits{Connections: 100_000}, Log: log})
	if err != nil {
		return err
	}
	if err = host.Start(); err == nil {
		err = up()
	}
	if err == nil {
		ready()
		<-stop
	}
	return errors.Join(err, host.Close())
}
