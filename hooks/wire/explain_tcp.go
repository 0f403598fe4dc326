package wire

import "fmt"

// tcp tells a TCP header and the data behind it, from t.at on.
func (t *teller) tcp(p *Packet) {
	size := tcpHeaderLen
	if t.at+12 < t.end {
		size = max(size, int(t.b[t.at+12]>>4)*4)
	}
	t.section("TCP header: %s (RFC 9293 §3.1)", span(t.at, min(size, t.end-t.at)))
	t.table()
	t.within(size, func() {
		t.tcpFixed(p)
		if !t.cut {
			t.tcpOptions()
		}
	})
	t.payload("TCP data")
}

// tcpFixed tells the 20 bytes that every TCP header has.
func (t *teller) tcpFixed(p *Packet) {
	flags := uint32(0)
	if t.at+13 < t.end {
		flags = bitsOf(t.b[t.at+12:t.at+14], 7, 15)
	}
	t.field(2, "Source Port", portWords)
	t.field(2, "Destination Port", portWords)
	t.field(4, "Sequence Number", func(b []byte) string {
		if flags&TCPSyn != 0 {
			return fmt.Sprintf("%d: the sender's initial one; it counts the SYN, the first data byte has %d", be32(b), be32(b)+1)
		}
		return fmt.Sprintf("%d: that of the first data byte", be32(b))
	})
	t.field(4, "Acknowledgment Number", func(b []byte) string {
		if flags&TCPAck == 0 {
			return fmt.Sprintf("%d: means nothing without ACK", be32(b))
		}
		return fmt.Sprintf("%d: all before it has arrived, this is expected next", be32(b))
	})
	b := t.field(2, "Data Offset, Flags", func([]byte) string {
		return fmt.Sprintf("[%s] %s: %s", TCPFlagString(uint16(flags)), TCPFlagNames(uint16(flags)), segmentWords(flags))
	})
	t.bits(b, 0, 3, "Data Offset", "%s", dataOffsetWords(int(bitsOf(b, 0, 3))))
	t.bits(b, 4, 6, "Rsrvd", "%s", pick(min(bitsOf(b, 4, 6), 1), "0, as it must be", "not 0: ignored"))
	for i, f := range [...]struct{ name, set string }{
		{"AE", "accurate ECN, third bit (RFC 9768)"},
		{"CWR", "congestion window reduced (RFC 3168)"},
		{"ECE", "ECN echo; on a SYN: ECN-capable (RFC 3168)"},
		{"URG", "Urgent Pointer counts"},
		{"ACK", "Acknowledgment Number counts"},
		{"PSH", "hand the data to the application now"},
		{"RST", "reset: the connection is gone"},
		{"SYN", "synchronize: opens the connection"},
		{"FIN", "finish: no more data from the sender"},
	} {
		t.bits(b, 7+i, 7+i, f.name, "%s", pick(bitsOf(b, 7+i, 7+i), "not set", "set: "+f.set))
	}
	t.field(2, "Window", func(b []byte) string {
		s := fmt.Sprintf("%s more may be sent to this sender", count(be16(b), "byte"))
		if flags&TCPSyn == 0 {
			return s + ", times the scale agreed in the handshake"
		}
		return s + " (a SYN's is never scaled, RFC 7323 §2.2)"
	})
	t.field(2, "Checksum", func([]byte) string { return t.checksumWords(p, LayerTCP) })
	t.field(2, "Urgent Pointer", func(b []byte) string {
		if flags&TCPUrg == 0 {
			return fmt.Sprintf("%d: means nothing without URG", be16(b))
		}
		return fmt.Sprintf("%d: urgent data ends that far behind the sequence number", be16(b))
	})
}

func portWords(b []byte) string {
	port := uint16(be16(b))
	switch name := PortName(port); {
	case name != "":
		return fmt.Sprintf("%d (%s)", port, name)
	case port >= 49152:
		return fmt.Sprintf("%d (dynamic, RFC 6335 §6)", port)
	}
	return fmt.Sprint(port)
}

