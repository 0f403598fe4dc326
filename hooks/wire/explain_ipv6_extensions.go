package wire

import "fmt"

// extension tells the extension header of n bytes at t.at. p is the packet it
// is in.
func (t *teller) extension(protocol uint8, n int, p *Packet) {
	rfc := map[uint8]string{
		ProtocolHopByHop: "RFC 8200 §4.3", ProtocolRouting: "RFC 8200 §4.4", ProtocolFragment: "RFC 8200 §4.5",
		ProtocolDestination: "RFC 8200 §4.6", ProtocolAH: "RFC 4302 §2", ProtocolMobility: "RFC 6275 §6.1",
		ProtocolHIP: "RFC 7401 §5.1", ProtocolShim6: "RFC 5533 §5.1",
	}[protocol]
	t.section("%s: %s (%s)", ProtocolName(protocol), span(t.at, n), rfc)
	t.table()
	t.within(n, func() {
		t.field(1, "Next Header", nextHeaderWords)
		switch protocol {
		case ProtocolFragment:
			t.fragmentHeader(p)
			return
		case ProtocolAH:
			t.authentication()
			return
		}
		t.field(1, "Hdr Ext Len", func(b []byte) string {
			return fmt.Sprintf("%s of 8 bytes behind the first 8: %d in all", count(int(b[0]), "unit"), 8+8*int(b[0]))
		})
		switch protocol {
		case ProtocolHopByHop, ProtocolDestination:
			t.ipv6Options()
		case ProtocolRouting:
			t.routing()
		default:
			t.rest("Data", "not read further")
		}
	})
	t.cut = false
}

func (t *teller) fragmentHeader(p *Packet) {
	t.field(1, "Reserved", says("ignored"))
	b := t.field(2, "Fragment Offset, M", says(""))
	t.bits(b, 0, 12, "Fragment Offset", "%s", offsetWords(bitsOf(b, 0, 12)))
	t.bits(b, 13, 14, "Res", "%d: ignored", bitsOf(b, 13, 14))
	t.bits(b, 15, 15, "M", "%s", pick(bitsOf(b, 15, 15), "not set: no more fragments follow", "set: more fragments follow"))
	t.field(4, "Identification", func(b []byte) string {
		s := fmt.Sprintf("0x%08x: names the datagram that fragments belong to", be32(b))
		if !p.Fragment.IsFragment() {
			return s + "; this is an atomic fragment, the whole datagram in one, and is handled alone (RFC 6946 §4)"
		}
		return s
	})
}

func (t *teller) authentication() {
	t.field(1, "Payload Len", func(b []byte) string {
		return fmt.Sprintf("%d: words of 4 bytes, less 2: %d bytes in all", b[0], 8+4*int(b[0]))
	})
	t.field(2, "Reserved", says("0"))
	t.field(4, "SPI", func(b []byte) string { return fmt.Sprintf("0x%08x: names the security association", be32(b)) })
	t.field(4, "Sequence Number", func(b []byte) string { return fmt.Sprint(be32(b)) })
	t.rest("Integrity Check Value", "cannot be checked without the key")
}

// routing tells a routing header behind its length.
func (t *teller) routing() {
	if t.at >= t.end {
		return
	}
	kind := t.b[t.at]
	t.field(1, "Routing Type", func([]byte) string {
		switch kind {
		case routingType0:
			return "0: Source Route, forbidden since RFC 5095"
		case routingTypeMob6:
			return "2: a mobile node's home address (RFC 6275 §6.4)"
		case routingTypeSegment:
			return "4: Segment Routing (RFC 8754)"
		}
		return fmt.Sprintf("%d: not read further", kind)
	})
	t.field(1, "Segments Left", func(b []byte) string {
		if b[0] == 0 {
			return "0: the route has been walked"
		}
		return fmt.Sprintf("%d still to visit; checksums count the final destination (RFC 8200 §8.1)", b[0])
	})
	switch kind {
	case routingType0, routingTypeMob6:
		t.field(4, "Reserved", says("0"))
		t.addresses("Address", 1)
	case routingTypeSegment:
		last := t.field(1, "Last Entry", func(b []byte) string { return fmt.Sprintf("%d: index of the last segment below", b[0]) })
		t.field(1, "Flags", says(""))
		t.field(2, "Tag", says(""))
		if last == nil {
			return
		}
		// Behind the list stand optional TLVs.
		t.within(16*(int(last[0])+1), func() { t.addresses("Segment", 0) })
		t.rest("TLVs", "not read further")
	default:
		t.rest("Type-specific data", "not read further")
	}
}

