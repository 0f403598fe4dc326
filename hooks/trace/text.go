package trace

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// A textRenderer writes one line a packet, in tcpdump's habit, with the
// packet's number and fate at its end, and indented lines below it.
type textRenderer struct{ level Level }

var _ renderer = (*textRenderer)(nil)

func (r *textRenderer) packet(b []byte, p *Packet) []byte {
	b = p.Time.AppendFormat(b, "15:04:05.000000")
	if p.Direction == hooks.Inbound {
		b = append(b, " in  "...)
	} else {
		b = append(b, " out "...)
	}
	b = appendPacket(b, p)
	b = appendNumber(b, " [#", p.Seq)
	b = append(append(b, ' '), p.Fate...)
	if p.Reason != "" {
		b = append(append(b, ": "...), p.Reason...)
	}
	if p.Fate != hooks.Mended {
		b = appendMended(b, p.Mended)
	}
	b = append(b, "]\n"...)
	if r.level == Packets {
		return b
	}
	explained := ""
	if r.level == Explain {
		explained = explainPacket(p)
		b = appendIndented(b, explained)
	}
	for i, c := range p.Checks[:p.NChecks] {
		reassembled := p.Reassembled && i == p.NChecks-1
		if explained != "" && !reassembled {
			continue // worked out there
		}
		b = appendCheck(b, c)
		if reassembled {
			b = append(b, ", of the reassembled datagram"...)
		}
		if p.Vouched(c) {
			b = append(b, ", but the kernel vouches for it"...)
		}
		b = append(b, '\n')
	}
	return b
}

// appendCheck appends one verdict, without an end of line.
func appendCheck(b []byte, c wire.Check) []byte {
	const blanks = "      "
	b = append(append(b, "    "...), c.Layer...)
	b = append(b, blanks[min(len(c.Layer), len(blanks)):]...)
	b = append(b, " checksum at "...)
	if c.Offset < 10 {
		b = append(b, ' ')
	}
	b = appendNumber(b, "", c.Offset)
	b = appendHex16(append(b, ": "...), c.Seen)
	b = appendHex16(append(b, ", by hand "...), c.Hand)
	return append(append(b, ": "...), c.Verdict...)
}

func (r *textRenderer) compare(b []byte, c *Comparison) []byte {
	if r.level == Explain {
		b = appendIndented(b, explainReply(c))
	}
	b = appendNumber(b, "    compare [#", c.Seq)
	b = append(append(append(b, "]: "...), c.Result...), ", "...)
	b = appendMended(appendSentence(b, c), c.Mended)
	if len(c.Diffs) > 0 {
		b = append(b, ':')
	}
	b = append(b, '\n')
	for _, d := range c.Diffs {
		b = fmt.Appendf(b, "        %s at %d: %s %s, by hand %s (%s, %s)\n", d.Field, d.Offset, c.Responder, d.Netstack, d.Hand, d.Class, d.RFC)
	}
	return b
}

// appendMended appends the mends of a packet, if there are any.
func appendMended(b []byte, mends []string) []byte {
	for i, name := range mends {
		b = append(b, [...]string{"; mended: ", ", "}[min(i, 1)]...)
		b = append(b, name...)
	}
	return b
}

// appendSentence says in words what a comparison found.
func appendSentence(b []byte, c *Comparison) []byte {
	b = append(b, c.Responder...)
	switch c.Result {
	case Match:
		if !c.Replied {
			b = append(appendNumber(b, " kept silent about #", c.Request), ", as is due: "...)
			return appendCause(b, c)
		}
		b = append(appendAnswered(b, c), " as by hand"...)
		if len(c.Diffs) > 0 {
			b = append(b, " but for what the RFCs leave free"...)
		}
		return b
	case Differ:
		return append(appendAnswered(b, c), " not as by hand"...)
	case Missing:
		b = appendNumber(b, " did not answer #", c.Request)
		b = append(append(b, ", a reply was due ("...), c.RFC...)
		if c.Requirement == "should" {
			b = append(b, ", should"...)
		}
		return append(b, ')')
	}
	switch {
	case c.Request == 0 && c.RFC != "":
		b = append(b, " sent an error about what no error may be sent about ("...)
		return append(append(b, c.RFC...), ')')
	case c.Request == 0:
		return append(b, " sent a reply to nothing that was asked"...)
	}
	b = append(appendNumber(b, " answered #", c.Request), ", silence was due: "...)
	return appendCause(b, c)
}

