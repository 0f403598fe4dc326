//go:build linux

package main_test

import (
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// TestIntegrationDevice does to the device under a running daemon what people
// do to devices.
func TestIntegrationDevice(t *testing.T) {
	if !inNamespace(t, "ping", "ip") {
		return
	}
	d := startDaemon(t)
	link, err := netlink.LinkByName(device)
	if err != nil {
		t.Fatal(err)
	}
	both := func(t *testing.T) {
		t.Helper()
		pinged(t, tool(t, patience, "ping", "-c", "3", "-i", "0.2", netstack4), 3)
		pinged(t, tool(t, patience, "ping", "-6", "-c", "3", "-i", "0.2", netstack6), 3)
		pinged(t, tool(t, patience, "ping", "-c", "1", "-s", "4000", netstack4), 1)
		t.Run("echo", func(t *testing.T) { tcpEcho(t, netstack4); tcpEcho(t, netstack6) })
	}
	both(t)

	t.Run("down and up", func(t *testing.T) {
		for range 3 {
			if err := netlink.LinkSetDown(link); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
			if err := netlink.LinkSetUp(link); err != nil {
				t.Fatal(err)
			}
			// The kernel brings the routes of IPv6 back a moment later.
			waitFor(t, "a ping after down and up", func() bool {
				_, err4 := tryTool(patience, "ping", "-c", "1", "-W", "1", netstack4)
				_, err6 := tryTool(patience, "ping", "-6", "-c", "1", "-W", "1", netstack6)
				return err4 == nil && err6 == nil
			})
		}
		both(t)
	})
	for _, mtu := range []int{1400, 1280, 9000, 1500} {
		t.Run("MTU "+strconv.Itoa(mtu), func(t *testing.T) {
			if err := netlink.LinkSetMTU(link, mtu); err != nil {
				t.Fatal(err)
			}
			d.waitLog(t, strconv.Itoa(mtu)) // it follows, and says so
			both(t)
		})
	}
	t.Run("MTU below 1280", func(t *testing.T) {
		if err := netlink.LinkSetMTU(link, 1000); err != nil {
			t.Fatal(err)
		}
		pinged(t, tool(t, patience, "ping", "-c", "3", "-i", "0.2", "-s", "2000", netstack4), 3)
		// IPv6 is gone with the addresses, and the log has the command that
		// mends it, to be run as it stands.
		d.waitLog(t, "ip -6 addr add")
		command := regexp.MustCompile(`command="(ip [^"]* ip -6 addr add [^"]*)"`).FindStringSubmatch(d.log.String())
		if command == nil {
			t.Fatal("the log line has no command")
		}
		tool(t, patience, "sh", "-c", command[1])
		both(t)
	})
	d.stop(t)
}

// TestIntegrationDeviceDeleted wants exit status 1 and a clear last line when
// the device is taken away for good.
func TestIntegrationDeviceDeleted(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	d := startDaemon(t)
	link, err := netlink.LinkByName(device)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkDel(link); err != nil {
		t.Fatal(err)
	}
	if status := d.waitExit(t); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	lines := strings.Split(strings.TrimSpace(d.log.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "netstackd: ") || !strings.Contains(last, device) {
		t.Errorf("the last line is %q, want what happened to %s", last, device)
	}
}

// TestIntegrationAddresses starts the daemon with other shapes of addresses,
// and wants the host where it says that it is.
func TestIntegrationAddresses(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	for _, tc := range []struct {
		name   string
		flags  []string
		ping   string
		kernel string // the address that the kernel's side has
	}{
		{"default host", []string{"-addr", "10.9.0.7/24"}, "10.9.0.7", "10.9.0.1"},
		{"first is taken by netstack", []string{"-addr", "10.9.0.1/24"}, "10.9.0.1", "10.9.0.2"},
		{"host chosen", []string{"-addr", "10.9.0.7/24", "-host", "10.9.0.200"}, "10.9.0.7", "10.9.0.200"},
		{"pair of RFC 3021", []string{"-addr", "10.9.0.0/31"}, "10.9.0.0", "10.9.0.1"},
		{"pair of RFC 6164", []string{"-addr", "fd00:9::/127"}, "fd00:9::", "fd00:9::1"},
		{"point to point", []string{"-addr", "10.9.0.7/32", "-host", "10.8.0.1"}, "10.9.0.7", "10.8.0.1"},
		{"point to point over IPv6", []string{"-addr", "fd00:9::7/128", "-host", "fd00:8::1"}, "fd00:9::7", "fd00:8::1"},
		{"other device", []string{"-addr", "10.9.0.7/24", "-tun", "other7", "-mtu", "1300"}, "10.9.0.7", "10.9.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := startOnly(t, tc.flags...)
			pinged(t, tool(t, patience, "ping", "-c", "3", "-i", "0.2", "-s", "3000", tc.ping), 3)
			addresses, err := net.InterfaceAddrs()
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, a := range addresses {
				found = found || strings.HasPrefix(a.String(), tc.kernel+"/")
			}
			if !found {
				t.Errorf("the kernel has %v, want %s among them", addresses, tc.kernel)
			}
			d.stop(t)
		})
	}
}
