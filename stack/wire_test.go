package stack

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// wire is a host on a link whose other end is the test, packet by packet.
type wire struct {
	host *Host
	link *channel.Endpoint
}

func newWire(t *testing.T, addrs []netip.Prefix, services ...string) *wire {
	t.Helper()
	w := &wire{link: channel.New(64, testMTU, "")}
	h, err := New(Config{Link: w.link, Addresses: addrs, Services: services})
	if err != nil {
		t.Fatal(err)
	}
	w.host = h
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		w.link.Close()
	})
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

// inject delivers one packet to the host.
func (w *wire) inject(packet []byte) {
	proto := header.IPv4ProtocolNumber
	if packet[0]>>4 == 6 {
		proto = header.IPv6ProtocolNumber
	}
	pkt := netstack.NewPacketBuffer(netstack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	w.link.InjectInbound(proto, pkt)
	pkt.DecRef()
}

// next is the next packet the host sent, or nil. ICMP and UDP answer before
// inject returns.
func (w *wire) next() []byte {
	pkt := w.link.Read()
	if pkt == nil {
		return nil
	}
	defer pkt.DecRef()
	view := pkt.ToView()
	defer view.Release()
	return bytes.Clone(view.AsSlice())
}

// ipPacket wraps a transport payload.
func ipPacket(src, dst netip.Addr, proto tcpip.TransportProtocolNumber, payload []byte) []byte {
	if src.Is4() {
		b := make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(payload))
		h := header.IPv4(b)
		h.Encode(&header.IPv4Fields{
			TotalLength: uint16(cap(b)), TTL: 64, Protocol: uint8(proto),
			SrcAddr: fromAddr(src), DstAddr: fromAddr(dst),
		})
		h.SetChecksum(^h.CalculateChecksum())
		return append(b, payload...)
	}
	b := make([]byte, header.IPv6MinimumSize, header.IPv6MinimumSize+len(payload))
	header.IPv6(b).Encode(&header.IPv6Fields{
		PayloadLength: uint16(len(payload)), TransportProtocol: proto, HopLimit: 64,
		SrcAddr: fromAddr(src), DstAddr: fromAddr(dst),
	})
	return append(b, payload...)
}

// udpPacket is a whole datagram with its checksum.
func udpPacket(src, dst netip.AddrPort, payload []byte) []byte {
	b := make([]byte, header.UDPMinimumSize, header.UDPMinimumSize+len(payload))
	h := header.UDP(b)
	h.Encode(&header.UDPFields{SrcPort: src.Port(), DstPort: dst.Port(), Length: uint16(cap(b))})
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, fromAddr(src.Addr()), fromAddr(dst.Addr()), uint16(cap(b)))
	h.SetChecksum(^h.CalculateChecksum(checksum.Combine(sum, checksum.Checksum(payload, 0))))
	return ipPacket(src.Addr(), dst.Addr(), header.UDPProtocolNumber, append(b, payload...))
}

// echoRequest is a whole ping.
func echoRequest(src, dst netip.Addr, payload []byte) []byte {
	b := append(make([]byte, header.ICMPv4MinimumSize), payload...)
	if src.Is4() {
		h := header.ICMPv4(b)
		h.SetType(header.ICMPv4Echo)
		h.SetIdent(77)
		h.SetSequence(3)
		h.SetChecksum(^checksum.Checksum(b, 0))
		return ipPacket(src, dst, header.ICMPv4ProtocolNumber, b)
	}
	h := header.ICMPv6(b)
	h.SetType(header.ICMPv6EchoRequest)
	h.SetIdent(77)
	h.SetSequence(3)
	h.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: h, Src: fromAddr(src), Dst: fromAddr(dst)}))
	return ipPacket(src, dst, header.ICMPv6ProtocolNumber, b)
}

