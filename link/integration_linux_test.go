package link_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"netstackd/link"
	"netstackd/link/linktest"
)

func TestIntegrationUp(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		r := newRig(t, o, nil)
		r.bothFamilies(t)
		addrs, err := netlink.AddrList(r.ip(), netlink.FAMILY_V6)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if a.IP.Equal(net.ParseIP("fd00:172::1")) && a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 {
				t.Errorf("fd00:172::1 has flags %#x", a.Flags)
			}
		}
		if err := r.dev.Up(); err != nil {
			t.Errorf("Up again: %v", err)
		}
		st, err := r.dev.State()
		if err != nil || st.Name != deviceName || !st.Up || st.MTU != 1500 || len(st.Missing) != 0 {
			t.Errorf("state is %+v, %v", st, err)
		}
		if err := r.dev.Close(); err != nil {
			t.Error(err)
		}
		if _, err := netlink.LinkByName(deviceName); err == nil {
			t.Error("the device is still there after Close")
		}
		if _, err := r.dev.State(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("State of a closed device: %v", err)
		}
		if err := r.e.Err(); err != nil {
			t.Errorf("Err is %v after an orderly close", err)
		}
	})
}

// TestIntegrationLongPackets: the longest packets pass whole both ways.
func TestIntegrationLongPackets(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		r := newRig(t, o, func(c *link.Config) { c.MTU = link.MaxMTU })
		r.traffic(t, "172.16.0.1", "172.16.0.2", 65535-28)
		r.traffic(t, "fd00:172::1", "fd00:172::2", 65535-48)
		if d := r.e.Counters().Drops; len(d) != 0 {
			t.Errorf("drops: %v", d)
		}
	})
}

func TestIntegrationPointToPoint(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		r := newRig(t, o, func(c *link.Config) {
			c.Kernel = []link.Address{
				{Local: prefix("10.0.0.1/32"), Peer: netip.MustParseAddr("10.9.9.9")},
				{Local: prefix("fd00::1/128"), Peer: netip.MustParseAddr("fd99::9")},
			}
			c.Netstack = []netip.Prefix{prefix("10.9.9.9/32"), prefix("fd99::9/128")}
		})
		r.traffic(t, "10.0.0.1", "10.9.9.9", 100)
		r.traffic(t, "fd00::1", "fd99::9", 100)
	})
}

func TestIntegrationDownUp(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		r := newRig(t, o, nil)
		for round := 1; round <= 2; round++ {
			if err := netlink.LinkSetDown(r.ip()); err != nil {
				t.Fatal(err)
			}
			entry := waitLog(t, r.logged, "the device is down", round)
			if got, want := entry.Data["command"], "ip link set dev netstack0 up"; got != want {
				t.Errorf("command is %q, want %q", got, want)
			}
			if n, err := write(r.e, packet4(40)); n != 0 || err == nil {
				t.Errorf("wrote %d to a device that is down, error %v", n, err)
			}
			if got := r.e.Counters().Drops["link-down"]; got != uint64(round) {
				t.Errorf("link-down is %d, want %d", got, round)
			}
			if err := netlink.LinkSetUp(r.ip()); err != nil {
				t.Fatal(err)
			}
			waitLog(t, r.logged, "the device is up", round+1)
			settle(t)
			r.bothFamilies(t)
		}
		if lost := linesWith(r.logged, "lost addresses"); len(lost) != 0 {
			t.Errorf("addresses were lost: %v", lost[0].Data)
		}
	})
}

// TestIntegrationAddressLost: an address that somebody took away is told of, with
// a command that brings it back.
func TestIntegrationAddressLost(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	linktest.NeedTools(t, "ip")
	r := newRig(t, link.Options{}, nil)
	runCommand(t, "ip addr del 172.16.0.1/24 dev netstack0 && ip link set dev netstack0 down && ip link set dev netstack0 up")
	command := waitLog(t, r.logged, "lost addresses", 1).Data["command"].(string)
	if want := "ip addr add 172.16.0.1/24 dev netstack0"; command != want {
		t.Errorf("command is %q, want %q", command, want)
	}
	runCommand(t, command)
	settle(t)
	r.bothFamilies(t)
	runCommand(t, "ip link set dev netstack0 mtu 1400") // an event
	waitLog(t, r.logged, "has its addresses again", 1)
}

