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
	d.note("source port", at, r.SrcPort, h.SrcPort, trace.Must, rfc)
	d.note("destination port", at+2, r.DstPort, h.DstPort, trace.Must, rfc)
	if form == byhand.Reset {
		d.note("sequence number", at+4, r.Seq, h.Seq, trace.Must, rfc)
	}
	class := trace.Must
	if h.Flags&wire.TCPAck == 0 {
		class = trace.May // the number says nothing
	}
	d.note("acknowledgement number", at+8, r.Ack, h.Ack, class, rfc)
	d.note("flags", at+12, wire.TCPFlagString(r.Flags&control), wire.TCPFlagString(h.Flags&control), trace.Must, rfc)
	d.note("other flags", at+12, wire.TCPFlagString(r.Flags&^control), wire.TCPFlagString(h.Flags&^control), trace.May, "RFC 3168 §6.1.1")
	if form == byhand.SynAck {
		d.synOptions(reply, hand)
	}
	d.note("data length", at+r.DataOffset, reply.DataLen()-r.DataOffset, hand.DataLen()-h.DataOffset, trace.May, rfc)
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
		d.note(o.name, reply.Payload+20, presence(got), presence(want), class, o.rfc)
	}
	a, _ := byhand.TCPOption(reply, byhand.TCPOptionTimestamps)
	b, _ := byhand.TCPOption(hand, byhand.TCPOptionTimestamps)
	if len(a) == 8 && len(b) == 8 {
		d.note("timestamp echo", reply.Payload+20, inHex(a[4:]), inHex(b[4:]), trace.Must, "RFC 7323 §3.2")
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
	d.note("code", at+1, a[1], b[1], trace.Must, rfc)
	d.note("router and solicited flags", at+4, flagByte(a[4]&^override), flagByte(b[4]&^override), trace.Must, rfc)
	d.note("override flag", at+4, flagByte(a[4]&override), flagByte(b[4]&override), trace.May, rfc)
	d.note("target", at+8, byhand.NeighbourTarget(reply), byhand.NeighbourTarget(hand), trace.Must, rfc)
}

func flagByte(b byte) string { return fmt.Sprintf("0x%02x", b) }
