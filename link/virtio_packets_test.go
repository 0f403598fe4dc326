package link

import (
	"encoding/binary"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// The packets of the virtio-net header's tests are made of bytes here, without
// package header, which is what is tested with them. Their checksum fields hold 0:
// nothing that is tested looks at what they held before.

const (
	protoHopByHop    = 0
	protoICMP        = 1
	protoIPIP        = 4
	protoTCP         = 6
	protoUDP         = 17
	protoRouting     = 43
	protoFragment    = 44
	protoDestination = 60
)

// fill are n bytes, no two neighbours alike.
func fill(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// ip4 is an IPv4 packet; options are a multiple of 4 bytes.
func ip4(protocol byte, options int, payload []byte) []byte {
	b := slices.Concat([]byte{byte(0x45 + options/4), 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2},
		make([]byte, options), payload)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// ip6 is an IPv6 packet.
func ip6(next byte, payload []byte) []byte {
	b := slices.Concat([]byte{0x60, 0, 0, 0, 0, 0, next, 64}, fill(32), payload)
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	return b
}

// tcp is a TCP segment; options are a multiple of 4 bytes.
func tcp(options, data int) []byte {
	return slices.Concat([]byte{0x9c, 0x40, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, byte((20 + options) / 4 << 4), 0x18, 0xff, 0xff, 0, 0, 0, 0},
		slices.Repeat([]byte{1}, options), fill(data))
}

// udp is a UDP datagram.
func udp(data int) []byte {
	b := slices.Concat([]byte{0x9c, 0x40, 0, 7, 0, 0, 0, 0}, fill(data))
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	return b
}

// extension is an IPv6 extension header of 8 bytes and more times 8.
func extension(next byte, more int) []byte {
	return slices.Concat([]byte{next, byte(more), 1, 4, 0, 0, 0, 0}, make([]byte, 8*more))
}

// with returns a copy of b that has other bytes from at on.
func with(b []byte, at int, bytes ...byte) []byte {
	b = slices.Clone(b)
	copy(b[at:], bytes)
	return b
}

// naiveSum is the sum of RFC 1071 section 1, one byte after the other, not
// complemented.
func naiveSum(b []byte) uint16 {
	sum := uint64(0)
	for i, c := range b {
		if i%2 == 0 {
			sum += uint64(c) * 256
		} else {
			sum += uint64(c)
		}
	}
	for sum > 0xffff {
		sum = sum%0x10000 + sum/0x10000
	}
	return uint16(sum)
}

// completed is what packet becomes when the checksum is completed in software:
// what the field holds is part of the sum, and 0 is written as 0xffff.
func completed(packet []byte, start, field int) []byte {
	sum := 0xffff - naiveSum(packet[start:])
	if sum == 0 {
		sum = 0xffff
	}
	return with(packet, field, byte(sum>>8), byte(sum))
}

// findTransport is what transportOf is to find, written another way: protocol and
// start of the header behind those of IP, for a packet that is no fragment.
func findTransport(b []byte) (protocol byte, start int, ok bool) {
	if len(b) >= 20 && b[0]&0xf0 == 0x40 {
		start = int(b[0]&0x0f) * 4
		fragment := b[6]&0x20 != 0 || b[6]&0x1f != 0 || b[7] != 0
		return b[9], start, start >= 20 && !fragment
	}
	if len(b) < 40 || b[0]&0xf0 != 0x60 {
		return 0, 0, false
	}
	next, rest := b[6], b[40:]
	for next == protoHopByHop || next == protoRouting || next == protoDestination {
		if len(rest) < 8 {
			return 0, 0, false
		}
		n := 8 + int(rest[1])*8
		if n > len(rest) {
			return 0, 0, false
		}
		next, rest = rest[0], rest[n:]
	}
	return next, len(b) - len(rest), true
}

// frame is a packet with its header, as it passes the device's file.
func frame(h virtioHeader, packet []byte) []byte {
	b := make([]byte, virtioHeaderLen, virtioHeaderLen+len(packet))
	h.encode(b)
	return append(b, packet...)
}

// bytesOf copies a packet out of its buffer.
func bytesOf(pkt *stack.PacketBuffer) []byte {
	v := pkt.ToView()
	defer v.Release()
	return slices.Clone(v.AsSlice())
}