func TestIntegrationMTU(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		linktest.NeedTools(t, "ip")
		r := newRig(t, o, nil)
		setMTU := func(mtu, changes int) {
			t.Helper()
			if err := netlink.LinkSetMTU(r.ip(), mtu); err != nil {
				t.Fatal(err)
			}
			entry := waitLog(t, r.logged, "MTU changed", changes)
			if entry.Data["mtu"] != mtu {
				t.Errorf("log says MTU %v, want %d", entry.Data["mtu"], mtu)
			}
			if int(r.e.MTU()) != mtu {
				t.Errorf("endpoint's MTU is %d, want %d", r.e.MTU(), mtu)
			}
		}
		setMTU(9000, 1)
		r.traffic(t, "172.16.0.1", "172.16.0.2", 8000)
		r.traffic(t, "fd00:172::1", "fd00:172::2", 8000)

		// The command in the warning is right, and all it takes.
		setMTU(1000, 2)
		command := waitLog(t, r.logged, "took IPv6 off", 1).Data["command"].(string)
		want := "ip link set dev netstack0 mtu 1280 && ip -6 addr add fd00:172::1/64 dev netstack0 nodad"
		if command != want {
			t.Errorf("command is\n%s, want\n%s", command, want)
		}
		r.traffic(t, "172.16.0.1", "172.16.0.2", 900)
		runCommand(t, command)
		settle(t)
		waitLog(t, r.logged, "MTU changed", 3)
		r.bothFamilies(t)

		// Who raises the MTU alone is told what is left to do.
		setMTU(1279, 4)
		lost := len(linesWith(r.logged, "lost addresses"))
		setMTU(1500, 5)
		command = waitLog(t, r.logged, "lost addresses", lost+1).Data["command"].(string)
		if want := "ip -6 addr add fd00:172::1/64 dev netstack0 nodad"; command != want {
			t.Errorf("command is %q, want %q", command, want)
		}
		runCommand(t, command)
		settle(t)
		r.bothFamilies(t)

		// The kernel has forgotten keep_addr_on_down by then; it was set again.
		runCommand(t, "ip link set dev netstack0 down")
		waitLog(t, r.logged, "the device is down", 1)
		runCommand(t, "ip link set dev netstack0 up")
		waitLog(t, r.logged, "the device is up", 2)
		settle(t)
		r.bothFamilies(t)
	})
}

func TestIntegrationDeleted(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		for _, attached := range []bool{true, false} {
			r := newRig(t, o, nil)
			if !attached {
				r.e.Attach(nil)
				r.e.Wait()
			}
			if err := netlink.LinkDel(r.ip()); err != nil {
				t.Fatal(err)
			}
			if !attached {
				r.e.Attach(r.c) // finds out
			}
			within(t, "Done", func() { <-r.e.Done() })
			if err := r.e.Err(); !errors.Is(err, link.ErrGone) || !strings.Contains(err.Error(), deviceName) {
				t.Errorf("Err is %v", err)
			}
			if n, err := write(r.e, packet4(40)); n != 0 || err == nil || r.e.Counters().Drops["link-closed"] != 1 {
				t.Errorf("wrote %d to a device that is gone, error %v, %+v", n, err, r.e.Counters())
			}
			r.e.Close()
			within(t, "Wait", r.e.Wait)
			if n := len(linesWith(r.logged, "the device is gone")); n != 1 {
				t.Errorf("%d log lines say that the device is gone, want 1", n)
			}
		}
	})
}

