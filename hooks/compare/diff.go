package compare

import (
	"bytes"
	"fmt"

	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// Freedoms are what a request leaves open in its reply.
type Freedoms struct {
	// AnySource: it went to no unicast address.
	AnySource bool
	// AnyQuote: it came in fragments, and what an error about it quotes may be
	// one of those or what came of them.
	AnyQuote bool
}

// Diff returns the fields in which a reply is not the one made by hand.
// Checksums are not compared but judged: each reply's must be right for its own
// bytes.
func Diff(reply, hand *wire.Packet, f Freedoms) []trace.Diff {
	d := new(differ)
	form := formOf(hand)
	if got := formOf(reply); got != form {
		note(d, "message", reply.Payload, describe(reply), describe(hand), trace.Must, rules[form].rfc(reply.Version))
		return d.diffs
	}
	if reply.Version == 4 {
		d.ipv4(reply, hand, form)
	} else {
		d.ipv6(reply, hand, form)
	}
	source := trace.Must
	if f.AnySource || form == byhand.Advertisement {
		source = trace.May
	}
	at, to := 12, 16
	if reply.Version == 6 {
		at, to = 8, 24
	}
	rfc := rules[form].rfc(reply.Version)
	note(d, "source", at, reply.Src, hand.Src, source, rfc)
	note(d, "destination", to, reply.Dst, hand.Dst, trace.Must, rfc)
	switch form {
	case byhand.EchoReply:
		d.icmp(reply, hand)
	case byhand.ICMPError:
		d.icmpError(reply, hand, f.AnyQuote)
	case byhand.Reset, byhand.SynAck:
		d.segment(reply, hand, form)
	case byhand.Advertisement:
		d.advertisement(reply, hand)
	}
	d.checksums(reply)
	return d.diffs
}

// A citation is where a form of reply is specified, over IPv4 and IPv6.
type citation struct{ ipv4, ipv6 string }

func (c citation) rfc(version uint8) string {
	if version == 6 {
		return c.ipv6
	}
	return c.ipv4
}

// rules cite, form by form, what a reply is.
var rules = map[byhand.Form]citation{
	byhand.EchoReply: {"RFC 1122 §3.2.2.6", "RFC 4443 §4.2"},
	byhand.ICMPError: {"RFC 1122 §3.2.2", "RFC 4443 §2.2"},
	byhand.Reset:     {"RFC 9293 §3.5.2", "RFC 9293 §3.5.2"},
	byhand.SynAck:    {"RFC 9293 §3.10.7.2", "RFC 9293 §3.10.7.2"},

	byhand.Advertisement: {"RFC 4861 §7.2.4", "RFC 4861 §7.2.4"},
}

// describe names a message that is not of the form it should be.
func describe(p *wire.Packet) string {
	switch p.Upper {
	case wire.LayerICMPv4, wire.LayerICMPv6:
		return fmt.Sprintf("%s type %d code %d", p.Upper, p.ICMP.Type, p.ICMP.Code)
	}
	return string(p.Upper)
}

// weighs reports whether a difference is one that the RFC forbids.
func weighs(diffs []trace.Diff) bool {
	for _, d := range diffs {
		if d.Class == trace.Must {
			return true
		}
	}
	return false
}

type differ struct{ diffs []trace.Diff }

// note records a difference between two values, if there is one.
func note[T comparable](d *differ, field string, offset int, netstack, hand T, class trace.Class, rfc string) {
	if netstack == hand {
		return
	}
	d.diffs = append(d.diffs, trace.Diff{
		Field: field, Offset: offset, Netstack: fmt.Sprint(netstack), Hand: fmt.Sprint(hand), Class: class, RFC: rfc,
	})
}

// noteHex is note for bytes.
func noteHex(d *differ, field string, offset int, netstack, hand []byte, class trace.Class, rfc string) {
	if !bytes.Equal(netstack, hand) {
		note(d, field, offset, inHex(netstack), inHex(hand), class, rfc)
	}
}

func (d *differ) ipv4(reply, hand *wire.Packet, form byhand.Form) {
	r, h := &reply.IPv4, &hand.IPv4
	tos := "RFC 1349 §5.1"
	switch form {
	case byhand.ICMPError:
		tos = "RFC 1122 §3.2.2"
	case byhand.Reset, byhand.SynAck:
		tos = "RFC 9293 §3.9.2"
	}
	note(d, "TOS", 1, r.TOS, h.TOS, trace.May, tos)
	if form == byhand.EchoReply {
		// In other replies it comes from nothing that the hand could know.
		note(d, "identification", 4, r.ID, h.ID, trace.May, "RFC 6864 §4.1")
	}
	note(d, "reserved flag", 6, r.Reserved, h.Reserved, trace.Must, "RFC 791 §3.1")
	note(d, "don't fragment", 6, r.DF, h.DF, trace.May, "RFC 791 §3.1")
	note(d, "time to live", 8, r.TTL, h.TTL, trace.May, "RFC 1122 §3.2.1.7")
	if form == byhand.EchoReply {
		d.options(reply, hand)
	}
}

func (d *differ) ipv6(reply, hand *wire.Packet, form byhand.Form) {
	r, h := &reply.IPv6, &hand.IPv6
	note(d, "traffic class", 0, r.TrafficClass, h.TrafficClass, trace.May, "RFC 8200 §7")
	note(d, "flow label", 1, r.FlowLabel, h.FlowLabel, trace.May, "RFC 6437 §3")
	if form == byhand.Advertisement {
		note(d, "hop limit", 7, r.HopLimit, h.HopLimit, trace.Must, "RFC 4861 §7.1.2")
		return
	}
	note(d, "hop limit", 7, r.HopLimit, h.HopLimit, trace.May, "RFC 4861 §6.3.2")
}

// options compares the IPv4 options that an echo reply carries over. Record
// route and timestamp SHOULD come back (RFC 1122 §3.2.2.6), a source route
// MUST, reversed; padding and all others are free.
func (d *differ) options(reply, hand *wire.Packet) {
	for _, o := range []struct {
		kind  uint8
		name  string
		class trace.Class
	}{
		{wire.OptionRecordRoute, "record route option", trace.May},
		{wire.OptionTimestamp, "timestamp option", trace.May},
		{wire.OptionLooseSourceRoute, "loose source route option", trace.Must},
		{wire.OptionStrictSourceRoute, "strict source route option", trace.Must},
	} {
		r, at := option(reply, o.kind)
		h, _ := option(hand, o.kind)
		if at == 0 {
			at = 20
		}
		if o.kind == wire.OptionTimestamp && len(r) == len(h) && len(r) >= 4 {
			// The time is the host's own: compare how far the record got.
			r, h = r[:4], h[:4]
		}
		noteHex(d, o.name, at, r, h, o.class, "RFC 1122 §3.2.2.6")
	}
}

func inHex(option []byte) string {
	if len(option) == 0 {
		return "none"
	}
	return fmt.Sprintf("%#x", option)
}

// option returns the bytes of the first option of a kind, and its offset.
func option(p *wire.Packet, kind uint8) ([]byte, int) {
	for at := 20; at < p.IPv4.HeaderLen; {
		o, ok := p.Option(at)
		if !ok || o.Type == wire.OptionEnd {
			break
		}
		if o.Type == kind {
			return p.Bytes[o.Offset : o.Offset+o.Len], o.Offset
		}
		at += o.Len
	}
	return nil, 0
}

func (d *differ) icmp(reply, hand *wire.Packet) {
	rfc := "RFC 792"
	if reply.Version == 6 {
		rfc = "RFC 4443 §4.2"
	}
	r, h, at := &reply.ICMP, &hand.ICMP, reply.Payload
	note(d, "type", at, r.Type, h.Type, trace.Must, rfc)
	note(d, "code", at+1, r.Code, h.Code, trace.May, rfc)
	note(d, "identifier", at+4, r.ID, h.ID, trace.Must, rfc)
	note(d, "sequence number", at+6, r.Seq, h.Seq, trace.Must, rfc)
	a, b := reply.Data(), hand.Data()
	if bytes.Equal(a[8:], b[8:]) {
		return
	}
	note(d, "data length", at+8, len(a)-8, len(b)-8, trace.Must, rfc)
	for i := 8; i < min(len(a), len(b)); i++ {
		if a[i] != b[i] {
			note(d, "data", at+i, fmt.Sprintf("0x%02x", a[i]), fmt.Sprintf("0x%02x", b[i]), trace.Must, rfc)
			return
		}
	}
}

func (d *differ) checksums(reply *wire.Packet) {
	var checks [2]wire.Check
	for _, c := range reply.Checksums(checks[:0]) {
		if c.Verdict == wire.Bad {
			note(d, string(c.Layer)+" checksum", c.Offset, fmt.Sprintf("0x%04x", c.Seen), fmt.Sprintf("0x%04x", c.Hand), trace.Must, "RFC 1071 §1")
		}
	}
}
