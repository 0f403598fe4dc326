package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// icmp tells an ICMPv4 or ICMPv6 message from t.at on.
func (t *teller) icmp(p *Packet) {
	layer, rfc := LayerICMPv4, "RFC 792"
	if p.Version == 6 {
		layer, rfc = LayerICMPv6, "RFC 4443 §2.1"
	}
	t.section("%s message: %s (%s)", ProtocolName(p.Protocol), t.span(), rfc)
	t.table()
	m := message{version: p.Version}
	t.field(1, "Type", func(b []byte) string {
		m.typ = b[0]
		return fmt.Sprintf("%d: %s", m.typ, typeWords(p.Version, m.typ))
	})
	b := t.field(1, "Code", func(b []byte) string {
		m.code = b[0]
		if name := ICMPCodeName(p.Version, m.typ, m.code); name != "" {
			return fmt.Sprintf("%d: %s", m.code, name)
		}
		return fmt.Sprint(m.code)
	})
	if b == nil {
		return
	}
	t.field(2, "Checksum", func([]byte) string { return t.checksumWords(p, layer) })
	if p.Version == 4 {
		t.icmpv4Body(m)
	} else {
		t.icmpv6Body(m)
	}
}

// A message says which ICMP message is being told.
type message struct{ version, typ, code uint8 }

// typeWords is the type's name without a code.
func typeWords(version, typ uint8) string {
	name, _ := icmpv6Type(typ)
	if version == 4 {
		name, _ = icmpv4Type(typ)
	}
	switch {
	case name == "":
		return "no type this page knows"
	case ICMPIsError(version, typ):
		return name + ", an error about the packet quoted below"
	}
	return name
}

func (t *teller) icmpv4Body(m message) {
	switch m.typ {
	case ICMPv4EchoRequest, ICMPv4EchoReply:
		t.echo()
	case 3, 4, 11:
		t.icmpv4Unused(m)
		t.quote()
	case 5:
		t.field(4, "Gateway Address", func(b []byte) string { return addressWords(b) + ": use this router instead" })
		t.quote()
	case 12:
		t.field(1, "Pointer", func(b []byte) string { return fmt.Sprintf("the fault is in byte %d of the quoted packet", b[0]) })
		t.field(3, "Unused", says("byte 5 may give the quote's length in words (RFC 4884 §5.1)"))
		t.quote()
	case 13, 14:
		t.identifier()
		stamp := func(b []byte) string { return timestampWords(be32(b)) }
		t.field(4, "Originate Timestamp", stamp)
		t.field(4, "Receive Timestamp", stamp)
		t.field(4, "Transmit Timestamp", stamp)
	case 17, 18:
		t.identifier()
		t.field(4, "Address Mask", addressWords)
	default:
		t.field(4, "Rest of Header", says("not read further"))
		t.payload("ICMP data")
	}
}

// icmpv4Unused tells the word that most error messages leave unused.
func (t *teller) icmpv4Unused(m message) {
	if m.typ != 3 || m.code != 4 {
		t.field(4, "Unused", says("0; byte 5 may give the quote's length in words (RFC 4884)"))
		return
	}
	t.field(2, "Unused", says("0"))
	t.field(2, "Next-Hop MTU", func(b []byte) string {
		return fmt.Sprintf("%d: send packets no longer than this (RFC 1191 §4)", be16(b))
	})
}

func (t *teller) identifier() {
	t.field(2, "Identifier", func(b []byte) string {
		return fmt.Sprintf("%d: tells one pinger's requests from another's", be16(b))
	})
	t.field(2, "Sequence Number", func(b []byte) string {
		return fmt.Sprintf("%d: tells one request from the next", be16(b))
	})
}

// echo tells the body of an echo request or reply.
func (t *teller) echo() {
	t.identifier()
	if t.cut {
		return
	}
	data := t.b[t.at:t.end]
	t.payload("Echo data")
	if at, ok := pingTime(data); ok {
		t.text("This looks like ping's own data: first its clock, seconds and microseconds (%s, if the sender "+
			"counts from the low byte), then bytes that count up from 0x10. Only the sender reads them, "+
			"to tell the time of the round trip.", at.UTC().Format("2006-01-02 15:04:05.000000 UTC"))
	}
}

// pingTime guesses whether echo data is that of the usual ping, which begins
// with a struct timeval of its own machine's making and goes on 10 11 12 ….
func pingTime(data []byte) (at time.Time, ok bool) {
	if len(data) < 24 {
		return time.Time{}, false
	}
	for i, b := range data[16:] {
		if b != byte(16+i) {
			return time.Time{}, false
		}
	}
	seconds, micros := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:])
	// From 2001 to 2100: anything else is not a clock.
	if seconds < 1_000_000_000 || seconds > 4_102_444_800 || micros >= 1_000_000 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), int64(micros)*1000), true
}

// quote tells the packet that an error message quotes: the IP header and at
// least the first 8 bytes behind it (RFC 792; RFC 4443 §2.4 (c): as much as fits
// into 1280 bytes). A quote inside a quote is only dumped.
func (t *teller) quote() {
	if t.cut {
		return
	}
	if t.at >= t.end {
		t.line("")
		t.text("The quoted packet is missing: an error must bring the header of the packet it is about.")
		return
	}
	if t.quoted {
		t.payload("quote within the quote")
		return
	}
	start, end := t.at, t.end
	t.line("")
	t.text("Here begins the quote: the packet that the error is about, header first, as much of it as the " +
		"error brings. By its ports or identifier the receiver finds whom to tell.")
	t.quoted = true
	var p Packet
	p.Decode(t.b[start:end])
	if reason := p.Problem.Reason; reason != "" && reason != ReasonTruncated {
		t.text("Problem in the quote: %s. %s", reason, problemWords(&p))
	}
	t.packet(&p)
	t.quoted = false
	t.at, t.end, t.cut = end, end, false
	if p.Trailing > 0 {
		t.at = end - p.Trailing
		t.remains("Behind the quoted packet (extensions: RFC 4884 §7)")
	}
}

// targetWords names an address of Neighbour Discovery.
func targetWords(b []byte, what string) string {
	a, _ := netip.AddrFromSlice(b)
	return a.String() + ": " + what
}