func TestIntegrationRenamed(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		r := newRig(t, o, nil)
		// Running devices may be renamed since Linux 6.3; before, only when down.
		if err := netlink.LinkSetName(r.ip(), "other"); err != nil {
			if err := errors.Join(netlink.LinkSetDown(r.ip()), netlink.LinkSetName(r.ip(), "other"), netlink.LinkSetUp(r.ip())); err != nil {
				t.Fatal(err)
			}
		}
		waitLog(t, r.logged, "the device was renamed", 1)
		// The old name is another's: nothing may be done to that one.
		if err := netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: deviceName}, Mode: netlink.TUNTAP_MODE_TUN}); err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetMTU(r.ip(), 1400); err != nil {
			t.Fatal(err)
		}
		waitLog(t, r.logged, "MTU changed", 1)
		if r.e.MTU() != 1400 {
			t.Errorf("MTU is %d, want 1400", r.e.MTU())
		}
		r.bothFamilies(t)
	})
}

func TestIntegrationMovedAway(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		r := newRig(t, o, nil)
		away := exec.Command("sleep", "60")
		away.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		if err := away.Start(); err != nil {
			linktest.SkipOrFail(t, "needs CAP_SYS_ADMIN for another network namespace: %v", err)
		}
		defer func() {
			away.Process.Kill() //nolint:errcheck // it is our own
			away.Wait()         //nolint:errcheck // killed
		}()
		if err := netlink.LinkSetNsPid(r.ip(), away.Process.Pid); err != nil {
			t.Fatal(err)
		}
		entry := waitLog(t, r.logged, "cannot be seen", 1)
		if err, _ := entry.Data[logrus.ErrorKey].(error); !errors.Is(err, link.ErrElsewhere) {
			t.Errorf("log has error %v", entry.Data[logrus.ErrorKey])
		}
		select {
		case <-r.e.Done():
			t.Errorf("the endpoint gave up: %v", r.e.Err())
		default:
		}
	})
}

func TestIntegrationDetachAttach(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		r := newRig(t, o, nil)
		for range 10 {
			r.bothFamilies(t)
			r.e.Attach(nil)
			within(t, "Wait", r.e.Wait)
			r.c = newCollector()
			r.e.Attach(r.c)
		}
		r.bothFamilies(t)
	})
}

// TestIntegrationCycles: starting and stopping, in the middle of traffic, leaves
// no goroutine, descriptor or device behind, and TestMain looks for packet buffers.
func TestIntegrationCycles(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		conn, err := net.ListenPacket("udp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("172.16.0.2:4000"))
		datagram := make([]byte, 65507) // in fragments
		cycle := func() {
			dev, err := link.Open(config(nil))
			if err != nil {
				t.Fatal(err)
			}
			e, err := link.NewEndpoint(dev, o)
			if err != nil {
				t.Fatal(err)
			}
			c := newCollector()
			e.Attach(c)
			if err := dev.Up(); err != nil {
				t.Fatal(err)
			}
			if !local(t) {
				t.Error("the IPv6 address is not in use yet after Up")
			}
			if _, err := conn.WriteTo(datagram, to); err != nil {
				t.Fatal(err)
			}
			c.next(t)
			e.Close()
			within(t, "Wait", e.Wait)
		}
		cycle() // what is made once is made
		before, goroutines := descriptors(t), goleak.IgnoreCurrent()
		for range 150 { // of 23 ms, which the kernel takes to remove a device
			cycle()
		}
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors became %d", before, after)
		}
		if err := goleak.Find(goroutines); err != nil {
			t.Error(err)
		}
		if _, err := netlink.LinkByName(deviceName); err == nil {
			t.Error("the device is still there")
		}
	})
}

// TestIntegrationCloseUnused: a device without an endpoint, however many events
// wait in it, closes and leaves nothing.
func TestIntegrationCloseUnused(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	goroutines := goleak.IgnoreCurrent()
	dev, err := link.Open(config(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := dev.Up(); err != nil {
		t.Fatal(err)
	}
	l, err := netlink.LinkByName(deviceName)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := netlink.LinkSetMTU(l, 1400+i); err != nil {
			t.Fatal(err)
		}
	}
	within(t, "Close", func() { err = dev.Close() })
	if err != nil {
		t.Error(err)
	}
	if err := dev.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if err := goleak.Find(goroutines); err != nil {
		t.Error(err)
	}
}