// TestEchoReply: the host answers a ping, also from a source that is on none of
// its subnets, with the payload it got and a right checksum.
func TestEchoReply(t *testing.T) {
	t.Parallel()
	w := newWire(t, prefixes("172.16.0.2/24", "fd00:172::2/64"))
	for i, tc := range []struct{ from, to string }{
		{"172.16.0.1", "172.16.0.2"}, {"192.0.2.77", "172.16.0.2"},
		{"fd00:172::1", "fd00:172::2"}, {"2001:db8::77", "fd00:172::2"},
	} {
		from, to := netip.MustParseAddr(tc.from), netip.MustParseAddr(tc.to)
		request := echoRequest(from, to, []byte("are you there?"))
		w.inject(request)
		got := w.next()
		if got == nil {
			t.Fatalf("%s: no reply", tc.from)
		}
		var src, dst netip.Addr
		var body, sent []byte
		if from.Is4() {
			h := header.IPv4(got)
			src, dst = toAddr(h.SourceAddress()), toAddr(h.DestinationAddress())
			body, sent = h.Payload(), header.IPv4(request).Payload()
			if icmp := header.ICMPv4(body); icmp.Type() != header.ICMPv4EchoReply || checksum.Checksum(body, 0) != 0xffff {
				t.Errorf("%s: type %d, checksum does not fold: % x", tc.from, icmp.Type(), body)
			}
		} else {
			h := header.IPv6(got)
			src, dst = toAddr(h.SourceAddress()), toAddr(h.DestinationAddress())
			body, sent = h.Payload(), header.IPv6(request).Payload()
			sum := header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber, h.SourceAddress(), h.DestinationAddress(), uint16(len(body)))
			if icmp := header.ICMPv6(body); icmp.Type() != header.ICMPv6EchoReply || checksum.Checksum(body, sum) != 0xffff {
				t.Errorf("%s: type %d, checksum does not fold: % x", tc.from, icmp.Type(), body)
			}
		}
		if src != to || dst != from {
			t.Errorf("%s: reply from %s to %s, want from %s", tc.from, src, dst, to)
		}
		if !bytes.Equal(body[4:], sent[4:]) { // identifier, sequence number, data
			t.Errorf("%s: reply carries % x, want % x", tc.from, body[4:], sent[4:])
		}
		c := w.host.Counters()
		in, out := c.ICMPv4.EchoRequestsReceived+c.ICMPv6.EchoRequestsReceived, c.ICMPv4.EchoRepliesSent+c.ICMPv6.EchoRepliesSent
		if want := uint64(i) + 1; in != want || out != want {
			t.Errorf("%s: counted %d requests and %d replies, want %d", tc.from, in, out, want)
		}
	}
}

