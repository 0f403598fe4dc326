package wire

import "net/netip"

// An Offload says what a sender has left for hardware to do, which a packet
// that never saw a wire brings along undone: checksum offload and segmentation
// offload (virtio 1.3 §5.1.6).
type Offload struct {
	// Partial: the TCP or UDP checksum field holds the folded sum of the
	// pseudo-header, not complemented; whoever puts the packet on a wire adds
	// the rest (VIRTIO_NET_HDR_F_NEEDS_CSUM, Linux CHECKSUM_PARTIAL). It means
	// nothing for other protocols and for fragments.
	Partial bool
	// Validated: whoever delivered the packet vouches for its TCP or UDP
	// checksum (VIRTIO_NET_HDR_F_DATA_VALID, Linux CHECKSUM_UNNECESSARY).
	Validated bool
	// SegmentSize is the most TCP data, in bytes, that one segment on a wire
	// would have; 0 if the packet is not to be cut.
	SegmentSize int
}

// Segments returns how many segments a packet would be on a wire: more than
// one if it is a super-segment.
func (p *Packet) Segments() int {
	size := p.Offload.SegmentSize
	if size <= 0 || p.Upper != LayerTCP {
		return 1
	}
	n := p.DataLen() - p.TCP.DataOffset
	return max(1, (n+size-1)/size)
}

// isPartial reports whether the packet has a partial checksum, right or wrong.
func (p *Packet) isPartial() bool {
	return p.Offload.Partial && (p.Upper == LayerTCP || p.Upper == LayerUDP) && !p.Fragment.IsFragment()
}

// judgePartial judges the partial checksum of a TCP or UDP packet, bound in the
// end for final. The length that the pseudo-header counts is the whole packet's,
// also of a super-segment.
func (p *Packet) judgePartial(final netip.Addr) Check {
	n := p.DataLen()
	c := Check{Layer: LayerTCP, Offset: p.Payload + 16, Seen: p.TCP.Checksum, Verdict: Bad}
	if p.Upper == LayerUDP {
		n = p.UDP.Length
		c.Layer, c.Offset, c.Seen = LayerUDP, p.Payload+6, p.UDP.Checksum
	}
	c.Hand = PseudoHeader(p.Src, final, p.Protocol, n)
	// Either zero adds up to the same.
	if congruent(c.Seen, c.Hand) {
		c.Verdict = Partial
	}
	return c
}

// Complete returns what the checksum field of a packet with a partial checksum
// holds when offload has done its work on the packet as it is: the complement of
// the sum from the upper layer's first byte on, the field included (virtio 1.3
// §5.1.6.2). Over a super-segment it is the sum of a datagram of that length.
// c is the packet's check.
func (p *Packet) Complete(c Check) uint16 {
	data := p.Data()
	if c.Layer == LayerUDP {
		data = data[:min(p.UDP.Length, len(data))]
	}
	sum := ^Sum(data, 0)
	if sum == 0 && c.Layer == LayerUDP {
		return 0xffff // RFC 768
	}
	return sum
}

// whole judges the field of a partial checksum as if it had been finished.
func (p *Packet) whole(c Check) Check {
	q := *p
	q.Offload = Offload{}
	return *q.check(c.Layer)
}
