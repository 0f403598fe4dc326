package soak

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"netstackd/hooks/wire"
)

// floodStep is how many packets are sent between two pauses of floodPause.
const (
	floodStep  = 50
	floodPause = time.Millisecond
)

// Flood sends so many packets that make makes, as they are, IPv4 or IPv6 as their
// destination to is. It returns how many the kernel took.
func Flood(ctx context.Context, to netip.Addr, count int, make func(n int) []byte) (int, error) {
	family := unix.AF_INET
	if to.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return 0, fmt.Errorf("make raw socket: %w", err)
	}
	defer unix.Close(fd)
	sent := 0
	for n := 0; n < count && ctx.Err() == nil; n++ {
		// Where the kernel has no room or no route there is one less.
		if unix.Sendto(fd, make(n), 0, sockaddr(netip.AddrPortFrom(to, 0))) == nil {
			sent++
		}
		if n%floodStep == floodStep-1 {
			rest(ctx, floodPause)
		}
	}
	return sent, nil
}

// SYNs makes SYNs to a port, each from another address of 10.0.0.0/8 (RFC 9293
// section 3.1).
func SYNs(to netip.AddrPort, random *rand.Rand) func(int) []byte {
	return func(int) []byte {
		b := ipv4(20+20, unix.IPPROTO_TCP, netip.AddrFrom4([4]byte{10, byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())}), to.Addr())
		tcp := b[20:]
		binary.BigEndian.PutUint16(tcp, uint16(1024+random.IntN(60000)))
		binary.BigEndian.PutUint16(tcp[2:], to.Port())
		binary.BigEndian.PutUint32(tcp[4:], random.Uint32())
		tcp[12], tcp[13] = 5<<4, 2
		binary.BigEndian.PutUint16(tcp[14:], 65535)
		pseudo := append(append(append([]byte(nil), b[12:20]...), 0, unix.IPPROTO_TCP, 0, 20), tcp...)
		binary.BigEndian.PutUint16(tcp[16:], wire.Checksum(pseudo))
		return b
	}
}

// fragmentData is what each fragment carries, in bytes: a multiple of 8.
const fragmentData = 800

// Fragments makes fragments of echo requests that never become whole: of each
// datagram one, somewhere in it.
func Fragments(from, to netip.Addr, random *rand.Rand) func(int) []byte {
	return func(n int) []byte {
		offset := uint16(random.IntN(8) * fragmentData) // in bytes, a multiple of 8
		if to.Is6() {
			b := ipv6(40+8+fragmentData, unix.IPPROTO_FRAGMENT, from, to)
			b[40] = unix.IPPROTO_ICMPV6
			binary.BigEndian.PutUint16(b[42:], offset|1) // more come: RFC 8200 section 4.5
			binary.BigEndian.PutUint32(b[44:], random.Uint32())
			return b
		}
		b := ipv4(20+fragmentData, unix.IPPROTO_ICMP, from, to)
		binary.BigEndian.PutUint16(b[4:], uint16(1+n%65535))
		binary.BigEndian.PutUint16(b[6:], 0x2000|offset/8) // more come: RFC 791 section 3.1
		return b
	}
}

// ipv4 is a packet whose header wants no more: the kernel sums it.
func ipv4(length int, protocol byte, from, to netip.Addr) []byte {
	b := make([]byte, length)
	b[0], b[8], b[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(b[2:], uint16(length))
	copy(b[12:], from.AsSlice())
	copy(b[16:], to.AsSlice())
	return b
}

func ipv6(length int, next byte, from, to netip.Addr) []byte {
	b := make([]byte, length)
	b[0], b[6], b[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(b[4:], uint16(length-40))
	copy(b[8:], from.AsSlice())
	copy(b[24:], to.AsSlice())
	return b
}
