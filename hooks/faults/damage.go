package faults

import (
	"encoding/binary"

	"netstackd/hooks/wire"
)

// Lengths in bytes.
const (
	ipv4HeaderLen = 20
	ipv6HeaderLen = 40
)

// A span is a range of bytes from a packet's start, without its end, that one
// layer's checksum covers.
type span struct {
	from, to int
	layer    wire.Layer
}

// A reach is all bytes of a packet of which no bit can be flipped unseen: a
// verifier that does what the RFCs say must find a wrong checksum.
//
// One flipped bit changes a one's complement sum by a power of two, which is
// never 0 modulo 65,535. So it is seen wherever the verifier still sums the
// same bytes. What tells it which bytes those are, or whether to sum at all, is
// left alone, for there it may see another fault, or none:
//
//   - IPv4 (RFC 791 §3.1): version and header length, total length, flags and
//     fragment offset, protocol. The other header bytes count, options and the
//     checksum itself included.
//   - IPv6 has no header checksum. Its addresses count, for the pseudo-header
//     holds them (RFC 8200 §8.1), unless a routing or another extension header
//     may put others in their place; hop-by-hop options and an atomic
//     fragment's header do not.
//   - TCP (RFC 9293 §3.1): the byte of the data offset.
//   - UDP (RFC 768): the length, and what lies behind it. A checksum of 0 is
//     none, and covers nothing; nor is a flip allowed to make one 0.
//   - ICMP (RFC 792, RFC 4443 §2.3): everything counts.
//
// Of a fragment only the IPv4 header counts: what it carries is judged when the
// datagram is whole. A sum that is wrong already is left alone too: a flip
// might mend it.
type reach struct {
	spans [6]span // the first n are in use
	n     int
	total int // bytes
}

func (r *reach) add(layer wire.Layer, from, to int) {
	if from < to {
		r.spans[r.n] = span{from, to, layer}
		r.n++
		r.total += to - from
	}
}

// set makes r the reach of p.
func (r *reach) set(p *wire.Packet) {
	*r = reach{}
	var buf [2]wire.Check
	for _, c := range p.Checksums(buf[:0]) {
		if c.Verdict != wire.OK {
			continue
		}
		at, end := p.Payload, len(p.Bytes)
		switch c.Layer {
		case wire.LayerIPv4:
			r.add(c.Layer, 1, 2)
			r.add(c.Layer, 4, 6)
			r.add(c.Layer, 8, 9)
			r.add(c.Layer, 10, p.IPv4.HeaderLen)
			continue
		case wire.LayerTCP:
			r.add(c.Layer, at, at+12)
			r.add(c.Layer, at+13, end)
		case wire.LayerUDP:
			r.add(c.Layer, at, at+4)
			r.add(c.Layer, at+6, at+p.UDP.Length)
		case wire.LayerICMPv4, wire.LayerICMPv6:
			r.add(c.Layer, at, end)
		}
		if p.Version == 6 && ownAddresses(p) {
			r.add(c.Layer, 8, ipv6HeaderLen)
		}
	}
}

// ownAddresses reports whether the pseudo-header of an IPv6 packet holds the
// addresses of its header: whether it has no extension headers but those that
// cannot bring others.
func ownAddresses(p *wire.Packet) bool {
	h := &p.IPv6
	for _, e := range h.Extensions[:h.Count] {
		if e.Protocol != wire.ProtocolHopByHop && e.Protocol != wire.ProtocolFragment {
			return false
		}
	}
	// Of a longer chain the rest is not known.
	return h.Count < len(h.Extensions)
}

// at returns the n-th byte of the reach.
func (r *reach) at(n int) (offset int, layer wire.Layer) {
	for _, s := range r.spans[:r.n] {
		if n < s.to-s.from {
			return s.from + n, s.layer
		}
		n -= s.to - s.from
	}
	return 0, ""
}

// flip flips the bit of p, in place, that random chooses, and notes it in f. It
// reports whether there was one to choose.
func flip(p *wire.Packet, random uint64, f *Fault) bool {
	var r reach
	r.set(p)
	if r.total == 0 {
		return false
	}
	f.Offset, f.Layer = r.at(int(random >> 3 % uint64(r.total)))
	f.Bit = int(random & 7)
	if f.Layer == wire.LayerUDP {
		field := p.Payload + 6
		in := f.Offset - field // the byte of the checksum field, 0 or 1, if it is that
		seen := binary.BigEndian.Uint16(p.Bytes[field:])
		if (in == 0 || in == 1) && seen == 1<<(8*(1-in)+f.Bit) {
			f.Bit = (f.Bit + 1) % 8
		}
	}
	p.Bytes[f.Offset] ^= 1 << f.Bit
	return true
}

// cut returns the length to which random cuts p: at least one byte less than
// its header says, and no less than a whole IP header if it is longer than
// that. It reports whether there is anything to cut.
func cut(p *wire.Packet, random uint64) (length int, ok bool) {
	least, most := 1, len(p.Bytes)-1
	switch p.Version {
	case 4:
		least = ipv4HeaderLen
	case 6:
		least = ipv6HeaderLen
	}
	if least > most {
		least = 1
	}
	if least > most {
		return 0, false
	}
	return least + int(random%uint64(most-least+1)), true
}

// complete writes into p, in place, the upper layer's checksum if it is not
// right, and reports whether it was not. It is for packets whose sum the kernel
// vouched for without having finished it.
func complete(p *wire.Packet) bool {
	var buf [2]wire.Check
	for _, c := range p.Checksums(buf[:0]) {
		if c.Layer != wire.LayerIPv4 && (c.Verdict == wire.Bad || c.Verdict == wire.Partial) {
			binary.BigEndian.PutUint16(p.Bytes[c.Offset:], c.Hand)
			return true
		}
	}
	return false
}
