package trace

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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
	b = fmt.Appendf(b, "    compare [#%d]: %s, %s\n", c.Seq, c.Result, sentence(c))
	for _, d := range c.Diffs {
		b = fmt.Appendf(b, "        %s at %d: %s %s, by hand %s (%s, %s)\n", d.Field, d.Offset, c.Responder, d.Netstack, d.Hand, d.Class, d.RFC)
	}
	return b
}

// sentence says in words what a comparison found.
func sentence(c *Comparison) string {
	switch c.Result {
	case Match:
		if !c.Replied {
			return fmt.Sprintf("%s kept silent about #%d, as is due: %s (%s)", c.Responder, c.Request, c.Reason, c.RFC)
		}
		s := fmt.Sprintf("%s answered #%d after %s as by hand", c.Responder, c.Request, duration(c.Latency))
		if len(c.Diffs) > 0 {
			s += " but for what the RFCs leave free:"
		}
		return s
	case Differ:
		return fmt.Sprintf("%s answered #%d after %s not as by hand:", c.Responder, c.Request, duration(c.Latency))
	case Missing:
		return fmt.Sprintf("%s did not answer #%d, a reply was due (%s)", c.Responder, c.Request, asked(c))
	}
	if c.Request == 0 && c.RFC != "" {
		return fmt.Sprintf("%s sent an error about what no error may be sent about (%s)", c.Responder, c.RFC)
	}
	if c.Request == 0 {
		return fmt.Sprintf("%s sent a reply to nothing that was asked", c.Responder)
	}
	return fmt.Sprintf("%s answered #%d, silence was due: %s (%s)", c.Responder, c.Request, c.Reason, c.RFC)
}

// asked cites the rule of what was due, and says if it is no more than a SHOULD.
func asked(c *Comparison) string {
	if c.Requirement == "should" {
		return c.RFC + ", should"
	}
	return c.RFC
}

func duration(d time.Duration) string {
	return fmt.Sprintf("%d µs", d.Microseconds())
}

func (r *textRenderer) summary(b []byte, s *Summary) []byte {
	return append(b, s.Text()...)
}

// Text returns the summary in words, a few lines.
func (s *Summary) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "packets in:  %d (%s)\n", s.Packets.In, counts(s.Fates.In, hooks.Answered, hooks.Delivered, hooks.Dropped, hooks.Guarded))
	fmt.Fprintf(&b, "packets out: %d (%s)\n", s.Packets.Out, counts(s.Fates.Out, hooks.Sent, hooks.Dropped))
	fmt.Fprintf(&b, "checksums by hand: %d ok, %d bad, %d partial, %d absent\n", s.Checksums.OK, s.Checksums.Bad, s.Checksums.Partial, s.Checksums.Absent)
	c := &s.Compare
	fmt.Fprintf(&b, "comparisons: %d match, %d differ, %d missing, %d unexpected", c.Match, c.Differ, c.Missing, c.Unexpected)
	if c.Unjudged > 0 {
		fmt.Fprintf(&b, ", %d unjudged", c.Unjudged)
	}
	b.WriteByte('\n')
	for _, reason := range slices.Sorted(maps.Keys(s.Drops)) {
		fmt.Fprintf(&b, "dropped: %d %s\n", s.Drops[reason], reason)
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
