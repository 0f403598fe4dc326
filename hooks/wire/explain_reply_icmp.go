package wire

import (
	"bytes"
	"fmt"
)

// icmpSteps are those that make the reply's ICMP message.
func (r *replyTeller) icmpSteps() {
	was, is, at := &r.request.ICMP, &r.reply.ICMP, r.reply.Payload
	layer, rfc, want := LayerICMPv4, "RFC 792", uint8(ICMPv4EchoReply)
	sum := "The type has changed, so it is computed afresh (RFC 792). Worked out below, and then the short way."
	if r.request.Version == 6 {
		layer, rfc, want = LayerICMPv6, "RFC 4443 §4.2", ICMPv6EchoReply
		sum = "The type has changed, so it is computed afresh, pseudo-header included (RFC 8200 §8.1). Worked out below, " +
			"and then the short way."
	}
	r.add(step{
		at: at, n: 1, field: "Type", how: "set", values: change(was.Type, is.Type),
		why: fmt.Sprintf("%d = echo request becomes %d = echo reply (%s).", was.Type, want, rfc), wrong: mustBe(is.Type, want),
	})
	r.add(step{
		at: at + 1, n: 1, field: "Code", how: "copied", values: change(was.Code, is.Code),
		why: fmt.Sprintf("%s knows no code but 0.", rfc), wrong: mustBe(is.Code, was.Code),
	})
	r.checksumStep(layer, "Checksum", sum)
	r.add(step{
		at: at + 4, n: 2, field: "Identifier", how: "copied", values: change(was.ID, is.ID),
		why: "By it the asker knows its own requests (" + rfc + ").", wrong: mustBe(is.ID, was.ID),
	})
	r.add(step{
		at: at + 6, n: 2, field: "Sequence Number", how: "copied", values: change(was.Seq, is.Seq),
		why: "By it the asker knows which request this answers (" + rfc + ").", wrong: mustBe(is.Seq, was.Seq),
	})
	data, back := r.request.Data()[icmpHeaderLen:], r.reply.Data()[icmpHeaderLen:]
	copied := step{
		at: at + icmpHeaderLen, n: len(back), field: "Data", how: "copied",
		values: change(count(len(data), "byte"), count(len(back), "byte")),
		why:    "All of it, unchanged (RFC 1122 §3.2.2.6; RFC 4443 §4.2).",
	}
	if !bytes.Equal(data, back) {
		i := 0
		for i < len(data) && i < len(back) && data[i] == back[i] {
			i++
		}
		copied.wrong = fmt.Sprintf("it differs from byte %d of the reply on.", at+icmpHeaderLen+i)
	}
	r.add(copied)
}

// shortcut shows that only the type made the checksum another (RFC 1624 §3,
// equation 3: HC' = ~(~HC + ~m + m')).
func (r *replyTeller) shortcut() {
	layer, want := LayerICMPv4, uint8(ICMPv4EchoReply)
	if r.request.Version == 6 {
		layer, want = LayerICMPv6, ICMPv6EchoReply
	}
	was, is := r.request.check(layer), r.reply.check(layer)
	if was == nil || is == nil {
		return
	}
	code := uint16(r.request.ICMP.Code)
	m, m1 := uint16(r.request.ICMP.Type)<<8|code, uint16(want)<<8|code
	r.section("The short way: from the request's checksum to the reply's (RFC 1624 §3)")
	if layer == LayerICMPv4 {
		r.text("Of all the words that the ICMP checksum counts, one has changed: Type and Code, from 0x%04x to 0x%04x. The "+
			"sum is 0x0800 less, so its complement is 0x0800 more.", m, m1)
	} else {
		r.text("Of all the words that the ICMPv6 message holds, one has changed: Type and Code, from 0x%04x to 0x%04x. "+
			"%s The sum is 0x0100 more, so its complement is 0x0100 less; in one's complement that is: plus "+
			"~0100 = feff.", m, m1, r.swapWords())
	}
	step := Sum([]byte{byte(m >> 8), byte(m), byte(^m1 >> 8), byte(^m1)}, 0) // m - m'
	plain := uint32(was.Seen) + uint32(step)
	r.line("")
	r.line("      %04x  the request's checksum", was.Seen)
	r.line("    + %04x", step)
	r.line("    ------")
	if plain>>16 != 0 {
		r.line("    %6x  and the carry comes back in at the right", plain)
	}
	short := uint16(plain>>16 + plain&0xffff)
	r.line("      %04x  the reply's: 0x%04x → 0x%04x", short, was.Seen, short)
	r.line("")
	r.text("The same by the equation HC' = ~(~HC + ~m + m'), where HC is the old checksum, m the old word, m' the new:")
	r.line("")
	sum := uint32(^was.Seen) + uint32(^m) + uint32(m1)
	r.line("    ~HC = ~%04x  =    %04x", was.Seen, ^was.Seen)
	r.line("     ~m = ~%04x  =  + %04x", m, ^m)
	r.line("     m'          =  + %04x", m1)
	r.line("    sum                 = %s", spaced(sum))
	for sum>>16 != 0 {
		carry, low := sum>>16, sum&0xffff
		sum = carry + low
		r.line("    fold                = %s = %04x + %04x", spaced(sum), carry, low)
	}
	r.line("    HC' = ~%04x  =    %04x", sum, ^uint16(sum))
	r.line("")
	r.shortcutVerdict(short, was, is)
}

// swapWords says what the pseudo-header does to the sum.
func (r *replyTeller) swapWords() string {
	if r.reply.Src == r.request.FinalDst() && r.reply.FinalDst() == r.request.Src {
		return "(The addresses of the pseudo-header have changed places, and a sum does not care for the order.)"
	}
	return "(But the addresses of the pseudo-header are others than the request's, so the short way would have to " +
		"count their words too; here it does not.)"
}

// shortcutVerdict says whether the reply at hand agrees.
func (r *replyTeller) shortcutVerdict(short uint16, was, is *Check) {
	switch {
	case is.Seen == short:
		r.text("The reply at hand has 0x%04x: the same.", is.Seen)
	case congruent(is.Seen, short):
		r.text("The reply at hand has 0x%04x, the other zero of one's complement (RFC 1624 §3).", is.Seen)
	case is.Verdict != OK:
		r.text("The reply at hand has 0x%04x: WRONG, as the column above shows.", is.Seen)
	default:
		r.text("The reply at hand has 0x%04x, and that is right for its bytes: for more than the type has changed in it, "+
			"so the short way does not lead there.", is.Seen)
	}
	if was.Seen != was.Hand {
		r.text("(The request bears 0x%04x where 0x%04x would be computed, the other zero of one's complement.)", was.Seen, was.Hand)
	}
}
