package link_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"netstackd/link"
)

// TestIntegrationUDPSegments: the kernel hands over many datagrams as one
// super-segment (UDP_SEGMENT), and each comes out by itself.
func TestIntegrationUDPSegments(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := newRig(t, link.Options{}, nil)
	for _, tc := range []struct{ segment, count int }{{1000, 60}, {1472, 44}, {10, 64}, {1, 64}} {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("172.16.0.2:4000")))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		setsockopt(t, conn, unix.IPPROTO_UDP, unix.UDP_SEGMENT, tc.segment)
		payload := strings.Repeat("s", tc.segment*tc.count)
		if _, err := conn.Write([]byte(payload)); err != nil {
			t.Fatal(err)
		}
		for i := range tc.count {
			for {
				b := []byte(r.c.next(t).bytes)
				if header.IPVersion(b) != 4 || header.IPv4(b).TransportProtocol() != header.UDPProtocolNumber {
					continue // the kernel's own
				}
				ip := header.IPv4(b)
				u := header.UDP(ip.Payload())
				if len(u.Payload()) != tc.segment || int(u.Length()) != len(u) {
					t.Fatalf("datagram %d has %d bytes, its header says %d, want %d", i, len(u.Payload()), u.Length(), tc.segment)
				}
				sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, ip.SourceAddress(), ip.DestinationAddress(), u.Length())
				if !ip.IsChecksumValid() || !u.IsChecksumValid(ip.SourceAddress(), ip.DestinationAddress(), checksumOf(u.Payload())) {
					t.Fatalf("datagram %d has a bad checksum (pseudo-header %#x): %x", i, sum, b)
				}
				break
			}
		}
	}
	if d := r.e.Counters().Drops; len(d) != 0 {
		t.Errorf("drops: %v", d)
	}
}

// checksumOf is RFC 1071's sum of b, not complemented.
func checksumOf(b []byte) uint16 {
	var sum uint32
	for i, c := range b {
		if i%2 == 0 {
			sum += uint32(c) << 8
		} else {
			sum += uint32(c)
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

func setsockopt(t *testing.T, conn syscall.Conn, level, name, value int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, name, value) }); err != nil || failed != nil {
		t.Fatalf("set socket option %d: %v, %v", name, failed, err)
	}
}

// TestIntegrationTCPSegments sends to a real netstack, which answers with the
// digest of what it got. Of segments of 88 bytes a super-segment holds more than
// wireguard's batch: what is lost of it must be little, counted, and sent again.
// (It does not send them back: the kernel's receiver drops segments as small as
// these when they come fast, which says nothing about the link.)
func TestIntegrationTCPSegments(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, tc := range []struct {
		name     string
		mss, len int    // bytes; no mss for the kernel's own
		drops    uint64 // at most
	}{
		{name: "usual", len: 8 << 20},
		{name: "small", mss: 88, len: 512 << 10, drops: 4}, // 128 buffers become 256, 512, 1024, 2048
	} {
		t.Run(tc.name, func(t *testing.T) {
			dev, err := link.Open(config(nil))
			if err != nil {
				t.Fatal(err)
			}
			e, err := link.NewEndpoint(dev, link.Options{})
			if err != nil {
				t.Fatal(err)
			}
			s := digestStack(t, e)
			if err := dev.Up(); err != nil {
				t.Fatal(err)
			}
			dialer := net.Dialer{Timeout: patience, Control: func(_, _ string, raw syscall.RawConn) error {
				if tc.mss == 0 {
					return nil
				}
				var failed error
				err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, tc.mss) })
				return cmp.Or(err, failed)
			}}
			conn, err := dialer.Dial("tcp", "172.16.0.2:7")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(4 * patience)); err != nil {
				t.Fatal(err)
			}
			sent := make([]byte, tc.len)
			rnd := rand.NewChaCha8([32]byte{})
			rnd.Read(sent)
			start := time.Now()
			if _, err := conn.Write(sent); err != nil {
				t.Fatalf("send: %v", err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			digest, err := io.ReadAll(conn)
			if err != nil {
				t.Errorf("receive: %v", err)
			}
			if want := sha256.Sum256(sent); !bytes.Equal(digest, want[:]) {
				t.Errorf("what came is not what was sent: digest %x, want %x", digest, want)
			}
			c := e.Counters()
			t.Logf("%d bytes in %v: %+v", tc.len, time.Since(start).Round(time.Millisecond), c)
			if c.Drops["link-too-many-segments"] > tc.drops {
				t.Errorf("%d super-segments were cut, want at most %d", c.Drops["link-too-many-segments"], tc.drops)
			}
			delete(c.Drops, "link-too-many-segments")
			if len(c.Drops) != 0 {
				t.Errorf("drops: %v", c.Drops)
			}
			if err := s.RemoveNIC(1); err != nil {
				t.Error(err)
			}
			within(t, "Wait", e.Wait)
			s.Destroy()
		})
	}
}

// digestStack is a netstack that takes one TCP connection on port 7, reads it to
// its end and answers with the SHA-256 of it.
func digestStack(t *testing.T, e *link.Endpoint) *stack.Stack {
	t.Helper()
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	fail := func(err tcpip.Error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fail(s.CreateNIC(1, e))
	local := tcpip.AddrFrom4([4]byte{172, 16, 0, 2})
	fail(s.AddProtocolAddress(1, tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: local.WithPrefix()}, stack.AddressProperties{}))
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	l, err := gonet.ListenTCP(s, tcpip.FullAddress{Addr: local, Port: 7}, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err != nil {
			return // closed below
		}
		defer conn.Close()
		h := sha256.New()
		if _, err := io.Copy(h, conn); err != nil {
			return // the other end sees no digest
		}
		_, _ = conn.Write(h.Sum(nil)) // likewise
	}()
	t.Cleanup(func() {
		l.Close()
		within(t, "digest", func() { <-ended })
	})
	return s
}