func dataOffsetWords(words int) string {
	switch {
	case words < 5:
		return fmt.Sprintf("%d words of 4 bytes = %d bytes: wrong, no header has fewer than 5 words", words, words*4)
	case words == 5:
		return "5 words of 4 bytes = 20 bytes: no options"
	}
	return fmt.Sprintf("%d words of 4 bytes = %d bytes: %d of options", words, words*4, words*4-tcpHeaderLen)
}

// segmentWords says what a segment with these flags is for.
func segmentWords(flags uint32) string {
	switch flags & (TCPFin | TCPSyn | TCPRst | TCPAck) {
	case TCPSyn:
		return "asks for a connection"
	case TCPSyn | TCPAck:
		return "grants a connection"
	case TCPRst, TCPRst | TCPAck:
		return "breaks a connection off, or refuses it"
	case TCPFin | TCPAck:
		return "ends the sender's half of a connection"
	case TCPAck:
		return "a segment of an open connection"
	case 0:
		return "no connection has such segments"
	}
	return "flags that do not belong together"
}

// tcpOptions tells the TCP options from t.at up to t.end.
func (t *teller) tcpOptions() {
	for t.at < t.end && !t.cut {
		kind := t.b[t.at]
		if kind == 0 {
			t.field(1, "Option", says("0: End of Option List"))
			t.rest("Padding", "fills the header up to a multiple of 4 bytes")
			return
		}
		if kind == 1 {
			t.field(1, "Option", says("1: No-Operation, a filler between options"))
			continue
		}
		start := t.at
		t.field(1, "Option", func([]byte) string { return fmt.Sprintf("%d: %s", kind, TCPOptionName(kind)) })
		length := 0
		b := t.field(1, "Option Length", func(b []byte) string {
			length = int(b[0])
			if length < 2 {
				return fmt.Sprintf("%d: wrong, kind and length alone take 2", length)
			}
			if left := t.end - start; length > left {
				return fmt.Sprintf("%d: wrong, the header has %d bytes left", length, left)
			}
			return fmt.Sprintf("%d bytes with kind and length", length)
		})
		if b == nil || length < 2 {
			t.rest("Unreadable", "where the next option begins, nobody can say")
			return
		}
		t.within(length-2, func() { t.tcpOption(kind) })
	}
}

// tcpOption tells what follows an option's kind and length, up to t.end.
func (t *teller) tcpOption(kind uint8) {
	n := t.end - t.at
	switch {
	case kind == 2 && n == 2:
		t.field(2, "MSS", func(b []byte) string {
			return fmt.Sprintf("%d: send me no more data than this in one segment (RFC 9293 §3.7.1)", be16(b))
		})
	case kind == 3 && n == 1:
		t.field(1, "Shift", func(b []byte) string {
			if b[0] > 14 {
				return fmt.Sprintf("%d: over 14, taken as 14 (RFC 7323 §2.3)", b[0])
			}
			return fmt.Sprintf("%d: my windows count times %d from now on (RFC 7323 §2)", b[0], 1<<b[0])
		})
	case kind == 4 && n == 0:
		t.row("", nil, "", "selective acknowledgments are welcome (RFC 2018 §2)")
	case kind == 5 && n%8 == 0:
		for t.at < t.end {
			t.field(4, "Left Edge", func(b []byte) string { return fmt.Sprintf("%d: arrived out of order from here", be32(b)) })
			t.field(4, "Right Edge", func(b []byte) string { return fmt.Sprintf("%d: to just before here (RFC 2018 §3)", be32(b)) })
		}
	case kind == 8 && n == 8:
		t.field(4, "TSval", func(b []byte) string { return fmt.Sprintf("%d: the sender's clock (RFC 7323 §3)", be32(b)) })
		t.field(4, "TSecr", func(b []byte) string { return fmt.Sprintf("%d: the other's clock, echoed", be32(b)) })
	default:
		t.rest("Data", "not read further")
	}
}
