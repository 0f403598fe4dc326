package wire

import "net/netip"

// A Verdict is what the hand says of a checksum it has seen.
type Verdict string

// The verdicts.
const (
	// OK: the value is right. Either zero of one's complement is, where the
	// protocol does not tell them apart (RFC 1624 §5).
	OK Verdict = "ok"
	// Bad: it is not.
	Bad Verdict = "bad"
	// Partial: the field holds the pseudo-header sum that checksum offload
	// expects there, and that sum is right; it says nothing of the payload.
	Partial Verdict = "partial"
	// Absent: UDP over IPv4 with 0, the sender computed none (RFC 768).
	Absent Verdict = "absent"
)

// A Check is one checksum of a packet, seen and computed by hand.
type Check struct {
	Layer Layer
	// Offset of the field in bytes from the packet's start.
	Offset int
	// Seen is the field's value, Hand the right one: of a packet whose Offload
	// is Partial the sum of the pseudo-header.
	Seen, Hand uint16
	Verdict    Verdict
}

// Checksums appends the packet's checksums to dst, outermost first, at most
// two: the IPv4 header's, as soon as the header is there, and the upper
// layer's, if the packet holds the whole of what that sum covers, which no
// fragment does, and the final destination is known.
//
// Of a TCP or UDP packet whose Offload says Partial the payload is not summed.
func (p *Packet) Checksums(dst []Check) []Check {
	if h := &p.IPv4; p.Version == 4 && h.HeaderLen >= ipv4HeaderLen && h.HeaderLen <= len(p.Bytes) {
		dst = append(dst, judge(LayerIPv4, p.Bytes[:h.HeaderLen], 0, 0, 10))
	}
	if p.Upper == "" || !p.Problem.IsZero() || p.Fragment.IsFragment() {
		return dst
	}
	final := p.FinalDst()
	if !final.IsValid() {
		return dst
	}
	data := p.Data()
	if p.isPartial() {
		return append(dst, p.judgePartial(final))
	}
	switch p.Upper {
	case LayerICMPv4:
		return append(dst, judge(LayerICMPv4, data, 0, p.Payload, 2))
	case LayerICMPv6:
		return append(dst, judge(LayerICMPv6, data, PseudoHeader(p.Src, final, ProtocolICMPv6, len(data)), p.Payload, 2))
	case LayerTCP:
		return append(dst, judge(LayerTCP, data, PseudoHeader(p.Src, final, ProtocolTCP, len(data)), p.Payload, 16))
	case LayerUDP:
		data = data[:p.UDP.Length]
		c := judge(LayerUDP, data, PseudoHeader(p.Src, final, ProtocolUDP, len(data)), p.Payload, 6)
		if c.Hand == 0 {
			// A sum that comes to zero is sent as all ones, for zero means
			// that there is none (RFC 768; RFC 8200 §8.1).
			c.Hand = 0xffff
		}
		if c.Seen == 0 {
			// Over IPv6 there must be one (RFC 8200 §8.1).
			c.Verdict = Bad
			if p.Version == 4 {
				c.Verdict = Absent
			}
		}
		return append(dst, c)
	}
	return dst
}

// FinalDst returns the destination that the pseudo-header counts: where the
// packet is bound in the end, if a source route or a routing header leads it
// elsewhere first (RFC 791 §3.1, RFC 8200 §8.1). It is the zero Addr if the
// packet does not say.
func (p *Packet) FinalDst() netip.Addr {
	if p.Version == 6 {
		return p.IPv6.Final
	}
	for off := ipv4HeaderLen; off < p.IPv4.HeaderLen; {
		o, ok := p.Option(off)
		if !ok || o.Type == OptionEnd {
			break
		}
		if (o.Type == OptionLooseSourceRoute || o.Type == OptionStrictSourceRoute) && o.Len >= 3+4 {
			// Type, length, pointer, then whole addresses (RFC 791 §3.1). A
			// pointer past the length says that the route has been walked.
			if pointer := int(p.Bytes[off+2]); pointer <= o.Len {
				last := off + 3 + (o.Len-3)/4*4
				return netip.AddrFrom4([4]byte(p.Bytes[last-4 : last]))
			}
		}
		off += o.Len
	}
	return p.Dst
}

// judge computes the checksum of data, which begins base bytes into the packet
// and holds its checksum field at the even offset field, over the sum initial.
func judge(layer Layer, data []byte, initial uint16, base, field int) Check {
	seen := uint16(data[field])<<8 | uint16(data[field+1])
	sum := Sum(data[field+2:], Sum(data[:field], initial))
	c := Check{Layer: layer, Offset: base + field, Seen: seen, Hand: ^sum, Verdict: Bad}
	// The receiver's rule: with the field included the sum is all ones (RFC
	// 1071 §1 (3)). It accepts 0xffff where 0x0000 was computed.
	if Sum([]byte{data[field], data[field+1]}, sum) == 0xffff {
		c.Verdict = OK
	}
	return c
}
