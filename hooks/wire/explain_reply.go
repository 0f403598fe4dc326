package wire

import (
	"bytes"
	"fmt"
	"io"
)

// ExplainReply writes to w how an echo reply is built from its request, both
// whole IP packets of one version: field by field what is copied, swapped,
// chosen afresh and recomputed, and which RFC says so; then both checksums of
// the reply worked out, and the short way from the request's ICMP checksum to
// the reply's (RFC 1624).
//
// It judges the reply it is given: where that is not what the RFCs ask for, it
// says so. Any bytes will do; if no reply is due, or the reply is none, it says
// that and why. It borrows both slices during the call and returns no error but
// w's.
func ExplainReply(w io.Writer, request, reply []byte) error {
	r := &replyTeller{teller: teller{b: reply, end: len(reply)}}
	r.request.Decode(request)
	r.reply.Decode(reply)
	r.tell()
	_, err := w.Write(r.out.Bytes())
	return err
}

// A replyTeller compares an echo request with its reply.
type replyTeller struct {
	teller
	request, reply Packet
	// steps are what it takes to build the reply, in the order of its bytes.
	steps []step
}

// A step makes one field of the reply.
type step struct {
	at, n int // place in the reply
	field string
	how   string // copied, swapped, set, fresh, recomputed
	// values shows the field in the request and in the reply, why gives the
	// reason for it.
	values, why string
	// wrong says how the reply offends against it; empty if it does not.
	wrong string
}

func (r *replyTeller) add(s step) { r.steps = append(r.steps, s) }

func (r *replyTeller) tell() {
	r.underlined("How the echo reply is built from the request", "=")
	r.text("Request: %s", subject(&r.request))
	if len(r.b) > 0 {
		r.text("Reply: %s", subject(&r.reply))
	}
	r.line("")
	if why := notDue(&r.request); why != "" {
		r.text("No echo reply is due: %s.", why)
		if len(r.b) > 0 {
			r.text("A packet is given as the reply all the same; it should not have been sent.")
		}
		return
	}
	if why := r.notReply(); why != "" {
		r.text("There is no reply to go through: %s.", why)
		return
	}
	if r.request.Version == 4 {
		r.ipv4Steps()
	} else {
		r.ipv6Steps()
	}
	headers := len(r.steps)
	r.icmpSteps()
	r.judgement()
	r.table(fmt.Sprintf("IPv%d header", r.request.Version), r.steps[:headers])
	r.options()
	r.table(ProtocolName(r.reply.Protocol)+" message", r.steps[headers:])
	r.checksums(&r.reply)
	r.shortcut()
}

// notDue says why a request gets no echo reply, or "".
func notDue(p *Packet) string {
	request := uint8(ICMPv4EchoRequest)
	if p.Version == 6 {
		request = ICMPv6EchoRequest
	}
	switch {
	case !p.Problem.IsZero():
		return "the request is malformed: " + p.Problem.Reason
	case p.Fragment.IsFragment():
		return "this is one fragment of a request; the answer is made from the whole (RFC 1122 §3.3.2, RFC 8200 §4.5)"
	case p.Upper != LayerICMPv4 && p.Upper != LayerICMPv6:
		return "it is no ICMP message"
	case p.ICMP.Type != request:
		return "it is no echo request but an ICMP " + ICMPTypeName(p.Version, p.ICMP.Type, p.ICMP.Code)
	}
	var buf [2]Check
	for _, c := range p.Checksums(buf[:0]) {
		if c.Verdict == Bad {
			return fmt.Sprintf("the request's %s is 0x%04x, by hand 0x%04x, so it is dropped without a word", checksumName(c.Layer), c.Seen, c.Hand)
		}
	}
	return ""
}

// notReply says why the reply cannot be compared, or "".
func (r *replyTeller) notReply() string {
	p := &r.reply
	want := uint8(ICMPv4EchoReply)
	if r.request.Version == 6 {
		want = ICMPv6EchoReply
	}
	switch {
	case len(r.b) == 0:
		return "none was given"
	case !p.Problem.IsZero():
		return fmt.Sprintf("the packet given is malformed: %s. %s", p.Problem.Reason, problemWords(p))
	case p.Version != r.request.Version:
		return fmt.Sprintf("it is of IPv%d, the request of IPv%d", p.Version, r.request.Version)
	case p.Fragment.IsFragment():
		return "the packet given is one fragment of it"
	case p.Upper != LayerICMPv4 && p.Upper != LayerICMPv6:
		return "the packet given is no ICMP message"
	case p.ICMP.Type != want && p.ICMP.Type != r.request.ICMP.Type:
		return "the packet given is an ICMP " + ICMPTypeName(p.Version, p.ICMP.Type, p.ICMP.Code)
	}
	return ""
}

