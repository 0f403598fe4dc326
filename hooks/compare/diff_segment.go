package compare

import (
	"fmt"

	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// control are the flags that say what a segment is; the others speak of
// congestion, or of nothing yet.
const control = wire.TCPFin | wire.TCPSyn | wire.TCPRst | wire.TCPPsh | wire.TCPAck | wire.TCPUrg

// segment compares two resets or two SYN-ACKs. The window says nothing in a
// reset and is free in a SYN-ACK, and so is that one's sequence number.
func (d *differ) segment(reply, hand *wire.Packet, form byhand.Form) {
	at, r, h := reply.Payload, &reply.TCP, &hand.TCP
	rfc := rules[form].ipv4
	note(d, "source port", at, r.SrcPort, h.SrcPort, trace.Must, rfc)
	note(d, "destination port", at+2, r.DstPort, h.DstPort, trace.Must, rfc)
	if form == byhand.Reset {
		note(d, "sequence number", at+4, r.Seq, h.Seq, trace.Must, rfc)
	}
	class := trace.Must
	if h.Flags&wire.TCPAck == 0 {
		class = trace.May // the number says nothing
	}
	note(d, "acknowledgement number", at+8, r.Ack, h.Ack, class, rfc)
	d.flags("flags", at+12, r.Flags&control, h.Flags&control, trace.Must, rfc)
	d.flags("other flags", at+12, r.Flags&^control, h.Flags&^control, trace.May, "RFC 3168 §6.1.1")
	if form == byhand.SynAck {
		d.synOptions(reply, hand)
	}
	note(d, "data length", at+r.DataOffset, reply.DataLen()-r.DataOffset, hand.DataLen()-h.DataOffset, trace.May, rfc)
}

// flags is note for flags, in words.
func (d *differ) flags(field string, offset int, netstack, hand uint16, class trace.Class, rfc string) {
	if netstack != hand {
		note(d, field, offset, wire.TCPFlagString(netstack), wire.TCPFlagString(hand), class, rfc)
	}
}

// synOptions compares which options two SYN-ACKs have: the hand's has all that
// were offered. A host leaves out what it does not speak, and says no more than
// was asked.
func (d *differ) synOptions(reply, hand *wire.Packet) {
	for _, o := range []struct {
		kind   uint8
		name   string
		absent trace.Class // of one that the hand has
		rfc    string
	}{
		{byhand.TCPOptionMSS, "maximum segment size option", trace.Must, "RFC 9293 §3.7.1"},
		{byhand.TCPOptionWindowScale, "window scale option", trace.May, "RFC 7323 §2.2"},
		{byhand.TCPOptionTimestamps, "timestamps option", trace.May, "RFC 7323 §3.2"},
		{byhand.TCPOptionSACKPermitted, "SACK permitted option", trace.May, "RFC 2018 §2"},
	} {
		_, got := byhand.TCPOption(reply, o.kind)
		_, want := byhand.TCPOption(hand, o.kind)
		class := o.absent
		if got && !want && o.kind != byhand.TCPOptionSACKPermitted {
			class = trace.Must // must not be there unless offered
		}
		note(d, o.name, reply.Payload+20, presence(got), presence(want), class, o.rfc)
	}
	a, _ := byhand.TCPOption(reply, byhand.TCPOptionTimestamps)
	b, _ := byhand.TCPOption(hand, byhand.TCPOptionTimestamps)
	if len(a) == 8 && len(b) == 8 {
		noteHex(d, "timestamp echo", reply.Payload+20, a[4:], b[4:], trace.Must, "RFC 7323 §3.2")
	}
}

func presence(there bool) string {
	if there {
		return "there"
	}
	return "none"
}

// advertisement compares two neighbour advertisements. Options are free where
// there are no link-layer addresses, and so is the override flag.
func (d *differ) advertisement(reply, hand *wire.Packet) {
	const rfc, override = "RFC 4861 §7.2.4", 0x20
	at, a, b := reply.Payload, reply.Data(), hand.Data()
	note(d, "code", at+1, a[1], b[1], trace.Must, rfc)
	note(d, "router and solicited flags", at+4, flagByte(a[4]&^override), flagByte(b[4]&^override), trace.Must, rfc)
	note(d, "override flag", at+4, flagByte(a[4]&override), flagByte(b[4]&override), trace.May, rfc)
	note(d, "target", at+8, byhand.NeighbourTarget(reply), byhand.NeighbourTarget(hand), trace.Must, rfc)
}

func flagByte(b byte) string { return fmt.Sprintf("0x%02x", b) }