// appendAnswered appends what was answered, and after how long.
func appendAnswered(b []byte, c *Comparison) []byte {
	b = append(appendNumber(b, " answered #", c.Request), " after "...)
	return append(strconv.AppendInt(b, c.Latency.Microseconds(), 10), " µs"...)
}

// appendCause appends why silence was due, and the rule.
func appendCause(b []byte, c *Comparison) []byte {
	b = append(append(b, c.Reason...), " ("...)
	return append(append(b, c.RFC...), ')')
}

func (r *textRenderer) summary(b []byte, s *Summary) []byte {
	return append(b, s.Text()...)
}

// Text returns the summary in words, a few lines.
func (s *Summary) Text() string {
	var b strings.Builder
	in := []hooks.Fate{hooks.Answered, hooks.Delivered, hooks.Dropped, hooks.Guarded}
	if s.Fates.In[hooks.Mended] > 0 {
		in = append(in, hooks.Mended)
	}
	fmt.Fprintf(&b, "packets in:  %d (%s)\n", s.Packets.In, counts(s.Fates.In, in...))
	out := []hooks.Fate{hooks.Sent, hooks.Dropped}
	for _, rare := range []hooks.Fate{hooks.Suppressed, hooks.Mended} {
		if s.Fates.Out[rare] > 0 {
			out = append(out, rare)
		}
	}
	fmt.Fprintf(&b, "packets out: %d (%s)\n", s.Packets.Out, counts(s.Fates.Out, out...))
	fmt.Fprintf(&b, "checksums by hand: %d ok, %d bad, %d partial, %d absent\n", s.Checksums.OK, s.Checksums.Bad, s.Checksums.Partial, s.Checksums.Absent)
	c := &s.Compare
	fmt.Fprintf(&b, "comparisons: %d match, %d differ, %d missing, %d unexpected", c.Match, c.Differ, c.Missing, c.Unexpected)
	if c.Unjudged > 0 {
		fmt.Fprintf(&b, ", %d unjudged", c.Unjudged)
	}
	b.WriteByte('\n')
	for i := range s.Answerers {
		b.WriteString(s.Answerers[i].text())
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Drops)) {
		fmt.Fprintf(&b, "dropped: %d %s\n", s.Drops[reason], reason)
	}
	for _, mend := range slices.Sorted(maps.Keys(s.Mends)) {
		fmt.Fprintf(&b, "mended: %d %s\n", s.Mends[mend], mend)
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Elsewhere)) {
		fmt.Fprintf(&b, "lost elsewhere: %d %s\n", s.Elsewhere[reason], reason)
	}
	if s.TraceLost > 0 {
		fmt.Fprintf(&b, "trace events lost: %d\n", s.TraceLost)
	}
	return b.String()
}

func counts(m map[hooks.Fate]uint64, order ...hooks.Fate) string {
	parts := make([]string, 0, len(order))
	for _, f := range order {
		parts = append(parts, fmt.Sprintf("%d %s", m[f], f))
	}
	return strings.Join(parts, ", ")
}

// explainPacket returns the whole working of a packet whose bytes the event
// brought, else nothing.
func explainPacket(p *Packet) string {
	if p.Packet.Bytes == nil {
		return ""
	}
	var b strings.Builder
	_ = wire.ExplainOffloaded(&b, p.Packet.Bytes, p.Packet.Offload) // only a writer can fail, and this one does not
	return b.String()
}

// explainReply returns how the reply is made by hand, if one was.
func explainReply(c *Comparison) string {
	if c.ReplyByHand == nil {
		return ""
	}
	var b strings.Builder
	var reply wire.Packet
	if reply.Decode(c.ReplyByHand); isEcho(&reply) {
		_ = wire.ExplainReply(&b, c.RequestBytes, c.ReplyByHand) // as above
	} else {
		b.WriteString("The reply made by hand:\n\n")
		_ = wire.Explain(&b, c.ReplyByHand) // as above
	}
	return b.String()
}

// appendIndented appends text, each line that is not empty set in by four.
func appendIndented(b []byte, text string) []byte {
	for l := range strings.Lines(text) {
		if strings.TrimSpace(l) != "" {
			b = append(b, "    "...)
		}
		b = append(b, l...)
	}
	return b
}