// TestDroppedInSilence: what must not be answered is not, and is counted.
func TestDroppedInSilence(t *testing.T) {
	t.Parallel()
	spoil := func(packet []byte, at int) []byte { packet[at] ^= 0x55; return packet }
	a := netip.MustParseAddr
	ap := netip.MustParseAddrPort
	for _, tc := range []struct {
		name   string
		packet []byte
		count  func(Counters) uint64
	}{
		{"own source v4", echoRequest(a("172.16.0.2"), a("172.16.0.2"), nil), func(c Counters) uint64 { return c.IP.InvalidSource }},
		{"own source v6", echoRequest(a("fd00:172::2"), a("fd00:172::2"), nil), func(c Counters) uint64 { return c.IP.InvalidSource }},
		{"other own source v4", echoRequest(a("172.16.0.3"), a("172.16.0.2"), nil), func(c Counters) uint64 { return c.IP.InvalidSource }},
		{"loopback source", echoRequest(a("127.0.0.1"), a("172.16.0.2"), nil), func(c Counters) uint64 { return c.IP.InvalidSource }},
		{"subnet broadcast source", udpPacket(ap("172.16.0.255:5000"), ap("172.16.0.2:7"), nil), func(c Counters) uint64 { return c.IP.InvalidSource }},
		{"not ours v4", echoRequest(a("172.16.0.1"), a("172.16.0.9"), nil), func(c Counters) uint64 { return c.IP.InvalidDestination }},
		{"not ours v6", echoRequest(a("fd00:172::1"), a("fd00:172::9"), nil), func(c Counters) uint64 { return c.IP.InvalidDestination }},
		{"IPv4 checksum", spoil(echoRequest(a("172.16.0.1"), a("172.16.0.2"), nil), 10), func(c Counters) uint64 { return c.IP.Malformed }},
		{"ICMPv4 checksum", spoil(echoRequest(a("172.16.0.1"), a("172.16.0.2"), nil), 22), func(c Counters) uint64 { return c.ICMPv4.Invalid }},
		{"ICMPv6 checksum", spoil(echoRequest(a("fd00:172::1"), a("fd00:172::2"), nil), 42), func(c Counters) uint64 { return c.ICMPv6.Invalid }},
		{"UDP checksum v4", spoil(udpPacket(ap("172.16.0.1:5000"), ap("172.16.0.2:7"), []byte("x")), 26), func(c Counters) uint64 { return c.UDP.ChecksumErrors }},
		{"UDP checksum v6", spoil(udpPacket(ap("[fd00:172::1]:5000"), ap("[fd00:172::2]:7"), []byte("x")), 46), func(c Counters) uint64 { return c.UDP.ChecksumErrors }},
		{"source 0.0.0.0", udpPacket(ap("0.0.0.0:5000"), ap("172.16.0.2:7"), []byte("x")), func(c Counters) uint64 { return c.Drops[DropNotFromUnicast] }},
		{"source all-zeros host", udpPacket(ap("172.16.0.0:5000"), ap("172.16.0.2:7"), []byte("x")), func(c Counters) uint64 { return c.Drops[DropNotFromUnicast] }},
		{"source ::", udpPacket(ap("[::]:5000"), ap("[fd00:172::2]:7"), []byte("x")), func(c Counters) uint64 { return c.Drops[DropNotFromUnicast] }},
		{"echo's own port", udpPacket(ap("172.16.0.1:7"), ap("172.16.0.2:7"), []byte("x")), func(c Counters) uint64 { return c.Drops[DropLowSourcePort] }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, prefixes("172.16.0.2/24", "172.16.0.3/24", "fd00:172::2/64"), ServiceNames()...)
			w.inject(tc.packet)
			if got := w.next(); got != nil {
				t.Errorf("answered with % x", got)
			}
			c := w.host.Counters()
			if got := tc.count(c); got != 1 {
				t.Errorf("counted %d, want 1; all counters: %+v", got, c)
			}
		})
	}
}

// TestSurvivesPortUnreachable: the error a closed client port sends back does
// not end the service.
func TestSurvivesPortUnreachable(t *testing.T) {
	t.Parallel()
	w := newWire(t, hostPrefixes, "echo")
	client, echo := netip.MustParseAddrPort("172.16.0.1:5000"), netip.MustParseAddrPort("172.16.0.2:7")
	for range 3 {
		w.inject(udpPacket(client, echo, []byte("hello")))
		reply := w.next()
		if reply == nil {
			t.Fatal("no reply")
		}
		icmp := append(make([]byte, header.ICMPv4MinimumSize), reply...)
		header.ICMPv4(icmp).SetType(header.ICMPv4DstUnreachable)
		header.ICMPv4(icmp).SetCode(header.ICMPv4PortUnreachable)
		header.ICMPv4(icmp).SetChecksum(^checksum.Checksum(icmp, 0))
		w.inject(ipPacket(client.Addr(), echo.Addr(), header.ICMPv4ProtocolNumber, icmp))
	}
	if got := w.host.Counters(); got.ICMPv4.UnreachableReceived != 3 || got.Services["echo"].Replies != 3 {
		t.Errorf("%d errors received, %d replies; want 3 and 3", got.ICMPv4.UnreachableReceived, got.Services["echo"].Replies)
	}
}

// TestReplyFailed: a reply that the link does not take is counted.
func TestReplyFailed(t *testing.T) {
	t.Parallel()
	w := newWire(t, hostPrefixes, "echo")
	w.link.Close()
	for _, f := range families {
		w.inject(udpPacket(netip.AddrPortFrom(f.client, 5000), netip.AddrPortFrom(f.host, 7), []byte("x")))
	}
	c := w.host.Counters()
	if got := c.Services["echo"]; got.Datagrams != 2 || got.Replies != 0 || got.Ignored != 2 || c.Drops[DropReplyFailed] != 2 {
		t.Errorf("counters %+v, drops %v; want 2 datagrams and both replies failed", got, c.Drops)
	}
}

