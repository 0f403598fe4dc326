package byhandtest

import "encoding/binary"

// Split returns the fragments of a whole packet without fragment header, cut
// at the given offsets of what is behind the header: for IPv6 the first 40
// bytes, and id is the identification. What is cut need not be a multiple of
// eight bytes; only multiples can be told in the header.
func Split(packet []byte, id uint32, cuts ...int) [][]byte {
	return SplitBehind(packet, headerLen(packet), id, cuts...)
}

// SplitBehind is Split for IPv6 packets with unfragmentable extension headers:
// the first header bytes stay in front of each fragment.
func SplitBehind(packet []byte, header int, id uint32, cuts ...int) [][]byte {
	data := packet[header:]
	var out [][]byte
	from := 0
	for _, to := range append(cuts, len(data)) {
		out = append(out, Fragment(packet[:header], data[from:to], id, from, to < len(data)))
		from = to
	}
	return out
}

// Every returns the cuts of n bytes into pieces of the given size.
func Every(size, n int) []int {
	var cuts []int
	for at := size; at < n; at += size {
		cuts = append(cuts, at)
	}
	return cuts
}

// Fragment returns one fragment with the given header, which is a whole
// packet's, and data.
func Fragment(header, data []byte, id uint32, offset int, more bool) []byte {
	b := append([]byte(nil), header...)
	m := uint16(0)
	if b[0]>>4 == 4 {
		if more {
			m = 0x2000
		}
		binary.BigEndian.PutUint16(b[4:], uint16(id))
		binary.BigEndian.PutUint16(b[6:], uint16(b[6]&0xc0)<<8|m|uint16(offset/8))
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)+len(data)))
		SetHeaderChecksum(b)
		return append(b, data...)
	}
	if more {
		m = 1
	}
	last := 6
	for at := 40; at < len(b); at += 8 + 8*int(b[at+1]) {
		last = at
	}
	f := make([]byte, 8)
	f[0] = b[last]
	b[last] = 44
	binary.BigEndian.PutUint16(f[2:], uint16(offset)|m)
	binary.BigEndian.PutUint32(f[4:], id)
	b = append(append(b, f...), data...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

func headerLen(b []byte) int {
	if b[0]>>4 == 4 {
		return int(b[0]&0xf) * 4
	}
	return 40
}
