package stack

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	gvisorlog "gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	link := channel.New(1, testMTU, "")
	mapped := netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.1"), 120)
	for _, tc := range []struct {
		name   string
		config Config
		want   string
	}{
		{"no link", Config{Addresses: hostPrefixes}, "create host: no link endpoint"},
		{"no address", Config{Link: link}, "create host: no address"},
		{"invalid", Config{Link: link, Addresses: []netip.Prefix{{}}}, "create host: address invalid Prefix: not valid"},
		{"twice", Config{Link: link, Addresses: prefixes("10.0.0.1/24", "10.0.0.1/8")}, "create host: address 10.0.0.1: given twice"},
		{"mapped", Config{Link: link, Addresses: []netip.Prefix{mapped}}, "create host: address ::ffff:10.0.0.1/120: is IPv4 mapped into IPv6; write it as IPv4"},
		{"unspecified v4", Config{Link: link, Addresses: prefixes("0.0.0.0/8")}, "create host: address 0.0.0.0/8: is the unspecified address"},
		{"unspecified v6", Config{Link: link, Addresses: prefixes("::/64")}, "create host: address ::/64: is the unspecified address"},
		{"loopback v4", Config{Link: link, Addresses: prefixes("127.0.0.1/8")}, "create host: address 127.0.0.1/8: is a loopback address"},
		{"loopback v6", Config{Link: link, Addresses: prefixes("::1/128")}, "create host: address ::1/128: is a loopback address"},
		{"multicast v4", Config{Link: link, Addresses: prefixes("224.0.0.1/24")}, "create host: address 224.0.0.1/24: is a multicast address"},
		{"multicast v6", Config{Link: link, Addresses: prefixes("ff02::1/64")}, "create host: address ff02::1/64: is a multicast address"},
		{"limited broadcast", Config{Link: link, Addresses: prefixes("255.255.255.255/32")}, "create host: address 255.255.255.255/32: is a broadcast address"},
		{"subnet broadcast", Config{Link: link, Addresses: prefixes("10.0.1.255/23")}, "create host: address 10.0.1.255/23: is a broadcast address"},
		{"network", Config{Link: link, Addresses: prefixes("10.0.0.0/23")}, "create host: address 10.0.0.0/23: is the network's own address"},
		{"anycast", Config{Link: link, Addresses: prefixes("fd00::/64")}, "create host: address fd00::/64: is the subnet-router anycast address"},
		{"service", Config{Link: link, Addresses: hostPrefixes, Services: []string{"echo", "telnet"}}, `create host: service "telnet": not one of echo, discard, chargen, http, iperf3`},
		{"service twice", Config{Link: link, Addresses: hostPrefixes, Services: []string{"echo", "echo"}}, `create host: service "echo": given twice`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h, err := New(tc.config)
			if err == nil {
				h.Close()
				t.Fatal("no error")
			}
			if err.Error() != tc.want {
				t.Errorf("got  %q\nwant %q", err, tc.want)
			}
		})
	}
	if link.IsAttached() {
		t.Error("a refused configuration attached the link")
	}
}

// TestPortInUse: what New would say if a port could not be had.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	s := newWire(t, hostPrefixes, ServiceNames()...).host.current().stack
	_, err := listenTCP(s, "echo", 7, defaultLimits(), nil, nil, nil, silentLog())
	if want := "bind echo to TCP port 7: port is in use"; err == nil || err.Error() != want {
		t.Errorf("TCP: got %v, want %s", err, want)
	}
	_, err = listenUDP(s, catalogue()[0], newOwnAddresses(nil))
	if want := "bind echo to UDP port 7: port is in use"; err == nil || err.Error() != want {
		t.Errorf("UDP: got %v, want %s", err, want)
	}
}

// TestSmallPrefixes: single addresses and pairs are hosts like any other.
func TestSmallPrefixes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ host, client string }{
		{"10.0.0.0/31", "10.0.0.1/31"},
		{"10.0.0.1/31", "10.0.0.0/31"},
		{"10.0.0.255/31", "10.0.0.254/31"},
		{"10.0.0.7/32", "192.0.2.1/32"},
		{"10.0.0.1/30", "10.0.0.2/30"},
		{"fd00::/127", "fd00::1/127"},
		{"fd00::1/127", "fd00::/127"},
		{"fd00::7/128", "2001:db8::1/128"},
		{"fe80::7/64", "fe80::8/64"},
	} {
		t.Run(tc.host, func(t *testing.T) {
			t.Parallel()
			p := newPairOf(t, defaultLimits(), testMTU, prefixes(tc.host), prefixes(tc.client))
			to := netip.MustParsePrefix(tc.host).Addr()
			dst := full(to, 7)
			if to.IsLinkLocalUnicast() {
				dst.NIC = nicID
			}
			if err := transferTo(p, dst); err != nil {
				t.Error("TCP:", err)
			}
			if to.IsLinkLocalUnicast() {
				return
			}
			if got, err := ask(p.datagrams(netip.Addr{}, 0, to, 7), []byte("hi")); err != nil || string(got) != "hi" {
				t.Errorf("UDP: got %q, %v", got, err)
			}
		})
	}
}