// TestUnknownPort: a host says so when nobody listens.
func TestUnknownPort(t *testing.T) {
	t.Parallel()
	w := newWire(t, hostPrefixes)
	w.inject(udpPacket(netip.MustParseAddrPort("172.16.0.1:5000"), netip.MustParseAddrPort("172.16.0.2:7"), []byte("x")))
	got := w.next()
	if got == nil {
		t.Fatal("no answer")
	}
	icmp := header.ICMPv4(header.IPv4(got).Payload())
	if icmp.Type() != header.ICMPv4DstUnreachable || icmp.Code() != header.ICMPv4PortUnreachable {
		t.Errorf("got ICMP type %d code %d, want port unreachable", icmp.Type(), icmp.Code())
	}
	if c := w.host.Counters(); c.UDP.UnknownPort != 1 || c.ICMPv4.UnreachableSent != 1 {
		t.Errorf("counted %d and %d, want 1 and 1", c.UDP.UnknownPort, c.ICMPv4.UnreachableSent)
	}
}

// TestICMPErrorsAreLimited: a burst of errors, then silence; echo replies go on.
func TestICMPErrorsAreLimited(t *testing.T) {
	t.Parallel()
	w := newWire(t, hostPrefixes)
	packet := udpPacket(netip.MustParseAddrPort("172.16.0.1:5000"), netip.MustParseAddrPort("172.16.0.2:7"), []byte("x"))
	start := time.Now()
	for range 1000 {
		w.inject(packet)
		w.next()
	}
	c := w.host.Counters().ICMPv4
	most := icmpBurst + uint64(icmpLimit*time.Since(start).Seconds()) + 1
	if c.UnreachableSent < icmpBurst || c.UnreachableSent > most || c.UnreachableSent+c.RateLimited != 1000 {
		t.Errorf("%d errors sent, %d held back; want %d to %d sent, 1000 in all", c.UnreachableSent, c.RateLimited, icmpBurst, most)
	}
	for i := range 200 {
		w.inject(echoRequest(families[0].client, families[0].host, nil))
		if w.next() == nil {
			t.Fatalf("echo request %d not answered", i)
		}
	}
}

// TestSilentUntilSpokenTo: the host sends nothing of its own accord, at start,
// later, or at the end.
func TestSilentUntilSpokenTo(t *testing.T) {
	t.Parallel()
	for _, addrs := range [][]netip.Prefix{
		prefixes("172.16.0.2/24"),
		prefixes("fd00:172::2/64", "fe80::2/64", "2001:db8::1/128"),
		prefixes("172.16.0.2/24", "10.0.0.0/31", "fd00:172::2/64"),
	} {
		t.Run(fmt.Sprint(len(addrs)), func(t *testing.T) {
			t.Parallel()
			w := newWire(t, addrs, ServiceNames()...)
			// Longer than any first delay of duplicate address detection, router
			// solicitation (1 s) and multicast reports (1 s, RFC 3810 10 s between).
			time.Sleep(1200 * time.Millisecond)
			if got := w.next(); got != nil {
				t.Errorf("%v: sent after start: % x", addrs, got)
			}
			if err := w.host.Close(); err != nil {
				t.Error(err)
			}
			if got := w.next(); got != nil {
				t.Errorf("%v: sent at the end: % x", addrs, got)
			}
		})
	}
}

// TestNothingBeforeStart: an unstarted host is not attached to its link.
func TestNothingBeforeStart(t *testing.T) {
	t.Parallel()
	link := channel.New(4, testMTU, "")
	h, err := New(Config{Link: link, Addresses: hostPrefixes, Services: ServiceNames()})
	if err != nil {
		t.Fatal(err)
	}
	if link.IsAttached() {
		t.Error("attached by New")
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if link.IsAttached() {
		t.Error("attached after Close")
	}
}
