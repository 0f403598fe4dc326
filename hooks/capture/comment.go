package capture

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// maxComment bounds a comment, in bytes; the format's own bound is 65,535.
const maxComment = 8 << 10

// verdictNone stands where no checksum was judged.
const verdictNone = "none"

// appendComment appends a packet's comment to b: what is said of itself, then
// of each comparison. completed is the layer whose checksum the copy completes.
func appendComment(b []byte, p *trace.Packet, completed wire.Layer, compared []*trace.Comparison) []byte {
	start := len(b)
	b = appendUint(append(b, "seq="...), p.Seq)
	b = appendPair(b, "dir", string(p.Direction))
	b = appendPair(b, "fate", string(p.Fate))
	b = appendPair(b, "reason", p.Reason)
	if len(p.Mended) > 0 {
		b = appendPair(b, "mended", strings.Join(p.Mended, ","))
	}
	checks := p.Checks[:p.NChecks]
	for _, c := range checks {
		b = appendPair(b, string(c.Layer), string(c.Verdict))
		if c.Verdict == wire.Bad {
			b = appendPair(b, string(c.Layer)+".seen", hex16(c.Seen))
			b = appendPair(b, string(c.Layer)+".hand", hex16(c.Hand))
		}
		if p.Vouched(c) {
			b = appendPair(b, "vouched", string(c.Layer))
		}
	}
	b = appendPair(b, "verdict", worst(checks))
	if p.Reassembled && len(checks) > 0 {
		b = appendPair(b, "reassembled", string(checks[len(checks)-1].Layer))
	}
	if gso := p.GSO(); gso != "" {
		b = appendPair(b, "gso", gso)
		b = appendPair(b, "gso.size", strconv.Itoa(p.Packet.Offload.SegmentSize))
		b = appendPair(b, "gso.segments", strconv.Itoa(p.Segments))
	}
	if completed != "" {
		b = appendPair(b, "completed", string(completed))
	}
	if problem := p.Packet.Problem; !problem.IsZero() {
		b = appendPair(b, "problem", problem.Reason)
		b = appendPair(b, "problem.offset", strconv.Itoa(problem.Offset))
	}
	if p.Packet.Trailing > 0 {
		b = appendPair(b, "trailing", strconv.Itoa(p.Packet.Trailing))
	}
	for _, c := range compared {
		b = appendComparison(b, c)
	}
	return b[:start+cut(b[start:], maxComment)]
}

// cut returns the length up to which b is within limit, and ends with a whole
// character.
func cut(b []byte, limit int) int {
	if len(b) <= limit {
		return len(b)
	}
	for limit > 0 && !utf8.RuneStart(b[limit]) {
		limit--
	}
	return limit
}

func appendComparison(b []byte, c *trace.Comparison) []byte {
	b = appendPair(b, "compare", string(c.Result))
	b = appendUint(append(b, " compare.seq="...), c.Seq)
	b = appendUint(append(b, " request="...), c.Request)
	if c.Reply != 0 {
		b = appendUint(append(b, " reply="...), c.Reply)
	}
	b = appendPair(b, "responder", c.Responder)
	b = appendPair(b, "live", strconv.FormatBool(c.Live))
	b = appendPair(b, "due", c.Due)
	if c.Reason != "" {
		b = appendPair(b, "compare.reason", c.Reason)
	}
	if c.RFC != "" {
		b = appendPair(b, "rfc", c.RFC)
	}
	if len(c.Mended) > 0 {
		b = appendPair(b, "compare.mended", strings.Join(c.Mended, ","))
	}
	if c.Replied && c.Request != 0 {
		b = appendPair(b, "latency_us", strconv.FormatInt(c.Latency.Microseconds(), 10))
	}
	var diffs strings.Builder
	for i, d := range c.Diffs {
		if i > 0 {
			diffs.WriteByte(',')
		}
		diffs.WriteString(d.Field + "@" + strconv.Itoa(d.Offset) + ":" + d.Netstack + "/" + d.Hand + ":" + string(d.Class))
	}
	return appendPair(b, "diffs", diffs.String())
}

// worst returns the verdict that counts for the whole packet.
func worst(checks []wire.Check) string {
	for _, v := range []wire.Verdict{wire.Bad, wire.Partial, wire.Absent, wire.OK} {
		for _, c := range checks {
			if c.Verdict == v {
				return string(v)
			}
		}
	}
	return verdictNone
}

// appendPair appends a space and key=value, the value quoted if it would not
// stand as one word.
func appendPair(b []byte, key, value string) []byte {
	b = append(append(append(b, ' '), key...), '=')
	for _, r := range value {
		if r == ' ' || r == '"' || r == '=' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.AppendQuote(b, value)
		}
	}
	return append(b, value...)
}

func appendUint(b []byte, v uint64) []byte { return strconv.AppendUint(b, v, 10) }

func hex16(v uint16) string {
	const digits = "0123456789abcdef"
	return string([]byte{'0', 'x', digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15]})
}

// clean returns s as an option that every reader of captures can show.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	return s[:cut([]byte(s), 255)]
}
