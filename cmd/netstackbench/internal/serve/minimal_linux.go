package serve

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"

	"golang.org/x/sys/unix"
)

// Minimal answers echo requests over IPv4 and does nothing else: one thread that
// blocks in read, swaps the addresses, and writes. It returns on an error only;
// the process is to be killed.
func Minimal(kernel netip.Prefix, ready func()) error {
	fd, err := openTUN(kernel)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ready()
	packet := make([]byte, 1<<16)
	for {
		n, err := unix.Read(fd, packet)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("read device: %w", err)
		}
		if !swap(packet[:n]) {
			continue
		}
		if _, err := unix.Write(fd, packet[:n]); err != nil {
			return fmt.Errorf("write device: %w", err)
		}
	}
}

// swap makes the reply of an unfragmented IPv4 echo request, in place: false if
// packet is none. Swapping addresses changes no checksum; the type does, by 8 in
// its upper byte (RFC 1624, equation 3).
func swap(packet []byte) bool {
	const protocol, source, destination, icmpv4 = 9, 12, 16, 1
	if len(packet) < 28 || packet[0]>>4 != 4 || packet[protocol] != icmpv4 ||
		binary.BigEndian.Uint16(packet[6:])&0x3fff != 0 {
		return false
	}
	header := int(packet[0]&0xf) * 4
	if header < 20 || len(packet) < header+8 || packet[header] != 8 || packet[header+1] != 0 {
		return false
	}
	var address [4]byte
	copy(address[:], packet[source:])
	copy(packet[source:destination], packet[destination:])
	copy(packet[destination:], address[:])
	packet[header] = 0
	sum := uint32(^binary.BigEndian.Uint16(packet[header+2:])) + uint32(^uint16(0x0800))
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(packet[header+2:], ^uint16(sum+sum>>16))
	return true
}
