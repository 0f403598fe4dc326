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
		t.text("%s", capital(uncheckable(p))+".")
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
	partial := p.isPartial() && c.Layer != LayerIPv4
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
	if partial {
		t.text("Of this one only a part is here to work out: the rest was left to hardware (checksum offload), which " +
			"expects in the field the folded sum of the pseudo-header, without its complement.")
		t.line("")
	} else if usesPseudoHeader(c.Layer) {
		t.text("The pseudo-header goes first. It is not sent; it ties the sum to the addresses, the protocol and the " +
			"length, so that a packet that went astray is noticed.")
		t.line("")
	}
	t.line("  %6s  %7s  %14s  %s", "byte", "word", "running sum", "what the word is")
	t.line("  %6s  %7s  %14s  %s", "------", "-------", "--------------", "----------------")
	if usesPseudoHeader(c.Layer) {
		col.pseudoHeader(p, len(data))
	}
	if partial {
		col.fold()
		t.line("")
		t.conclusionPartial(p, c)
		return
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
				"%s: odd last byte, padded with a zero byte behind it: %02x00", name(at), data[at]))
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
	c.fold()
	c.t.line("  %-15s  %14s  = ffff - %04x, every bit turned over", "complement", fmt.Sprintf("%04x", ^uint16(c.sum)), c.sum)
	c.t.line("")
	return uint16(c.sum)
}

// fold adds the carries back in.
func (c *column) fold() {
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
}

// wordName names the word at an even offset of what a checksum counts.
func wordName(p *Packet, layer Layer, b []byte, at int) string {
	var names []string
	data := "data"
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
		if ICMPIsError(p.Version, p.ICMP.Type) {
			data = "quote"
		}
		names = []string{"Type, Code", "", "rest of header, upper half", "rest of header, lower half"}
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
	return data + " |" + ascii(b[at:min(at+2, len(b))]) + "|"
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
