package wire

import "fmt"

// udp tells a UDP header and the data behind it, from t.at on.
func (t *teller) udp(p *Packet) {
	start := t.at
	t.section("UDP header: %s (RFC 768)", span(t.at, min(udpHeaderLen, t.end-t.at)))
	t.table()
	length, room := 0, t.end-start
	t.within(udpHeaderLen, func() {
		t.field(2, "Source Port", portWords)
		t.field(2, "Destination Port", portWords)
		t.field(2, "Length", func(b []byte) string {
			length = be16(b)
			return udpLengthWords(length, room, t.quoted || p.Fragment.More)
		})
		t.field(2, "Checksum", func(b []byte) string { return t.udpChecksumWords(p, be16(b)) })
	})
	if t.cut {
		return
	}
	end := t.end
	if length >= udpHeaderLen && start+length < end {
		t.end = start + length
	}
	t.payload("UDP data")
	t.at, t.end = t.end, end
	t.remains("Behind the UDP datagram, not part of it")
}

func udpLengthWords(length, room int, partial bool) string {
	s := fmt.Sprintf("%s, header and data", count(length, "byte"))
	switch {
	case length < udpHeaderLen:
		return s + ": wrong, the header alone has 8"
	case length < room:
		return s + fmt.Sprintf("; IP carries %d more, which UDP ignores", room-length)
	case length > room && partial:
		return s + fmt.Sprintf("; here are the first %d", room)
	case length > room:
		return s + fmt.Sprintf("; wrong, IP carries only %d", room)
	}
	return s
}

// udpChecksumWords tells the two values that are special in UDP.
func (t *teller) udpChecksumWords(p *Packet, seen int) string {
	switch {
	case p.isPartial():
	case seen == 0 && p.Version == 4:
		return "0: the sender computed none; there is nothing to verify (RFC 768)"
	case seen == 0 && t.quoted:
		return "0: over IPv6 there must be one (RFC 8200 §8.1)"
	case seen == 0:
		return "0: bad, over IPv6 there must be one (RFC 8200 §8.1; tunnels: RFC 6935)"
	}
	return t.checksumWords(p, LayerUDP)
}
