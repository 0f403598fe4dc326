package wire

import "fmt"

// ipv4Steps are those that make the reply's IPv4 header.
func (r *replyTeller) ipv4Steps() {
	was, is := &r.request.IPv4, &r.reply.IPv4
	r.add(step{
		at: 0, n: 1, field: "Version, IHL", how: "set",
		values: fmt.Sprintf("4, %d words → 4, %d words", was.HeaderLen/4, is.HeaderLen/4),
		why:    "As long as the reply's own options make it: 5 words without any.",
	})
	r.add(step{
		at: 1, n: 1, field: "Type of Service", how: "copied",
		values: change(fmt.Sprintf("0x%02x", was.TOS), fmt.Sprintf("0x%02x", is.TOS)),
		why:    "So RFC 1349 §5.1 had it; today a host is free to choose (RFC 2474).",
	})
	r.add(step{
		at: 2, n: 2, field: "Total Length", how: "recomputed",
		values: change(was.TotalLen, is.TotalLen),
		why:    "The ICMP message stays as long as it was (RFC 1122 §3.2.2.6: without truncation); only options can change the sum.",
		wrong:  mustBe(is.TotalLen-is.HeaderLen, was.TotalLen-was.HeaderLen),
	})
	r.add(step{
		at: 4, n: 2, field: "Identification", how: "fresh",
		values: change(was.ID, is.ID),
		why:    "The replier's own; any value will do in a datagram that is not and will not be fragmented (RFC 6864 §4.1).",
	})
	flags := step{
		at: 6, n: 2, field: "Flags, Fragment Offset", how: "fresh",
		values: change(flagWords(was), flagWords(is)),
		why:    "The reply is a datagram of its own: DF is the replier's choice, MF and offset are 0 in a whole datagram, and the reserved bit is always 0 (RFC 791 §3.1).",
	}
	if is.Reserved {
		flags.wrong = "the reserved bit is set."
	}
	r.add(flags)
	r.hopStep(8, "Time to Live", was.TTL, is.TTL, "RFC 1122 §3.2.1.7; 64 is usual")
	r.add(step{
		at: 9, n: 1, field: "Protocol", how: "copied",
		values: change(was.Protocol, is.Protocol), why: "1 = ICMP.",
	})
	r.checksumStep(LayerIPv4, "Header Checksum", "Every header gets its own. Swapping the addresses alone would not change it: a sum does not care for the order. Worked out below.")
	r.addressSteps(12, 4, "RFC 792; RFC 1122 §3.2.2.6", "RFC 792")
}

func flagWords(h *IPv4) string {
	s := ""
	for _, f := range [...]struct {
		set  bool
		name string
	}{{h.Reserved, "reserved "}, {h.DF, "DF "}, {h.MF, "MF "}} {
		if f.set {
			s += f.name
		}
	}
	if s == "" {
		s = "no flag "
	}
	return s + "and offset 0"
}

func (r *replyTeller) hopStep(at int, field string, was, is uint8, why string) {
	s := step{
		at: at, n: 1, field: field, how: "fresh", values: change(was, is),
		why: "The reply starts a way of its own, so it gets the replier's own value (" + why + "), not what was left of the request's.",
	}
	if is == 0 {
		s.wrong = "a host must not send 0."
	}
	r.add(s)
}

// ipv6Steps are those that make the reply's IPv6 header.
func (r *replyTeller) ipv6Steps() {
	was, is := &r.request.IPv6, &r.reply.IPv6
	message := func(p *Packet) int { return len(p.Data()) }
	r.add(step{
		at: 0, n: 4, field: "Version", how: "copied", values: "6 → the same", why: "The reply is IPv6 too.",
	})
	r.add(step{
		at: 0, n: 4, field: "Traffic Class", how: "copied",
		values: change(fmt.Sprintf("0x%02x", was.TrafficClass), fmt.Sprintf("0x%02x", is.TrafficClass)),
		why:    "A host is free to choose; most give back what came.",
	})
	r.add(step{
		at: 0, n: 4, field: "Flow Label", how: "fresh",
		values: change(fmt.Sprintf("0x%05x", was.FlowLabel), fmt.Sprintf("0x%05x", is.FlowLabel)),
		why:    "A flow goes one way, and its sender labels it; 0 labels none (RFC 6437 §3).",
	})
	r.add(step{
		at: 4, n: 2, field: "Payload Length", how: "recomputed",
		values: change(was.PayloadLen, is.PayloadLen),
		why:    "The ICMPv6 message stays as long as it was; extension headers of the request are not returned.",
		wrong:  mustBe(message(&r.reply), message(&r.request)),
	})
	r.add(step{
		at: 6, n: 1, field: "Next Header", how: "set",
		values: change(was.NextHeader, is.NextHeader), why: "58 = ICMPv6, if no extension header comes before it.",
	})
	r.hopStep(7, "Hop Limit", was.HopLimit, is.HopLimit, "64 is usual; IANA, IP parameters")
	r.addressSteps(8, 16, "RFC 4443 §4.2", "RFC 4443 §4.2")
}
