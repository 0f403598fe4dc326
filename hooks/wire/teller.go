package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The page that an explanation is set on, in columns.
const (
	pageWidth  = 100
	bytesWidth = 23 // eight bytes in hexadecimal
	fieldWidth = 22
	saysWidth  = pageWidth - 10 - 2 - bytesWidth - 2 - fieldWidth - 2
	maxHexRows = 4
	dumpBytes  = 64
)

// A teller sets an explanation: it walks the bytes of a packet field by field
// and writes a table row for each. The first field that the bytes do not hold
// whole is told as far as it goes; after it every further field is a no-op, so
// that a walk need not ask at each step.
type teller struct {
	out bytes.Buffer
	// b is the packet as received.
	b []byte
	// at is the offset of the next field, end the offset where the header or
	// message at hand ends.
	at, end int
	// cut says that the walk met the end inside a field.
	cut bool
	// quoted says that the walk is inside the packet that an ICMP error quotes.
	quoted bool
}

func (t *teller) line(format string, args ...any) {
	s := strings.TrimRight(fmt.Sprintf(format, args...), " ")
	t.out.WriteString(s)
	t.out.WriteByte('\n')
}

// underlined writes a title and a rule below it.
func (t *teller) underlined(title string, rule string) {
	rows := wrap(title, pageWidth)
	longest := 0
	for _, row := range rows {
		t.line("%s", row)
		longest = max(longest, utf8.RuneCountInString(row))
	}
	t.line("%s", strings.Repeat(rule, longest))
}

// section begins a part of the explanation.
func (t *teller) section(format string, args ...any) {
	t.line("")
	title := fmt.Sprintf(format, args...)
	if t.quoted {
		title = "Quoted: " + title
	}
	t.underlined(title, "-")
}

// text writes a paragraph.
func (t *teller) text(format string, args ...any) {
	for _, row := range wrap(fmt.Sprintf(format, args...), pageWidth-2) {
		t.line("  %s", row)
	}
}

// table writes the head of a table of fields.
func (t *teller) table() {
	t.line(" byte  len  %-*s  %-*s  %s", bytesWidth, "bytes", fieldWidth, "field", "what it says")
	t.line(" ----  ---  %s  %s  %s", strings.Repeat("-", bytesWidth), strings.Repeat("-", fieldWidth), strings.Repeat("-", saysWidth))
}

// row writes one row of the table, over as many lines as its cells need.
func (t *teller) row(place string, hex []string, field, says string) {
	fields, words := wrap(field, fieldWidth), wrap(says, saysWidth)
	for i := range max(1, len(hex), len(fields), len(words)) {
		t.line("%10s  %-*s  %-*s  %s", place, bytesWidth, cell(hex, i), fieldWidth, cell(fields, i), cell(words, i))
		place = ""
	}
}

func cell(rows []string, i int) string {
	if i < len(rows) {
		return rows[i]
	}
	return ""
}

// field tells the next n bytes and returns them, or nil if they are not all
// there. says gets them and returns their meaning.
func (t *teller) field(n int, name string, says func(b []byte) string) []byte {
	if t.cut {
		return nil
	}
	b := t.b[t.at:min(t.at+n, t.end)]
	if len(b) < n {
		t.cut = true
		what := fmt.Sprintf("cut off: %d of %d bytes are there", len(b), n)
		t.row(place(t.at, len(b)), hexRows(b), name, what)
		t.at = t.end
		return nil
	}
	t.row(place(t.at, n), hexRows(b), name, says(b))
	t.at += n
	return b
}

// bits tells the bits lo to hi of b, counted from the most significant.
func (t *teller) bits(b []byte, lo, hi int, name, format string, args ...any) {
	if b == nil {
		return
	}
	label := fmt.Sprintf("bits %d-%d", lo, hi)
	if lo == hi {
		label = fmt.Sprintf("bit %d", lo)
	}
	pattern := bitPattern(b, lo, hi)
	if utf8.RuneCountInString(pattern) > bytesWidth {
		pattern = nibblePattern(b, lo, hi)
	}
	t.row(label, []string{pattern}, name, fmt.Sprintf(format, args...))
}