func TestRoutesAndOptions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		addrs []netip.Prefix
		want  []string
	}{
		{prefixes("10.0.0.1/24", "10.0.1.1/24"), []string{"0.0.0.0/0"}},
		{prefixes("fd00::1/64"), []string{"::/0"}},
		{prefixes("fd00::1/64", "10.0.0.1/24", "fd01::1/64"), []string{"0.0.0.0/0", "::/0"}},
	} {
		w := newWire(t, tc.addrs)
		var got []string
		for _, r := range w.host.current().stack.GetRouteTable() {
			got = append(got, netip.PrefixFrom(toAddr(r.Destination.ID()), r.Destination.Prefix()).String())
			if r.NIC != nicID || r.Gateway.BitLen() != 0 {
				t.Errorf("route %v: want NIC %d and no gateway", r, nicID)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("routes of %v (-want +got):\n%s", tc.addrs, diff)
		}
		for _, proto := range []tcpip.NetworkProtocolNumber{ipv4.ProtocolNumber, ipv6.ProtocolNumber} {
			if on, err := w.host.current().stack.NICForwarding(nicID, proto); err != nil || on {
				t.Errorf("forwarding of %d: %t, %v", proto, on, err)
			}
		}
		main, terr := w.host.current().stack.GetMainNICAddress(nicID, protocolOf(tc.addrs[0].Addr()))
		if terr != nil || toAddr(main.Address) != tc.addrs[0].Addr() || main.PrefixLen != tc.addrs[0].Bits() {
			t.Errorf("primary address %v, %v; want %s", main, terr, tc.addrs[0])
		}
	}

	s := newWire(t, hostPrefixes).host.current().stack
	var sack tcpip.TCPSACKEnabled
	var recovery tcpip.TCPRecovery
	var cc tcpip.CongestionControlOption
	var moderate tcpip.TCPModerateReceiveBufferOption
	var snd tcpip.TCPSendBufferSizeRangeOption
	var rcv tcpip.TCPReceiveBufferSizeRangeOption
	for _, o := range []tcpip.GettableTransportProtocolOption{&sack, &recovery, &cc, &moderate, &snd, &rcv} {
		if terr := s.TransportProtocolOption(tcp.ProtocolNumber, o); terr != nil {
			t.Fatal(terr)
		}
	}
	got := []any{bool(sack), recovery == 0, string(cc), bool(moderate), snd.Max, rcv.Max, float64(s.ICMPLimit()), s.ICMPBurst(), s.HandleLocal()}
	want := []any{true, true, "cubic", true, 2 << 20, 2 << 20, 1000.0, 50, true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

// TestLifecycle: each call in an order it may come in.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	build := func() *Host {
		h, err := New(Config{Link: channel.New(8, testMTU, ""), Addresses: hostPrefixes, Services: ServiceNames()})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	t.Run("start twice", func(t *testing.T) {
		h := build()
		defer h.Close()
		if err := h.Start(); err != nil {
			t.Fatal(err)
		}
		if err := h.Start(); err == nil || err.Error() != "start host: already started" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("start after close", func(t *testing.T) {
		h := build()
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if err := h.Start(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v, want one that wraps os.ErrClosed", err)
		}
	})
	t.Run("close many at once", func(t *testing.T) {
		h := build()
		if err := h.Start(); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := h.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		h.Counters() // still there
	})
	t.Run("start and close at once", func(t *testing.T) {
		for range 20 {
			h := build()
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := h.Start(); err != nil && !errors.Is(err, os.ErrClosed) {
					t.Error(err)
				}
			})
			if err := h.Close(); err != nil {
				t.Error(err)
			}
			wg.Wait()
		}
	})
}

// TestCloseUnderLoad starts and stops hosts while clients are busy with every
// service. goleak and the packet buffer check are the judges.
func TestCloseUnderLoad(t *testing.T) {
	t.Parallel()
	for range 8 {
		hostEnd, clientEnd := pipe.New("", "", testMTU)
		client := newClient(t, clientEnd, clientPrefixes)
		h, err := New(Config{Link: hostEnd, Addresses: hostPrefixes, Services: ServiceNames()})
		if err != nil {
			t.Fatal(err)
		}
		p := &pair{t: t, host: h, client: client}
		if err := h.Start(); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i, port := range []uint16{7, 9, 19, 80} {
			c := p.dial(families[i%2].host, port)
			wg.Go(func() {
				b := make([]byte, 32<<10)
				for {
					if _, err := c.Write(b); err != nil {
						return
					}
				}
			})
			wg.Go(func() {
				b := make([]byte, 32<<10)
				for {
					if _, err := c.Read(b); err != nil {
						return
					}
				}
			})
			d := p.datagrams(netip.Addr{}, 0, families[i%2].host, port)
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						_, _ = d.Write(make([]byte, 1000))
					}
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		close(stop)
		wg.Wait() // the resets reached the clients
	}
}

func TestDropReasonsCounted(t *testing.T) {
	t.Parallel()
	w := newWire(t, hostPrefixes)
	var documented, counted []string
	for name, doc := range DropReasons() {
		documented = append(documented, name)
		if doc == "" || strings.Contains(doc, "\n") || !strings.HasPrefix(name, "service-") && !strings.HasPrefix(name, "netstack-") {
			t.Errorf("%s: %q is no one-line documentation", name, doc)
		}
	}
	for name := range w.host.Counters().Drops {
		counted = append(counted, name)
	}
	if diff := cmp.Diff(len(documented), len(counted)); diff != "" {
		t.Errorf("reasons documented and counted (-documented +counted):\n%s", diff)
	}
	for _, name := range datagramReasons {
		if DropReasons()[name] == "" {
			t.Errorf("%s: counted and not documented", name)
		}
	}
}

func TestNetstackLogLines(t *testing.T) {
	t.Parallel()
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	e := logEmitter{log.WithField("from", "netstack")}
	e.Emit(0, gvisorlog.Warning, time.Now(), "handshake of %s", "someone")
	e.Emit(0, gvisorlog.Info, time.Now(), "martian")
	var got []string
	for _, entry := range hook.AllEntries() {
		got = append(got, entry.Level.String()+" "+entry.Message+" "+entry.Data["from"].(string))
	}
	if diff := cmp.Diff([]string{"info handshake of someone netstack", "debug martian netstack"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	if err := asError(nil, "do %s", "it"); err != nil {
		t.Errorf("no error became %v", err)
	}
	err := asError(&tcpip.ErrPortInUse{}, "bind %s", "echo")
	if got, want := err.Error(), "bind echo: port is in use"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if errors.Is(err, os.ErrClosed) || !errors.Is(asError(&tcpip.ErrClosedForSend{}, "x"), os.ErrClosed) {
		t.Error("only what is closed wraps os.ErrClosed")
	}
}

// TestSourceLimit: one source has so many connections, of all services together,
// and another source still gets in. An IPv6 source is a /64.
func TestSourceLimit(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, defaultLimits())
			if err := p.host.SetLimits(Limits{Connections: 100, PerSource: 3}); err != nil {
				t.Fatal(err)
			}
			var held []*gonet.TCPConn
			for _, port := range []uint16{7, 7, 80} {
				held = append(held, p.dial(f.host, port))
			}
			open := func() uint64 { return p.counters("echo").Open + p.counters("http").Open }
			eventually(t, "three connections open", func() bool { return open() == 3 })
			for range 5 {
				if c, err := p.tryDial(f.host, 7); err == nil {
					if n, err := c.Read(make([]byte, 1)); err == nil {
						t.Errorf("a connection over the limit of its source got %d bytes", n)
					}
					c.Close()
				}
			}
			wantDrops(t, p, DropSourceLimit, 5)
			for _, c := range held {
				c.Close()
			}
			eventually(t, "all connections over", func() bool { return open() == 0 })
			if err := transfer(p.dial(f.host, 7), 1000); err != nil {
				t.Errorf("after the others are over: %v", err)
			}
			eventually(t, "no source held", func() bool {
				p.host.current().sources.mu.Lock()
				defer p.host.current().sources.mu.Unlock()
				return len(p.host.current().sources.open) == 0
			})
		})
	}
}

// TestSourceOf: what counts as one source.
func TestSourceOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8::1": "2001:db8::/64", "fe80::1": "fe80::/64",
	} {
		if got := sourceOf(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s counts as %s, want %s", addr, got, want)
		}
	}
}
