package stack

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// datagramSizes are lengths from 0 to top: all small ones, those around the
// places where another fragment begins, the last ones, and some between.
func datagramSizes(top int) []int {
	sizes := []int{top - 1, top}
	for n := range 66 {
		sizes = append(sizes, n)
	}
	for n := 1440; n < 1490; n++ {
		sizes = append(sizes, n)
	}
	for n := 2900; n < 2960; n += 3 {
		sizes = append(sizes, n)
	}
	for n := 3001; n < top; n += 1499 {
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

func TestEchoDatagramSizes(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, defaultLimits())
			c := p.datagrams(f.client, 0, f.host, 7)
			top := 65507
			if f.host.Is6() {
				top = 65527
			}
			sizes := datagramSizes(top)
			for _, n := range sizes {
				want := noise(n, uint32(n))
				got, err := ask(c, want)
				if err != nil {
					t.Fatalf("%s: %v", sizeName(n), err)
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("%s: got %d back, or other ones", sizeName(n), len(got))
				}
			}
			got := p.counters("echo")
			if want := uint64(len(sizes)); got.Datagrams != want || got.Replies != want || got.Ignored != 0 {
				t.Errorf("counters %+v, want %d datagrams and replies", got, want)
			}
		})
	}
}

// TestReplyFromAddressAsked: each address of a host with several answers for
// itself.
func TestReplyFromAddressAsked(t *testing.T) {
	t.Parallel()
	host := prefixes("172.16.0.2/24", "172.16.0.3/24", "10.9.8.7/32", "fd00:172::2/64", "fd00:172::3/64", "fd00:9::7/128")
	p := newPairOf(t, defaultLimits(), testMTU, host, clientPrefixes)
	for _, h := range host {
		c := p.datagrams(netip.Addr{}, 0, h.Addr(), 7)
		if got, err := ask(c, []byte("who?")); err != nil || string(got) != "who?" {
			t.Errorf("%s: got %q, %v", h, got, err)
		}
	}
}

func TestLowSourcePortIgnored(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		for _, service := range []struct {
			name string
			port uint16
		}{{"echo", 7}, {"chargen", 19}} {
			t.Run(f.name+"/"+service.name, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, defaultLimits())
				for i, port := range []uint16{1, 7, 19, 53, 1023} {
					c := p.datagrams(f.client, port, f.host, service.port)
					if _, err := c.Write([]byte("loop")); err != nil {
						t.Fatal(err)
					}
					silent(t, c)
					wantDrops(t, p, DropLowSourcePort, uint64(i)+1)
				}
				c := p.datagrams(f.client, 1024, f.host, service.port)
				if got, err := ask(c, []byte("loop")); err != nil || len(got) != 4 {
					t.Errorf("from port 1024: got %q, %v", got, err)
				}
				wantDrops(t, p, DropLowSourcePort, 5)
			})
		}
	}
}

// TestBroadcastAndMulticastIgnored: no reply to what was sent to many.
func TestBroadcastAndMulticastIgnored(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"172.16.0.255", "255.255.255.255", "224.0.0.1", "ff02::1"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, defaultLimits())
			addr := netip.MustParseAddr(to)
			var wq waiter.Queue
			ep, terr := p.client.NewEndpoint(udp.ProtocolNumber, protocolOf(addr), &wq)
			if terr != nil {
				t.Fatal(terr)
			}
			defer ep.Close()
			ep.SocketOptions().SetBroadcast(true)
			if terr := ep.Bind(tcpip.FullAddress{Port: 5000}); terr != nil {
				t.Fatal(terr)
			}
			for i, port := range []uint16{7, 19} {
				dst := full(addr, port)
				dst.NIC = nicID
				if _, terr := ep.Write(bytes.NewReader([]byte("all of you")), tcpip.WriteOptions{To: &dst}); terr != nil {
					t.Fatal(terr)
				}
				wantDrops(t, p, DropNotToUnicast, uint64(i)+1)
			}
			if got := p.host.Counters().UDP.Sent; got != 0 {
				t.Errorf("host sent %d datagrams, want none", got)
			}
		})
	}
}

func TestChargenDatagram(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, defaultLimits())
			c := p.datagrams(f.client, 0, f.host, 19)
			for _, n := range []int{0, 1, 71, 72, 73, 74, 75, 511, 512, 513, 1400, 9000, 65507} {
				got, err := ask(c, make([]byte, n))
				if err != nil {
					t.Fatalf("%s: %v", sizeName(n), err)
				}
				if want := min(n, 512); len(got) != want {
					t.Errorf("%s: reply of %d, want %d", sizeName(n), len(got), want)
				}
				checkChargen(t, got, 0)
			}
		})
	}
}

func TestDiscardDatagram(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, defaultLimits())
			// Low source ports are as welcome as any: nothing goes back.
			c := p.datagrams(f.client, 53, f.host, 9)
			for _, n := range []int{0, 1, 1400, 65507} {
				if _, err := c.Write(make([]byte, n)); err != nil {
					t.Fatal(err)
				}
			}
			silent(t, c)
			got := p.counters("discard")
			if got.Datagrams != 4 || got.Replies != 0 || got.Ignored != 0 {
				t.Errorf("counters %+v, want 4 datagrams, no reply, none ignored", got)
			}
		})
	}
}

// TestFloodOfEmptyDatagrams: netstack does not bound a queue of empty
// datagrams, so there must be none.
func TestFloodOfEmptyDatagrams(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	c := p.datagrams(families[0].client, 53, families[0].host, 7)
	const flood = 5000
	for range flood {
		if _, err := c.Write(nil); err != nil {
			t.Fatal(err)
		}
	}
	wantDrops(t, p, DropLowSourcePort, flood)
}

func TestIsUnicast(t *testing.T) {
	t.Parallel()
	own := newOwnAddresses(prefixes("172.16.0.2/24", "10.0.0.0/31", "10.1.1.1/32", "fd00::1/64", "fd00:1::/127"))
	for addr, want := range map[string]bool{
		"172.16.0.1": true, "172.16.0.255": false, "172.16.0.0": false, "172.16.1.0": true,
		"10.0.0.0": true, "10.0.0.1": true, "10.1.1.1": true,
		"0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "239.255.255.255": false,
		"::": false, "ff02::1": false, "fd00::": true, "fd00:1::": true, "fe80::1": true,
	} {
		if got := own.isUnicast(fromAddr(netip.MustParseAddr(addr))); got != want {
			t.Errorf("isUnicast(%s) = %t, want %t", addr, got, want)
		}
	}
}
