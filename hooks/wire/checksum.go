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
	// the carries come round (RFC 1071 §2 (C)), so add eight bytes at a time
	// and fold once at the end; and to the byte order as long as the result is
	// swapped back (§2 (B)), so read them as most machines lie. Two chains of
	// carries run side by side.
	sum, other := uint64(bits.ReverseBytes16(initial)), uint64(0)
	var carry, otherCarry uint64
	for len(data) >= 64 {
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(data[0:8]), 0)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(data[8:16]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(data[16:24]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(data[24:32]), carry)
		// No wrap: a chain that begins without a carry cannot end at all ones
		// and carry.
		sum += carry
		other, otherCarry = bits.Add64(other, binary.LittleEndian.Uint64(data[32:40]), 0)
		other, otherCarry = bits.Add64(other, binary.LittleEndian.Uint64(data[40:48]), otherCarry)
		other, otherCarry = bits.Add64(other, binary.LittleEndian.Uint64(data[48:56]), otherCarry)
		other, otherCarry = bits.Add64(other, binary.LittleEndian.Uint64(data[56:64]), otherCarry)
		other += otherCarry
		data = data[64:]
	}
	sum, carry = bits.Add64(sum, other, 0)
	for len(data) >= 8 {
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(data), carry)
		data = data[8:]
	}
	if len(data) >= 4 {
		sum, carry = bits.Add64(sum, uint64(binary.LittleEndian.Uint32(data)), carry)
		data = data[4:]
	}
	if len(data) >= 2 {
		sum, carry = bits.Add64(sum, uint64(binary.LittleEndian.Uint16(data)), carry)
		data = data[2:]
	}
	if len(data) == 1 {
		sum, carry = bits.Add64(sum, uint64(data[0]), carry)
	}
	sum, carry = bits.Add64(sum, 0, carry)
	sum += carry
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return bits.ReverseBytes16(uint16(sum))
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
