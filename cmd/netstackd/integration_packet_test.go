//go:build linux

package main_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The packets here are built, and their checksums computed, without any code
// of the daemon: the tests judge it from outside.

// onesSum is RFC 1071 as it is written: add the 16-bit words, an odd byte
// padded with zero, and fold the carries.
func onesSum(parts ...[]byte) uint16 {
	var sum uint32
	for _, part := range parts {
		for i := 0; i < len(part); i += 2 {
			word := uint32(part[i]) << 8
			if i+1 < len(part) {
				word |= uint32(part[i+1])
			}
			if sum += word; sum > 0xffff {
				sum = sum&0xffff + 1
			}
		}
	}
	return uint16(sum)
}

// pseudo6 is the pseudo-header of RFC 8200 section 8.1.
func pseudo6(src, dst netip.Addr, length int, next byte) []byte {
	header := append(src.AsSlice(), dst.AsSlice()...)
	header = binary.BigEndian.AppendUint32(header, uint32(length))
	return append(header, 0, 0, 0, next)
}

// echoRequest4 is an ICMP echo request with a right checksum, no IP header.
func echoRequest4(id, seq uint16, data []byte) []byte {
	message := binary.BigEndian.AppendUint16([]byte{8, 0, 0, 0}, id)
	message = append(binary.BigEndian.AppendUint16(message, seq), data...)
	binary.BigEndian.PutUint16(message[2:], ^onesSum(message))
	return message
}

// echoRequest6 is the same for ICMPv6, from the kernel to netstack.
func echoRequest6(id, seq uint16, data []byte) []byte {
	message := binary.BigEndian.AppendUint16([]byte{128, 0, 0, 0}, id)
	message = append(binary.BigEndian.AppendUint16(message, seq), data...)
	pseudo := pseudo6(netip.MustParseAddr(kernel6), netip.MustParseAddr(netstack6), len(message), 58)
	binary.BigEndian.PutUint16(message[2:], ^onesSum(pseudo, message))
	return message
}

// ipv4Packet puts an IPv4 header with a right checksum before a payload.
// flags is the whole 16-bit word of flags and fragment offset.
func ipv4Packet(protocol byte, id, flags uint16, payload []byte) []byte {
	header := make([]byte, 20, 20+len(payload))
	header[0], header[8], header[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(header[2:], uint16(20+len(payload)))
	binary.BigEndian.PutUint16(header[4:], id)
	binary.BigEndian.PutUint16(header[6:], flags)
	copy(header[12:], netip.MustParseAddr(kernel4).AsSlice())
	copy(header[16:], netip.MustParseAddr(netstack4).AsSlice())
	binary.BigEndian.PutUint16(header[10:], ^onesSum(header))
	return append(header, payload...)
}

// ipv6Packet puts an IPv6 header before a payload.
func ipv6Packet(next byte, payload []byte) []byte {
	header := make([]byte, 40, 40+len(payload))
	header[0], header[6], header[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(header[4:], uint16(len(payload)))
	copy(header[8:], netip.MustParseAddr(kernel6).AsSlice())
	copy(header[24:], netip.MustParseAddr(netstack6).AsSlice())
	return append(header, payload...)
}

// fragment4 cuts an ICMP message into IPv4 fragments of size bytes, a multiple
// of 8. The message may be longer than a datagram can be.
func fragment4(id uint16, message []byte, size int) [][]byte {
	var fragments [][]byte
	for offset := 0; offset < len(message); offset += size {
		end, more := offset+size, uint16(0x2000)
		if end >= len(message) {
			end, more = len(message), 0
		}
		fragments = append(fragments, ipv4Packet(1, id, more|uint16(offset/8), message[offset:end]))
	}
	return fragments
}

// fragment6 does the same with the fragment header of RFC 8200 section 4.5.
func fragment6(id uint32, message []byte, size int) [][]byte {
	var fragments [][]byte
	for offset := 0; offset < len(message); offset += size {
		end, more := offset+size, uint16(1)
		if end >= len(message) {
			end, more = len(message), 0
		}
		header := binary.BigEndian.AppendUint16([]byte{58, 0}, uint16(offset)|more)
		header = binary.BigEndian.AppendUint32(header, id)
		fragments = append(fragments, ipv6Packet(44, append(header, message[offset:end]...)))
	}
	return fragments
}

// injector writes whole packets to the daemon's device, as if the kernel had
// routed them there: no header is checked or completed on the way.
type injector struct {
	fd    int
	index int
}

// newInjector opens a packet socket in the test's namespace.
func newInjector(t *testing.T) *injector {
	t.Helper()
	iface, err := net.InterfaceByName(device)
	if err != nil {
		t.Fatalf("find device: %v", err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open packet socket: %v", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &injector{fd: fd, index: iface.Index}
}

// send injects one packet, as IPv4 or IPv6 whatever its first bits say. A full
// device queue is waited out.
func (in *injector) send(t *testing.T, version int, packet []byte) {
	t.Helper()
	protocol := uint16(unix.ETH_P_IP)
	if version == 6 {
		protocol = unix.ETH_P_IPV6
	}
	// The kernel takes the protocol in network byte order.
	to := &unix.SockaddrLinklayer{Protocol: protocol<<8 | protocol>>8, Ifindex: in.index}
	for range 1000 {
		err := unix.Sendto(in.fd, packet, 0, to)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EAGAIN) {
			t.Fatalf("inject %d bytes: %v", len(packet), err)
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("inject %d bytes: the device queue stays full", len(packet))
}

// received waits for an ICMP message that the wanted function accepts, and
// reports whether it came in time. version chooses the ICMP.
func received(t *testing.T, fd int, within time.Duration, wanted func(message []byte) bool) bool {
	t.Helper()
	buf := make([]byte, 1<<17)
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(poll, int(time.Until(deadline).Milliseconds())+1); err != nil || n == 0 {
			continue // interrupted, or the deadline
		}
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		if err == nil && wanted(buf[:n]) {
			return true
		}
	}
	return false
}