// maxListed bounds how many addresses, options or records of one list are told.
const maxListed = 24

// addresses tells IPv6 addresses up to the end, numbered from first.
func (t *teller) addresses(name string, first int) {
	for i := 0; t.at < t.end && !t.cut; i++ {
		if i == maxListed {
			t.rest(name+"es", fmt.Sprintf("%d more", (t.end-t.at)/16))
			return
		}
		t.field(16, fmt.Sprintf("%s %d", name, first+i), addressWords)
	}
}

// ipv6Options tells the options of a Hop-by-Hop or Destination Options header.
func (t *teller) ipv6Options() {
	for i := 0; t.at < t.end && !t.cut; i++ {
		if i == maxListed {
			t.rest("More options", "not shown")
			return
		}
		typ := t.b[t.at]
		if typ == 0 {
			t.field(1, "Option", says("0: Pad1, one byte of padding"))
			continue
		}
		start := t.at
		b := t.field(1, "Option", func([]byte) string { return fmt.Sprintf("0x%02x: %s", typ, IPv6OptionName(typ)) })
		if typ != 1 {
			t.bits(b, 0, 1, "act", "%s", unknownOptionWords(bitsOf(b, 0, 1)))
			t.bits(b, 2, 2, "chg", "%s", pick(bitsOf(b, 2, 2), "0: does not change on the way", "1: may change on the way"))
		}
		length := -1
		t.field(1, "Opt Data Len", func(b []byte) string {
			length = int(b[0])
			if left := t.end - t.at - 1; length > left {
				return fmt.Sprintf("%d: wrong, the header has %d bytes left", length, left)
			}
			return count(length, "byte") + " of data"
		})
		if length < 0 {
			return
		}
		t.within(length, func() { t.ipv6Option(typ, start) })
	}
}

// unknownOptionWords says what a node does that does not know the option (RFC
// 8200 §4.2).
func unknownOptionWords(v uint32) string {
	return [...]string{
		"00: who does not know it skips it",
		"01: who does not know it drops the packet",
		"10: who does not know it drops the packet and sends a Parameter Problem",
		"11: who does not know it drops the packet and, unless it is multicast, sends a Parameter Problem",
	}[v&3]
}

func (t *teller) ipv6Option(typ uint8, start int) {
	n := t.end - t.at
	switch {
	case typ == 1:
		t.rest("Padding", fmt.Sprintf("PadN: %d bytes of padding with type and length", t.end-start))
	case typ == 5 && n == 2:
		t.field(2, "Value", func(b []byte) string {
			what := map[int]string{0: "Multicast Listener Discovery", 1: "RSVP", 2: "Active Networks"}[be16(b)]
			if what == "" {
				what = "another use"
			}
			return fmt.Sprintf("%d: routers, look here: %s (RFC 2711)", be16(b), what)
		})
	case typ == 4 && n == 1:
		t.field(1, "Limit", func(b []byte) string {
			return fmt.Sprintf("%d more encapsulations allowed (RFC 2473)", b[0])
		})
	case typ == 0xc2 && n == 4:
		t.field(4, "Jumbo Payload Length", func(b []byte) string {
			return fmt.Sprintf("%d bytes; Payload Length must then be 0 (RFC 2675)", be32(b))
		})
	case typ == 0xc9 && n == 16:
		t.field(16, "Home Address", addressWords)
	default:
		t.rest("Data", "not read further")
	}
}
