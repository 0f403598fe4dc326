package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// A column of up to maxColumn words of data is shown whole; of a longer one,
// the first and last few.
const (
	maxColumn  = 64
	columnHead = 32
	columnTail = 8
)

// checksums works out every checksum of p that can be, and says of the others
// why they cannot.
func (t *teller) checksums(p *Packet) {
	t.cut = false
	var buf [2]Check
	checks := p.Checksums(buf[:0])
	for i, c := range checks {
		t.checksum(p, c, i == 0)
	}
	if layer := checksummed(p); layer != "" && p.check(layer) == nil {
		t.section("%s: not worked out", checksumName(layer))
		t.text("%s", capital(uncheckable(p)))
	}
}

// checksummed returns the layer above IP that has a checksum, or "".
func checksummed(p *Packet) Layer {
	switch {
	case p.Payload == 0:
		return ""
	case p.Version == 4 && p.Protocol == ProtocolICMPv4:
		return LayerICMPv4
	case p.Version == 6 && p.Protocol == ProtocolICMPv6:
		return LayerICMPv6
	case p.Protocol == ProtocolTCP:
		return LayerTCP
	case p.Protocol == ProtocolUDP:
		return LayerUDP
	}
	return ""
}

// uncheckable says why a packet's upper checksum cannot be worked out.
func uncheckable(p *Packet) string {
	switch {
	case p.Fragment.IsFragment():
		return "it counts the whole datagram, and this is only a fragment of it: put the fragments together first"
	case p.Problem.Reason == ReasonTruncated:
		return "it counts bytes that are missing here"
	case !p.Problem.IsZero():
		return "what it counts is unclear, for the packet is malformed"
	}
	return "it counts the final destination, and the packet does not say which that is"
}

// check returns p's checksum of one layer, or nil.
func (p *Packet) check(layer Layer) *Check {
	var buf [2]Check
	for _, c := range p.Checksums(buf[:0]) {
		if c.Layer == layer {
			return &c
		}
	}
	return nil
}

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

func checksumName(layer Layer) string {
	switch layer {
	case LayerIPv4:
		return "IPv4 header checksum"
	case LayerICMPv4:
		return "ICMP checksum"
	case LayerICMPv6:
		return "ICMPv6 checksum"
	case LayerTCP:
		return "TCP checksum"
	}
	return "UDP checksum"
}

// A column is a checksum on paper: the words one below the other, and the sum
// so far beside each.
type column struct {
	t   *teller
	sum uint32
}

func (c *column) add(place, shown string, word uint16, what string) {
	c.sum += uint32(word)
	c.t.line("  %6s  %7s  %14s  %s", place, shown, spaced(c.sum), what)
}

// spaced shows a 32-bit sum with its carries apart.
func spaced(sum uint32) string { return fmt.Sprintf("%04x %04x", sum>>16, sum&0xffff) }

// checksum works one checksum out on paper. rule says whether to explain the
// method as well.
func (t *teller) checksum(p *Packet, c Check, rule bool) {
	t.section("%s, worked out by hand (RFC 1071 §1%s)", checksumName(c.Layer), map[Layer]string{
		LayerIPv4: ", RFC 791 §3.1", LayerICMPv4: ", RFC 792", LayerICMPv6: ", RFC 4443 §2.3",
		LayerTCP: ", RFC 9293 §3.1", LayerUDP: ", RFC 768",
	}[c.Layer])
	if rule {
		t.text("Write the bytes as 16-bit words, one below the other, and add them up. The field itself counts as 0. " +
			"Fold: what overflowed to the left of 16 bits is added back in at the right, until nothing overflows. " +
			"The checksum is the complement: every bit turned over.")
		t.line("")
	}
	col := &column{t: t}
	base, data := 0, p.Bytes[:p.IPv4.HeaderLen]
	if c.Layer != LayerIPv4 {
		base, data = p.Payload, p.Data()
	}
	if c.Layer == LayerUDP {
		data = data[:p.UDP.Length]
	}
	if usesPseudoHeader(c.Layer) {
		t.text("The pseudo-header goes first. It is not sent; it ties the sum to the addresses, the protocol and the " +
			"length, so that a packet that went astray is noticed.")
		t.line("")
	}
	t.line("  %6s  %7s  %14s  %s", "byte", "word", "running sum", "what the word is")
	t.line("  %6s  %7s  %14s  %s", "------", "-------", "--------------", "----------------")
	if usesPseudoHeader(c.Layer) {
		col.pseudoHeader(p, len(data))
	}
	col.words(data, base, c.Offset-base, func(at int) string { return wordName(p, c.Layer, data, at) })
	sum := col.finish()
	t.conclusion(p, c, sum)
}

func usesPseudoHeader(layer Layer) bool { return layer != LayerIPv4 && layer != LayerICMPv4 }

