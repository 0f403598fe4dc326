package wire

import "fmt"

// checksumWords is what the field itself says of the upper layer's checksum.
func (t *teller) checksumWords(p *Packet, layer Layer) string {
	if c := p.check(layer); c != nil {
		return verdictWords(*c, t.quoted)
	}
	if t.quoted {
		return "cannot be verified from a quote"
	}
	return "cannot be verified: " + uncheckable(p)
}

// verdictWords is a verdict in the table of fields.
func verdictWords(c Check, quoted bool) string {
	if c.Verdict == OK {
		if quoted {
			return "ok"
		}
		return "ok, worked out below"
	}
	s := fmt.Sprintf("%s: by hand 0x%04x", c.Verdict, c.Hand)
	if !quoted {
		s += ", worked out below"
	}
	return s
}

// conclusion compares the result with the packet's field.
func (t *teller) conclusion(p *Packet, c Check, sum uint16) {
	t.text("%s: by hand 0x%04x, in the packet 0x%04x: %s", checksumName(c.Layer), c.Hand, c.Seen, c.Verdict)
	if c.Hand != ^sum {
		t.text("(The complement is 0000. But in UDP a field of 0 means that there is no checksum, so a sum that comes "+
			"to 0 is sent as its other one's complement form, ffff: %s.)", udpZeroSource(p.Version))
	}
	switch c.Verdict {
	case OK:
		t.text("A receiver need not take the field out: %04x + %04x = ffff. All ones: nothing was damaged "+
			"that this sum can see.", sum, c.Seen)
		if c.Seen != c.Hand {
			t.text("0000 and ffff are the two zeros of one's complement. The right one here would be %04x, but "+
				"both add up to ffff, so receivers take either (RFC 1624 §5).", c.Hand)
		}
	case Absent:
		t.text("Absent: the sender computed none, which UDP over IPv4 allows (RFC 768). There is nothing to verify; " +
			"the value by hand is what the sender would have written.")
	case Bad:
		t.difference(p, c, sum)
	}
}

// conclusionPartial compares the pseudo-header's sum with the field that checksum
// offload expects it in.
func (t *teller) conclusionPartial(p *Packet, c Check) {
	t.text("%s: by hand 0x%04x, in the packet 0x%04x: %s", checksumName(c.Layer), c.Hand, c.Seen, c.Verdict)
	if c.Verdict == Bad {
		t.text("Bad: checksum offload expects the sum of the pseudo-header in the field, and that is 0x%04x. Whoever "+
			"finished the checksum from what is here would get a wrong one.", c.Hand)
		if p.whole(c).Verdict == OK {
			t.text("A guess: the checksum is finished already, and right: there was nothing left to do.")
		}
		return
	}
	t.text("Partial: the field holds what checksum offload left there. It vouches for the pseudo-header only, that is for " +
		"addresses, protocol and length, and not for the payload: no sum here covers a byte of that. Inside one machine there " +
		"is no wire, and nobody has to finish the sum.")
	if n := p.Segments(); n > 1 {
		t.text("The length counted is that of the whole super-segment. On a wire each of the %d segments would have a "+
			"length and a checksum of its own.", n)
		return
	}
	t.text("Whoever puts the packet on a wire adds the bytes from byte %d on, the field as it is among them, and writes the "+
		"complement into the field: 0x%04x.", p.Payload, p.Complete(c))
}

func udpZeroSource(version uint8) string {
	if version == 4 {
		return "RFC 768"
	}
	return "RFC 768, RFC 8200 §8.1"
}

// difference says how far off a bad checksum is, and guesses why.
func (t *teller) difference(p *Packet, c Check, sum uint16) {
	if c.Layer == LayerUDP && c.Seen == 0 {
		t.text("Bad: 0 would mean that there is no checksum, and UDP over IPv6 must have one (RFC 8200 §8.1; the " +
			"exception is for tunnels that agreed on it, RFC 6935).")
		return
	}
	// Seen is the complement of the sum that was sent, so the difference of
	// the fields is that of the sums the other way round.
	off := Sum([]byte{byte(^c.Hand >> 8), byte(^c.Hand)}, c.Seen)
	t.text("Bad: a receiver finds %04x + %04x = %04x, not ffff. The field is off by 0x%04x (0x%04x - 0x%04x in one's "+
		"complement): the words that are here add up to 0x%04x more than those the sender added, or, which is the same, to 0x%04x less.",
		sum, c.Seen, Sum([]byte{byte(c.Seen >> 8), byte(c.Seen)}, sum), off, c.Seen, c.Hand, off, ^off)
	if hint := t.hint(p, c, sum); hint != "" {
		t.text("A guess: %s", hint)
	}
}

// hint recognizes the usual mistakes of those who write checksums themselves.
func (t *teller) hint(p *Packet, c Check, sum uint16) string {
	data := p.Data()
	if c.Layer == LayerUDP {
		data = data[:p.UDP.Length]
	}
	final := p.FinalDst()
	switch {
	case c.Seen == sum:
		return "the sum was written without its complement."
	case usesPseudoHeader(c.Layer) && c.Seen == PseudoHeader(p.Src, final, p.Protocol, len(data)):
		return "the field holds the pseudo-header's sum alone. So a sender leaves it that expects the hardware to add " +
			"the rest (checksum offload)."
	case usesPseudoHeader(c.Layer) && c.Seen == ^Sum(data[c.Offset-p.Payload+2:], Sum(data[:c.Offset-p.Payload], 0)):
		return "the pseudo-header was left out."
	case c.Seen == c.Hand<<8|c.Hand>>8:
		return "the two bytes were written in the wrong order."
	case c.Seen == 0:
		return "the field was never filled in."
	case c.Layer == LayerICMPv4 && p.ICMP.Type == ICMPv4EchoReply && congruent(c.Seen, Sum([]byte{0xf7, 0xff}, c.Hand)):
		return "it is the request's checksum, kept when the type changed from 8 to 0; it had to grow by 0x0800."
	}
	return ""
}

// congruent reports whether two sums are one number in one's complement, which
// has two zeros.
func congruent(a, b uint16) bool {
	return a == b || (a == 0 || a == 0xffff) && (b == 0 || b == 0xffff)
}
