package link_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"netstackd/link"
)

// TestIntegrationOpenRefuses: each refusal is one line that names what is in the
// way, and leaves nothing behind.
func TestIntegrationOpenRefuses(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	parse := func(s string) *net.IPNet {
		ip, n, err := net.ParseCIDR(s)
		if err != nil {
			t.Fatal(err)
		}
		n.IP = ip
		return n
	}
	onLo := func(dst string) *netlink.Route {
		return &netlink.Route{Dst: parse(dst), LinkIndex: lo.Attrs().Index, Table: unix.RT_TABLE_MAIN}
	}
	// with does something to the kernel and undoes it at the end of the test.
	type undo func() error
	address := func(s string) func() (undo, error) {
		return func() (undo, error) {
			a := &netlink.Addr{IPNet: parse(s)}
			return func() error { return netlink.AddrDel(lo, a) }, netlink.AddrAdd(lo, a)
		}
	}
	route := func(r *netlink.Route) func() (undo, error) {
		return func() (undo, error) { return func() error { return netlink.RouteDel(r) }, netlink.RouteAdd(r) }
	}
	sysctl := func(path, value, before string) func() (undo, error) {
		return func() (undo, error) {
			return func() error { return os.WriteFile(path, []byte(before), 0) }, os.WriteFile(path, []byte(value), 0)
		}
	}
	onlyFour := func(c *link.Config) { c.Kernel, c.Netstack = c.Kernel[:1], c.Netstack[:1] }

	for _, tc := range []struct {
		name   string
		kernel func() (undo, error)
		change func(*link.Config)
		want   string // "" to be accepted
		is     error
	}{
		{name: "nothing in the way"},
		{name: "default routes", kernel: route(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: parse("0.0.0.0/0")})},
		{name: "IPv6 default route", kernel: route(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: parse("::/0")})},
		{name: "other routes", kernel: route(onLo("172.17.0.0/16"))},
		{name: "a route in another table", kernel: route(&netlink.Route{Dst: parse("172.16.0.0/16"), LinkIndex: lo.Attrs().Index, Table: 100})},
		{
			name: "link-local prefix", kernel: route(onLo("fe80::/64")),
			change: func(c *link.Config) { c.Netstack = append(c.Netstack, prefix("fe80::2/64")) },
		},
		{name: "IPv6 off, not asked for", kernel: sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1", "0"), change: onlyFour},

		{name: "bad name", change: func(c *link.Config) { c.Name = "tun%d" }, want: "name device"},
		{
			name: "name of another link", change: func(c *link.Config) { c.Name = "lo" },
			want: "create device lo: the name is in use", is: unix.EBUSY,
		},
		{
			name: "another name of a link", change: func(c *link.Config) { c.Name = "alias0" },
			kernel: func() (undo, error) {
				return func() error { return netlink.LinkDelAltName(lo, "alias0") }, netlink.LinkAddAltName(lo, "alias0")
			},
			want: "as another name of lo", is: unix.EBUSY,
		},
		{
			name: "address taken", kernel: address("172.16.0.2/32"),
			want: "use address 172.16.0.2/24: address already in use: it is already the kernel's, on lo", is: unix.EADDRINUSE,
		},
		{
			name: "IPv6 address taken", kernel: address("fd00:172::2/128"),
			want: "use address fd00:172::2/64: address already in use: it is already the kernel's, on lo", is: unix.EADDRINUSE,
		},
		{
			name: "host address taken", kernel: address("172.16.0.1/32"),
			want: "use host address 172.16.0.1/24: address already in use: the kernel has it already, on lo", is: unix.EADDRINUSE,
		},
		{
			name: "wider route", kernel: route(onLo("172.16.0.0/12")),
			want: "use prefix 172.16.0.0/24: it overlaps the kernel's route 172.16.0.0/12 dev lo",
		},
		{
			name: "narrower route", kernel: route(onLo("fd00:172::9/128")),
			want: "use prefix fd00:172::/64: it overlaps the kernel's route fd00:172::9/128 dev lo",
		},
		{
			// It makes the whole prefix local, and no route of the main table.
			name: "prefix on the loopback device", kernel: address("172.16.5.9/16"),
			want: "use prefix 172.16.0.0/24: it overlaps the kernel's route 172.16.0.0/16 dev lo",
		},
		{
			name: "blackhole", kernel: route(&netlink.Route{Dst: parse("172.16.0.0/25"), Type: unix.RTN_BLACKHOLE}),
			want: "route 172.16.0.0/25 (blackhole)",
		},
		{
			name: "unreachable", kernel: route(&netlink.Route{Dst: parse("fd00::/16"), Type: unix.RTN_UNREACHABLE}),
			want: "route fd00::/16 (unreachable)",
		},
		{
			name: "route to the peer", kernel: route(onLo("10.9.0.0/16")),
			change: func(c *link.Config) {
				c.Kernel = []link.Address{{Local: prefix("10.0.0.1/32"), Peer: netip.MustParseAddr("10.9.9.9")}}
				c.Netstack = nil
			},
			want: "use prefix 10.9.9.9/32: it overlaps the kernel's route 10.9.0.0/16 dev lo",
		},
		{
			name: "IPv6 off", kernel: sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1", "0"),
			want: "use IPv6: it is switched off in the kernel",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.kernel != nil {
				undo, err := tc.kernel()
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := undo(); err != nil {
						t.Fatal(err)
					}
				}()
			}
			c := config(nil)
			if tc.change != nil {
				tc.change(&c)
			}
			refused(t, c, tc.want, tc.is)
		})
	}

	t.Run("name of another daemon's TUN", func(t *testing.T) {
		c := config(nil)
		dev, err := link.Open(c)
		if err != nil {
			t.Fatal(err)
		}
		defer dev.Close()
		refused(t, c, "the name is in use by a TUN device", syscall.EBUSY)
	})
	t.Run("no privilege", func(t *testing.T) {
		withoutCapability(func() {
			refused(t, config(nil), "needs CAP_NET_ADMIN: run as root, or in a network namespace of your own: unshare -rn", unix.EPERM)
		})
	})
}

// refused opens and wants an error, or for want "" none.
func refused(t *testing.T, c link.Config, want string, is error) {
	t.Helper()
	before, goroutines := descriptors(t), goleak.IgnoreCurrent()
	links, err := netlink.LinkList()
	if err != nil {
		t.Error(err)
	}
	dev, err := link.Open(c)
	if want == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
			return
		}
		if err := dev.Up(); err != nil {
			t.Error(err)
		}
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil {
		t.Errorf("not refused, want %q", want)
		dev.Close()
		return
	}
	if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "\n") {
		t.Errorf("error is\n%s, want one line with\n%s", text, want)
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("%v is not %v", err, is)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors became %d", before, after)
	}
	if now, err := netlink.LinkList(); err != nil || len(now) != len(links) {
		t.Errorf("%d links became %d, %v", len(links), len(now), err)
	}
	if err := goleak.Find(goroutines); err != nil {
		t.Error(err)
	}
}

// withoutCapability runs f on a thread that has lost CAP_NET_ADMIN.
func withoutCapability(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&hdr, &data[0]); err != nil {
			panic(fmt.Sprintf("read capabilities: %v", err))
		}
		data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
		if err := unix.Capset(&hdr, &data[0]); err != nil {
			panic(fmt.Sprintf("drop capability: %v", err))
		}
		f()
	}()
	<-done
}
