package link_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/link"
)

// parsed is a delivered IP packet taken apart.
type parsed struct {
	src, dst tcpip.Address
	protocol tcpip.TransportProtocolNumber
	id       uint32
	offset   uint16 // of a fragment, in bytes
	more     bool   // fragments
	payload  []byte
}

// parse takes a packet apart; IPv4's own checksum must be right.
func parse(t *testing.T, d delivered) parsed {
	t.Helper()
	b := []byte(d.bytes)
	if header.IPVersion(b) == header.IPv4Version {
		ip := header.IPv4(b)
		if !ip.IsValid(len(b)) || !ip.IsChecksumValid() {
			t.Fatalf("a bad header: %x", b)
		}
		return parsed{ip.SourceAddress(), ip.DestinationAddress(), ip.TransportProtocol(), uint32(ip.ID()), ip.FragmentOffset(), ip.More(), ip.Payload()}
	}
	ip := header.IPv6(b)
	if !ip.IsValid(len(b)) {
		t.Fatalf("a bad header: %x", b)
	}
	p := parsed{src: ip.SourceAddress(), dst: ip.DestinationAddress(), protocol: tcpip.TransportProtocolNumber(ip.NextHeader()), payload: ip.Payload()}
	if p.protocol == header.IPv6FragmentHeader {
		f := header.IPv6Fragment(p.payload)
		p.protocol, p.id, p.offset, p.more, p.payload = f.TransportProtocol(), f.ID(), f.FragmentOffset()*8, f.More(), p.payload[header.IPv6FragmentHeaderSize:]
	}
	return p
}

// wantSum wants the checksum of a whole message to be right, or, where gso says
// that it is to be completed, the pseudo-header's sum in its field.
func wantSum(t *testing.T, p parsed, gso stack.GSO, field int) {
	t.Helper()
	pseudo := header.PseudoHeaderChecksum(p.protocol, p.src, p.dst, uint16(len(p.payload)))
	if p.protocol == header.ICMPv4ProtocolNumber {
		pseudo = 0
	}
	if gso.NeedsCsum {
		if got := binary.BigEndian.Uint16(p.payload[field:]); got != pseudo {
			t.Fatalf("the field holds %#x, want the pseudo-header's sum %#x: %x", got, pseudo, p.payload)
		}
		return
	}
	if sum := checksumOf(append(binary.BigEndian.AppendUint16(nil, pseudo), p.payload...)); sum != 0xffff {
		t.Fatalf("a bad checksum, the sum is %#x: %x", sum, p.payload)
	}
}

// message is the next one of a protocol from the kernel, put together from its
// fragments, which must come in order; the kernel's own are skipped.
func (r *rig) message(t *testing.T, protocol tcpip.TransportProtocolNumber, ours func(payload []byte) bool) (p parsed, gso stack.GSO, fragments int) {
	t.Helper()
	var whole []byte
	for {
		d := r.c.next(t)
		p := parse(t, d)
		if p.protocol != protocol || p.offset == 0 && !ours(p.payload) {
			continue
		}
		if d.gso.Type != stack.GSONone || d.gso.MSS != 0 || d.validated {
			t.Fatalf("a datagram is marked %+v, validated %v", d.gso, d.validated)
		}
		if int(p.offset) != len(whole) {
			t.Fatalf("a fragment at %d follows %d bytes", p.offset, len(whole))
		}
		whole = append(whole, p.payload...)
		fragments++
		if !p.more {
			p.payload = whole
			return p, d.gso, fragments
		}
		if d.gso != (stack.GSO{}) {
			t.Fatalf("a fragment is marked %+v", d.gso)
		}
	}
}

// TestIntegrationUDPSegments: the kernel hands over many datagrams as one
// super-datagram (UDP_SEGMENT), and each comes out by itself: netstack could not
// take them whole.
func TestIntegrationUDPSegments(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		r := newRig(t, o, nil)
		for _, address := range []string{"172.16.0.2", "fd00:172::2"} {
			for _, tc := range []struct{ segment, bytes int }{{1000, 60000}, {1452, 44 * 1452}, {10, 640}, {1, 64}, {1400, 1401}, {999, 10 * 1000}} {
				conn, err := net.Dial("udp", net.JoinHostPort(address, "4000"))
				if err != nil {
					t.Fatal(err)
				}
				setsockopt(t, conn.(*net.UDPConn), unix.IPPROTO_UDP, unix.UDP_SEGMENT, tc.segment)
				sent := make([]byte, tc.bytes)
				rand.NewChaCha8([32]byte{}).Read(sent) //nolint:errcheck // never fails
				if _, err := conn.Write(sent); err != nil {
					t.Fatal(err)
				}
				for part := range slices.Chunk(sent, tc.segment) {
					p, gso, _ := r.message(t, header.UDPProtocolNumber, func([]byte) bool { return true })
					wantSum(t, p, gso, 6)
					if u := header.UDP(p.payload); !bytes.Equal(u.Payload(), part) || int(u.Length()) != len(u) {
						t.Fatalf("a datagram of %d bytes, that says %d, want other %d", len(u.Payload()), u.Length(), len(part))
					}
				}
				conn.Close() //nolint:errcheck // nothing to lose
			}
		}
		wantDrops(t, r.e)
	})
}

// TestIntegrationFragments: fragments, and messages that no checksum offload
// knows, pass as they are.
func TestIntegrationFragments(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		r := newRig(t, o, nil)
		for _, tc := range []struct {
			network, address string
			protocol         tcpip.TransportProtocolNumber
			field            int // of the checksum
			header           []byte
		}{
			{"udp", "172.16.0.2:4000", header.UDPProtocolNumber, 6, nil},
			{"udp", "[fd00:172::2]:4000", header.UDPProtocolNumber, 6, nil},
			{"ip4:icmp", "172.16.0.2", header.ICMPv4ProtocolNumber, 2, []byte{8, 0, 0, 0, 0, 1, 0, 1}},
			{"ip6:ipv6-icmp", "fd00:172::2", header.ICMPv6ProtocolNumber, 2, []byte{128, 0, 0, 0, 0, 1, 0, 1}},
		} {
			for _, size := range []int{0, 1, 100, 1452, 1473, 4000, 60000} {
				conn, err := net.Dial(tc.network, tc.address)
				if err != nil {
					t.Fatal(err)
				}
				data := make([]byte, size)
				rand.NewChaCha8([32]byte{byte(size)}).Read(data) //nolint:errcheck // never fails
				sent := append(slices.Clone(tc.header), data...)
				if tc.protocol == header.ICMPv4ProtocolNumber { // the kernel computes ICMPv6's
					binary.BigEndian.PutUint16(sent[2:], ^checksumOf(sent))
				}
				if _, err := conn.Write(sent); err != nil {
					t.Fatal(err)
				}
				p, gso, fragments := r.message(t, tc.protocol, func(payload []byte) bool {
					return tc.protocol != header.ICMPv6ProtocolNumber || payload[0] == 128
				})
				wantSum(t, p, gso, tc.field)
				if !bytes.Equal(p.payload[8:], data) {
					t.Errorf("%s: other %d bytes than the %d sent", tc.network, len(p.payload)-8, size)
				}
				if (fragments > 1) != (size > 1452) {
					t.Errorf("%s: %d bytes in %d fragments", tc.network, size, fragments)
				}
				conn.Close() //nolint:errcheck // nothing to lose
			}
		}
		wantDrops(t, r.e)
	})
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