// rest tells all bytes up to the end as one field, if there are any.
func (t *teller) rest(name, says string) {
	if n := t.end - t.at; n > 0 && !t.cut {
		t.field(n, name, func([]byte) string { return says })
	}
}

// within runs a walk over the next n bytes, or over what is there of them, and
// leaves the teller behind them. It reports whether they were all there.
func (t *teller) within(n int, walk func()) bool {
	end, cut := t.end, t.cut
	t.end = min(t.at+n, end)
	whole := t.at+n <= end
	next := t.end
	walk()
	t.end, t.at, t.cut = end, next, cut || !whole
	return whole
}

// dump writes the bytes from offset from to offset to in hexadecimal and ASCII,
// the first few of them.
func (t *teller) dump(from, to int) {
	shown := min(to, from+dumpBytes)
	for at := from; at < shown; at += 16 {
		b := t.b[at:min(at+16, shown)]
		t.line("%5d  %-23s  %-23s  |%s|", at, hexOf(b[:min(8, len(b))]), hexOf(b[min(8, len(b)):]), ascii(b))
	}
	if more := to - shown; more > 0 {
		t.line("       … %d more", more)
	}
}

// place is the first column of a row: offset and length.
func place(at, n int) string { return fmt.Sprintf("%5d %4d", at, n) }

func hexOf(b []byte) string { return fmt.Sprintf("% x", b) }

// hexRows sets bytes eight to a line, as many lines as a table may spend.
func hexRows(b []byte) []string {
	var rows []string
	for len(b) > 0 {
		if len(rows) == maxHexRows-1 && len(b) > 8 {
			return append(rows, fmt.Sprintf("… %d more", len(b)))
		}
		n := min(8, len(b))
		rows = append(rows, hexOf(b[:n]))
		b = b[n:]
	}
	return rows
}

func ascii(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = '.'
		if c >= 0x20 && c < 0x7f {
			out[i] = c
		}
	}
	return string(out)
}

// bitPattern shows the bits lo to hi of b in their places and dots in the
// others: ".1.. ....".
func bitPattern(b []byte, lo, hi int) string {
	var s strings.Builder
	for i := range len(b) * 8 {
		if i > 0 && i%4 == 0 {
			s.WriteByte(' ')
		}
		switch {
		case i < lo || i > hi:
			s.WriteByte('.')
		case bitsOf(b, i, i) == 1:
			s.WriteByte('1')
		default:
			s.WriteByte('0')
		}
	}
	return s.String()
}

// nibblePattern does the same with hexadecimal digits, for long fields that
// begin and end at one: ".0 00 00".
func nibblePattern(b []byte, lo, hi int) string {
	var s strings.Builder
	for i := range len(b) * 2 {
		if i > 0 && i%2 == 0 {
			s.WriteByte(' ')
		}
		if i*4 < lo || i*4 > hi {
			s.WriteByte('.')
			continue
		}
		fmt.Fprintf(&s, "%x", bitsOf(b, i*4, i*4+3))
	}
	return s.String()
}

// bitsOf returns the bits lo to hi of b as a number, and 0 if b is nil: the
// field was cut off, and nothing will be told of it.
func bitsOf(b []byte, lo, hi int) uint32 {
	v := uint32(0)
	for i := lo; b != nil && i <= hi; i++ {
		v = v<<1 | uint32(b[i/8]>>(7-i%8)&1)
	}
	return v
}

func be16(b []byte) int { return int(binary.BigEndian.Uint16(b)) }

func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// wrap breaks s at spaces into lines of at most width characters. A longer
// word keeps a line of its own.
func wrap(s string, width int) []string {
	var rows []string
	row, n := "", 0
	for _, word := range strings.Fields(s) {
		w := utf8.RuneCountInString(word)
		if n > 0 && n+1+w > width {
			rows = append(rows, row)
			row, n = "", 0
		}
		if n > 0 {
			row += " "
			n++
		}
		row += word
		n += w
	}
	if n > 0 {
		rows = append(rows, row)
	}
	return rows
}

// count says "1 byte", "2 bytes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
