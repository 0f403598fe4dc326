package wire

import "fmt"

// isExtension reports whether a next header number is an extension header that
// the decoder walks over.
func isExtension(protocol uint8) bool {
	switch protocol {
	case ProtocolHopByHop, ProtocolRouting, ProtocolFragment, ProtocolAH, ProtocolDestination,
		ProtocolMobility, ProtocolHIP, ProtocolShim6:
		return true
	}
	return false
}

// ipv6 tells an IPv6 header and its extension headers from t.at on.
func (t *teller) ipv6(p *Packet) {
	base := t.at
	t.section("IPv6 header: %s (RFC 8200 §3)", span(base, min(ipv6HeaderLen, t.end-base)))
	t.table()
	whole := t.within(ipv6HeaderLen, func() { t.ipv6Fixed(len(t.b) - base) })
	if !whole {
		return
	}
	shown := base + ipv6HeaderLen
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		t.at = base + int(e.Offset)
		shown = t.at + int(e.Len)
		t.extension(e.Protocol, int(e.Len), p)
	}
	next := base + p.Payload
	if shown < next {
		t.line("")
		t.text("More extension headers follow, up to byte %d; they are not shown.", next-1)
	}
	if isExtension(p.Protocol) && p.Fragment.Offset == 0 {
		// Here the chain runs out of bytes.
		t.at = next
		t.extension(p.Protocol, t.end-next, p)
	}
}

func (t *teller) ipv6Fixed(received int) {
	b := t.field(4, "Version to Flow Label", says(""))
	t.bits(b, 0, 3, "Version", "6: this is IPv6")
	t.bits(b, 4, 11, "Traffic Class", "DSCP and ECN (RFC 2474, RFC 3168)")
	if b != nil {
		t.bits(b[:2], 4, 9, "  DSCP", "%s", dscpWords(bitsOf(b, 4, 9)))
		t.bits(b[:2], 10, 11, "  ECN", "%s", ecnWords(bitsOf(b, 10, 11)))
	}
	flow := bitsOf(b, 12, 31)
	t.bits(b, 12, 31, "Flow Label", "%s", pick(min(flow, 1), "0: the sender labels no flow",
		fmt.Sprintf("0x%05x: packets of one flow bear the same (RFC 6437)", flow)))
	t.field(2, "Payload Length", func(b []byte) string {
		return lengthWords(be16(b), received-ipv6HeaderLen, "not counting these 40", t.quoted)
	})
	t.field(1, "Next Header", nextHeaderWords)
	t.field(1, "Hop Limit", func(b []byte) string {
		if b[0] == 0 {
			return "0: must not be sent, but a host it is addressed to takes it (RFC 8200 §3)"
		}
		return hopsWords(b[0])
	})
	t.field(16, "Source Address", addressWords)
	t.field(16, "Destination Address", addressWords)
}

func nextHeaderWords(b []byte) string {
	return fmt.Sprintf("%d: next comes %s", b[0], ProtocolName(b[0]))
}