// judgement sums up what is wrong with the reply.
func (r *replyTeller) judgement() {
	var wrong []string
	for _, s := range r.steps {
		if s.wrong != "" {
			wrong = append(wrong, fmt.Sprintf("%s (byte %d)", s.field, s.at))
		}
	}
	if offence := r.routeOffence(); offence != "" {
		wrong = append(wrong, "the source route")
	}
	if len(wrong) == 0 {
		r.text("Every field of the reply is what it has to be.")
		return
	}
	r.text("The reply is not what it has to be, in: %s. Look for WRONG below.", joinWords(wrong))
}

func joinWords(words []string) string {
	s := ""
	for i, w := range words {
		if i > 0 {
			s += ", "
		}
		s += w
	}
	return s
}

const howWidth = 10

// table shows steps. It hides the teller's table of fields on purpose: here a
// row shows two packets.
func (r *replyTeller) table(title string, steps []step) {
	r.section("%s, field by field", title)
	const width = pageWidth - 10 - 2 - fieldWidth - 2 - howWidth - 2
	line := func(place, field, how, says string) {
		for i, row := range wrap(says, width) {
			if i > 0 {
				place, field, how = "", "", ""
			}
			r.line("%10s  %-*s  %-*s  %s", place, fieldWidth, field, howWidth, how, row)
		}
	}
	r.line(" byte  len  %-*s  %-*s  %s", fieldWidth, "field", howWidth, "how", "request → reply, and why")
	r.line(" ----  ---  %s  %s  %s", dashes(fieldWidth), dashes(howWidth), dashes(width))
	for _, s := range steps {
		line(place(s.at, s.n), s.field, s.how, s.values)
		line("", "", "", s.why)
		if s.wrong != "" {
			line("", "", "", "WRONG: "+s.wrong)
		}
	}
}

func dashes(n int) string { return string(bytes.Repeat([]byte("-"), n)) }

// change shows a value in both packets.
func change(a, b any) string {
	if a == b {
		return fmt.Sprintf("%v → the same", a)
	}
	return fmt.Sprintf("%v → %v", a, b)
}

func hex16(v uint16) string { return fmt.Sprintf("0x%04x", v) }

// mustBe returns the offence if got is not want.
func mustBe(got, want any) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("it is %v and has to be %v.", got, want)
}

// checksumStep is the step of one checksum field.
func (r *replyTeller) checksumStep(layer Layer, field, why string) {
	was, is := r.request.check(layer), r.reply.check(layer)
	if was == nil || is == nil {
		return
	}
	s := step{
		at: is.Offset, n: 2, field: field, how: "recomputed",
		values: change(hex16(was.Seen), hex16(is.Seen)), why: why,
	}
	if is.Verdict != OK {
		s.wrong = fmt.Sprintf("by hand it is 0x%04x.", is.Hand)
	}
	r.add(s)
}

// addressSteps are those of the two addresses, n bytes each, from offset at on.
func (r *replyTeller) addressSteps(at, n int, rfc, destination string) {
	src := step{
		at: at, n: n, field: "Source Address", how: "swapped",
		values: fmt.Sprintf("%v → %v", r.request.Src, r.reply.Src),
		why:    "The request's destination answers, with that very address (" + rfc + ").",
	}
	if r.request.Dst.IsMulticast() || addressNote(r.request.Dst) == "limited broadcast" {
		src.how = "fresh"
		src.why = "The request went to many, so each answers with a unicast address of its own (" + rfc + ")."
		if r.reply.Src.IsMulticast() || r.reply.Src == r.request.Dst {
			src.wrong = "it is no unicast address."
		}
	} else if src.wrong = mustBe(r.reply.Src, r.request.Dst); src.wrong != "" {
		src.wrong += " (Unless the request's destination is a broadcast or anycast address.)"
	}
	r.add(src)
	r.add(step{
		at: at + n, n: n, field: "Destination Address", how: "swapped",
		values: fmt.Sprintf("%v → %v", r.request.Dst, r.reply.Dst),
		why:    "Back to the one who asked (" + destination + ").",
		wrong:  mustBe(r.reply.FinalDst(), r.request.Src),
	})
}
