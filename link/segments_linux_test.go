package link_test

import (
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/header"

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
