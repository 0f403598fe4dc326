package wire

import (
	"fmt"
	"io"
)

// Explain writes to w what the packet b says, as a patient teacher would: each
// field with its offset, length, bytes and meaning, then each checksum worked
// out as a column of words. It is plain UTF-8 text, about 100 columns wide, and
// never more than 256 KiB of it, however long the packet.
//
// Any bytes can be explained: what is malformed or cut short is told as far as
// it goes, with what is wrong in words. Explain borrows b during the call and
// returns no error but w's.
func Explain(w io.Writer, b []byte) error { return ExplainOffloaded(w, b, Offload{}) }

// ExplainOffloaded is Explain for a packet of which o says what was left to
// hardware.
func ExplainOffloaded(w io.Writer, b []byte, o Offload) error {
	t := &teller{b: b, end: len(b)}
	var p Packet
	p.Decode(b)
	p.Offload = o
	t.title(&p)
	t.packet(&p)
	t.trailer(&p)
	t.checksums(&p)
	_, err := w.Write(t.out.Bytes())
	return err
}

// title says in a few lines what packet this is and whether it is sound.
func (t *teller) title(p *Packet) {
	t.underlined(fmt.Sprintf("%s, %s", subject(p), count(len(t.b), "byte")), "=")
	t.text("Offsets count bytes from the packet's first, which is 0. Bits count from the most " +
		"significant, which is 0, as the RFCs draw them. Bytes are in hexadecimal; numbers go over the " +
		"wire with their most significant byte first.")
	if n := p.Segments(); n > 1 {
		t.line("")
		t.text("A super-segment: the sender left it to others to cut it into %d segments of at most %s of data "+
			"each (segmentation offload). It came whole; what stands here stands in the header of the first of them.",
			n, count(p.Offload.SegmentSize, "byte"))
	}
	if !p.Problem.IsZero() {
		t.line("")
		t.text("Problem: %s (%s, at byte %d). %s", p.Problem.Reason, p.Problem.Layer, p.Problem.Offset, problemWords(p))
	}
}

// subject names a packet in one line.
func subject(p *Packet) string {
	if !p.Src.IsValid() {
		return "Not a whole IP packet"
	}
	s := fmt.Sprintf("IPv%d: %v > %v, ", p.Version, p.Src, p.Dst)
	switch {
	case p.Fragment.IsFragment():
		return s + fmt.Sprintf("fragment of a datagram (%s)", ProtocolName(p.Protocol))
	case p.Upper == LayerICMPv4 || p.Upper == LayerICMPv6:
		return s + ProtocolName(p.Protocol) + " " + ICMPTypeName(p.Version, p.ICMP.Type, p.ICMP.Code)
	case p.Upper == LayerTCP:
		return s + fmt.Sprintf("TCP port %d > %d [%s]", p.TCP.SrcPort, p.TCP.DstPort, TCPFlagString(p.TCP.Flags))
	case p.Upper == LayerUDP:
		return s + fmt.Sprintf("UDP port %d > %d", p.UDP.SrcPort, p.UDP.DstPort)
	}
	return s + ProtocolName(p.Protocol)
}

// packet tells the headers and the payload of the packet that p was decoded
// from, which begins at t.at.
func (t *teller) packet(p *Packet) {
	base := t.at
	switch {
	case len(p.Bytes) == 0:
		t.line("")
		t.text("There are no bytes to explain.")
		return
	case p.Version == 4:
		t.ipv4(p)
	case p.Version == 6:
		t.ipv6(p)
	default:
		t.strangeVersion(p)
		return
	}
	t.end = base + len(p.Bytes)
	if p.Payload == 0 {
		// The header's own length is wrong: nobody can say where it ends.
		t.remains("Bytes that no header accounts for")
		return
	}
	t.at = min(base+p.Payload, t.end)
	t.cut = false
	t.upper(p)
}

func (t *teller) strangeVersion(p *Packet) {
	t.section("The first byte")
	t.table()
	b := t.field(1, "Version", says(""))
	t.bits(b, 0, 3, "Version", "%d: neither IPv4 nor IPv6, so nothing after it can be read", p.Version)
	t.remains("Bytes that cannot be read")
}

// upper tells what the network layer carries, from t.at on.
func (t *teller) upper(p *Packet) {
	if p.Version == 6 && isExtension(p.Protocol) && p.Fragment.Offset == 0 {
		// The chain ended inside an extension header, which has been told.
		return
	}
	if p.Version == 6 && p.Fragment.More && p.Upper == "" && checksummed(p) != "" && p.Fragment.Offset == 0 {
		t.line("")
		t.text("This first fragment ends inside the next header. Over IPv6 it must hold all headers whole (RFC 7112 §5); " +
			"a host may drop it and send a Parameter Problem, code 3 (RFC 8200 §4.5).")
	}
	switch {
	case p.Fragment.Offset != 0:
		t.section("Fragment data: %s", t.span())
		t.text("These bytes are the datagram's from its byte %d on. The %s header stood in the first fragment, "+
			"the one with offset 0; here is only data.", p.Fragment.Offset, ProtocolName(p.Protocol))
		t.dump(t.at, t.end)
	case p.Version == 4 && p.Protocol == ProtocolICMPv4, p.Version == 6 && p.Protocol == ProtocolICMPv6:
		t.icmp(p)
	case p.Protocol == ProtocolTCP:
		t.tcp(p)
	case p.Protocol == ProtocolUDP:
		t.udp(p)
	case p.Protocol == ProtocolNoNext:
		t.section("No next header (RFC 8200 §4.7)")
		t.text("Next Header 59: nothing follows. Bytes that do are ignored, and passed on unchanged by routers.")
		t.dump(t.at, t.end)
	default:
		t.section("%s: %s", ProtocolName(p.Protocol), t.span())
		t.text("This protocol is not read further.")
		t.dump(t.at, t.end)
	}
}

// payload tells the bytes up to the end as data.
func (t *teller) payload(format string, args ...any) {
	if t.cut {
		return
	}
	name := fmt.Sprintf(format, args...)
	if t.at >= t.end {
		t.line("")
		t.text("%s: none.", name)
		return
	}
	t.section("%s: %s", name, t.span())
	t.dump(t.at, t.end)
}

// remains dumps what is left, if anything is.
func (t *teller) remains(title string) {
	if t.at < t.end {
		t.section("%s: %s", title, t.span())
		t.dump(t.at, t.end)
		t.at = t.end
	}
}

// span says which bytes are left: "bytes 28 to 83, 56 bytes".
func (t *teller) span() string { return span(t.at, t.end-t.at) }

func span(at, n int) string {
	switch n {
	case 0:
		return "no bytes"
	case 1:
		return fmt.Sprintf("byte %d", at)
	}
	return fmt.Sprintf("bytes %d to %d, %d in all", at, at+n-1, n)
}

// trailer tells the bytes that lie behind the packet's end.
func (t *teller) trailer(p *Packet) {
	if p.Trailing == 0 {
		return
	}
	t.section("After the packet: %s", span(len(p.Bytes), p.Trailing))
	t.text("The packet ended before these bytes, by its own length. They are padding of the link, or a mistake; " +
		"a host ignores them (RFC 791 §3.1, RFC 8200 §3).")
	t.dump(len(p.Bytes), len(t.b))
}

// capital makes the first letter of an English sentence a capital.
func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