// pseudoHeader adds the words of the pseudo-header (RFC 9293 §3.1, RFC 8200
// §8.1).
func (c *column) pseudoHeader(p *Packet, length int) {
	address := func(name string, a netip.Addr) {
		for i, b := 0, a.AsSlice(); i < len(b); i += 2 {
			what := "pseudo-header: " + name
			if i == 0 {
				what += " " + a.String()
			}
			word := binary.BigEndian.Uint16(b[i:])
			c.add("", fmt.Sprintf("%04x", word), word, what)
		}
	}
	plain := func(word int, what string) {
		c.add("", fmt.Sprintf("%04x", word), uint16(word), "pseudo-header: "+what)
	}
	final, name := p.FinalDst(), "Destination Address"
	if final != p.Dst {
		name = "final destination of the route"
	}
	protocol := fmt.Sprintf("%d = %s", p.Protocol, ProtocolName(p.Protocol))
	address("Source Address", p.Src)
	address(name, final)
	if p.Version == 4 {
		plain(int(p.Protocol), "zero, Protocol "+protocol)
		plain(length, "length, "+count(length, "byte"))
		return
	}
	plain(length>>16, "length, upper half")
	plain(length&0xffff, "length, "+count(length, "byte"))
	plain(0, "zero")
	plain(int(p.Protocol), "zero, Next Header "+protocol)
}

// words adds the words of data, which begins base bytes into the packet and has
// its checksum field at the offset field.
func (c *column) words(data []byte, base, field int, name func(at int) string) {
	n := (len(data) + 1) / 2
	for i := 0; i < n; i++ {
		if n > maxColumn && i == columnHead {
			i = n - columnTail
			c.skip(data[columnHead*2:i*2], base+columnHead*2)
		}
		at := i * 2
		place := fmt.Sprint(base + at)
		switch {
		case at == field:
			c.add(place, fmt.Sprintf("(%x)", data[at:at+2]), 0, "checksum: the field itself, counted as 0")
		case at+1 == len(data):
			c.add(place, fmt.Sprintf("%02x__", data[at]), uint16(data[at])<<8, fmt.Sprintf(
				"%s: an odd last byte, padded with a zero byte at its right: %02x00", name(at), data[at]))
		default:
			word := binary.BigEndian.Uint16(data[at:])
			c.add(place, fmt.Sprintf("%04x", word), word, name(at))
		}
	}
}

// skip adds words without showing them.
func (c *column) skip(data []byte, from int) {
	for i := 0; i < len(data); i += 2 {
		c.sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	c.t.line("  %6s  %7s  %14s  %d words more, bytes %d to %d, and the sum after them", "…", "…", spaced(c.sum),
		len(data)/2, from, from+len(data)-1)
}

// finish writes folds and complement, and returns the folded sum.
func (c *column) finish() uint16 {
	t := c.t
	t.line("  %6s  %7s  %14s", "", "", "--------------")
	if c.sum>>16 == 0 {
		t.line("  %-15s  %14s  no carries: nothing to fold", "fold", spaced(c.sum))
	}
	for c.sum>>16 != 0 {
		carry, low := c.sum>>16, c.sum&0xffff
		c.sum = carry + low
		t.line("  %-15s  %14s  = %04x + %04x, the carries added back in", "fold", spaced(c.sum), carry, low)
	}
	t.line("  %-15s  %14s  = ffff - %04x, every bit turned over", "complement", fmt.Sprintf("%04x", ^uint16(c.sum)), c.sum)
	t.line("")
	return uint16(c.sum)
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
		"complement): the words that are here add up to 0x%04x more than those the sender added.",
		sum, c.Seen, Sum([]byte{byte(c.Seen >> 8), byte(c.Seen)}, sum), off, c.Seen, c.Hand, off)
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

// wordName names the word at an even offset of what a checksum counts.
func wordName(p *Packet, layer Layer, data []byte, at int) string {
	var names []string
	switch layer {
	case LayerIPv4:
		names = []string{
			"Version, IHL, Type of Service", "Total Length", "Identification", "Flags, Fragment Offset",
			"Time to Live, Protocol", "", "Source Address " + p.Src.String(), "Source Address",
			"Destination Address " + p.Dst.String(), "Destination Address",
		}
		if at >= ipv4HeaderLen {
			return "options"
		}
	case LayerICMPv4, LayerICMPv6:
		names = []string{"Type, Code", "", "the word behind, upper half", "the word behind, lower half"}
		if isEcho(p) {
			names[2], names[3] = "Identifier", "Sequence Number"
		}
	case LayerTCP:
		names = []string{
			"Source Port", "Destination Port", "Sequence Number, upper half", "Sequence Number, lower half",
			"Acknowledgment Number, upper half", "Acknowledgment Number, lower half",
			"Data Offset, Flags", "Window", "", "Urgent Pointer",
		}
		if at >= tcpHeaderLen && at < p.TCP.DataOffset {
			return "options"
		}
	case LayerUDP:
		names = []string{"Source Port", "Destination Port", "Length", ""}
	}
	if at/2 < len(names) {
		return names[at/2]
	}
	return "data |" + ascii(data[at:min(at+2, len(data))]) + "|"
}

// isEcho reports whether p holds an echo request or reply.
func isEcho(p *Packet) bool {
	switch p.Upper {
	case LayerICMPv4:
		return p.ICMP.Type == ICMPv4EchoRequest || p.ICMP.Type == ICMPv4EchoReply
	case LayerICMPv6:
		return p.ICMP.Type == ICMPv6EchoRequest || p.ICMP.Type == ICMPv6EchoReply
	}
	return false
}
