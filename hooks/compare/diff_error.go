package compare

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// icmpError compares two ICMP errors.
func (d *differ) icmpError(reply, hand *wire.Packet, anyQuote bool) {
	at, a, b := reply.Payload, reply.Data(), hand.Data()
	rfc := "RFC 792"
	if reply.Version == 6 {
		rfc = "RFC 4443 §3"
	}
	note(d, "type", at, a[0], b[0], trace.Must, rfc)
	note(d, "code", at+1, a[1], b[1], trace.Must, rfc)
	if a[0] == b[0] {
		d.pointer(reply, hand, rfc)
	}
	rfc = "RFC 1122 §3.2.2"
	class := trace.Must
	if reply.Version == 6 {
		rfc = "RFC 4443 §2.4"
	}
	if anyQuote {
		class = trace.May
	}
	d.quote(reply, hand, class, rfc)
}

// pointer compares the second word of two errors of one type: in a parameter
// problem it is the pointer, in others it is unused, and 0 unless an extension
// uses it (RFC 4884).
func (d *differ) pointer(reply, hand *wire.Packet, rfc string) {
	at, a, b := reply.Payload+4, reply.Data()[4:8], hand.Data()[4:8]
	switch {
	case !byhand.IsParameterProblem(hand):
		noteHex(d, "unused field", at, a, b, trace.May, rfc)
	case reply.Version == 4:
		class := trace.Must
		if b[0] == a[0]+1 {
			// The error was detected in the length of an option; it may be told
			// by the place of the option.
			class = trace.May
		}
		note(d, "pointer", at, a[0], b[0], class, rfc)
	default:
		note(d, "pointer", at, binary.BigEndian.Uint32(a), binary.BigEndian.Uint32(b), trace.Must, rfc)
	}
}

// quote compares what two errors quote. Over IPv4 the header and 8 bytes behind
// it are enough, and 576 bytes in all not too much (RFC 1122 §3.2.2, RFC 1812
// §4.3.2.3); over IPv6 it is as much as fits 1,280 (RFC 4443 §2.4 (c)).
func (d *differ) quote(reply, hand *wire.Packet, class trace.Class, rfc string) {
	at, a, b := reply.Payload+8, reply.Data()[8:], hand.Data()[8:]
	n := min(len(a), len(b))
	if !bytes.Equal(a[:n], b[:n]) {
		i := 0
		for a[i] == b[i] {
			i++
		}
		note(d, "quote", at+i, fmt.Sprintf("0x%02x", a[i]), fmt.Sprintf("0x%02x", b[i]), class, rfc)
	}
	if enough := min(len(b), int(b[0]&0xf)*4+8); reply.Version == 4 && len(a) >= enough && (len(a) <= len(b) || len(reply.Bytes) > 576) {
		class = trace.May
	}
	note(d, "quote length", at, len(a), len(b), class, rfc)
}
