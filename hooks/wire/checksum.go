package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Sum adds data, read as big-endian 16-bit words, to the one's complement sum
// initial and returns the folded result, not complemented (RFC 1071 §1). An
// odd last byte is padded with a zero byte on its right.
//
// Sums chain: Sum(b, Sum(a, 0)) is the sum of a followed by b if the length of
// a is even. The result is 0 only if every byte was 0 and initial was 0: the
// other zero of one's complement, 0xffff, stands for every other sum that is
// congruent to it.
func Sum(data []byte, initial uint16) uint16 {
	// One's complement addition is indifferent to the word size as long as
	// the carries come round (RFC 1071 §2 (C)): so add eight bytes at a time
	// and fold once at the end.
	sum, carry := uint64(initial), uint64(0)
	for len(data) >= 64 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(data[0:8]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(data[8:16]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(data[16:24]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(data[24:32]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(data[32:40]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(data[40:48]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(data[48:56]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(data[56:64]), carry)
		data = data[64:]
	}
	for len(data) >= 8 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(data[:8]), carry)
		data = data[8:]
	}
	if len(data) > 0 {
		var tail [8]byte
		copy(tail[:], data)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(tail[:]), carry)
	}
	sum, carry = bits.Add64(sum, 0, carry)
	sum += carry
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}

// Checksum returns the Internet checksum of data: the complement of its one's
// complement sum (RFC 1071 §1). A checksum field inside data counts as the
// bytes it holds, so set it to zero first.
func Checksum(data []byte) uint16 { return ^Sum(data, 0) }

// PseudoHeader returns the folded one's complement sum, not complemented, of
// the pseudo-header that TCP, UDP and ICMPv6 checksums begin with: source,
// destination, upper-layer length in bytes and protocol (RFC 9293 §3.1, RFC
// 768, RFC 8200 §8.1). Both addresses must be of one family; which of the two
// pseudo-headers it is makes no difference to the sum.
func PseudoHeader(src, dst netip.Addr, protocol uint8, length int) uint16 {
	var b [40]byte
	n := 0
	if src.Is4() {
		s, d := src.As4(), dst.As4()
		n += copy(b[n:], s[:])
		n += copy(b[n:], d[:])
	} else {
		s, d := src.As16(), dst.As16()
		n += copy(b[n:], s[:])
		n += copy(b[n:], d[:])
	}
	binary.BigEndian.PutUint32(b[n:], uint32(length))
	b[n+7] = protocol
	return Sum(b[:n+8], 0)
}
