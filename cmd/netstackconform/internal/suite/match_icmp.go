package suite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"netstackd/hooks/wire"
)

// EchoReply fits the reply to the i-th echo request made in the step, from 0:
// code, identifier, sequence number and data are those of the request (RFC 792;
// RFC 4443 §4.2).
func EchoReply(i int) Match {
	return Match{"an echo reply", func(x *Exchange, p *wire.Packet) string {
		if i >= len(x.Echoes) {
			return "no echo request was made"
		}
		switch {
		case p.Upper == wire.LayerICMPv4 && p.ICMP.Type == wire.ICMPv4EchoReply:
		case p.Upper == wire.LayerICMPv6 && p.ICMP.Type == wire.ICMPv6EchoReply:
		default:
			return "not an echo reply"
		}
		e := x.Echoes[i]
		switch {
		case toPeer(x, p) != "":
			return toPeer(x, p)
		case p.ICMP.ID != e.ID:
			return fmt.Sprintf("its identifier is %d, not %d", p.ICMP.ID, e.ID)
		case p.ICMP.Seq != e.Seq:
			return fmt.Sprintf("its sequence number is %d, not %d", p.ICMP.Seq, e.Seq)
		case !bytes.Equal(p.Data()[8:], e.Data):
			return fmt.Sprintf("its %d bytes of data are not the request's %d", len(p.Data())-8, len(e.Data))
		}
		return ""
	}}
}

// Code fits an ICMP message with this code.
func Code(code uint8) Match {
	return Match{fmt.Sprintf("code %d", code), func(_ *Exchange, p *wire.Packet) string {
		if p.ICMP.Code != code {
			return fmt.Sprintf("its code is %d, not %d", p.ICMP.Code, code)
		}
		return ""
	}}
}

// ICMP types that errors have (RFC 792, RFC 4443 §3).
const (
	Unreachable4, TimeExceeded4, ParameterProblem4            = 3, 11, 12
	Unreachable6, PacketTooBig6, TimeExceeded6, BadParameter6 = 1, 2, 3, 4
)

// Error fits an ICMP error about the step's request, of the family of that. It
// quotes the request, unchanged, from its start: the header and 8 bytes at
// least, and no more than makes an error of 576 bytes over IPv4 (RFC 1122
// §3.2.2, RFC 1812 §4.3.2.3), over IPv6 as much as fits into 1,280 bytes
// (RFC 4443 §2.4 (c)).
func Error(kind, code uint8) Match {
	return Match{"an ICMP error, type " + fmt.Sprintf("%d code %d", kind, code), func(x *Exchange, p *wire.Packet) string {
		request := x.quoted()
		if p.Upper != wire.LayerICMPv4 && p.Upper != wire.LayerICMPv6 {
			return "not an ICMP error"
		}
		if len(request) == 0 || request[0]>>4 != p.Version {
			return "not of the request's family"
		}
		if p.ICMP.Type != kind || p.ICMP.Code != code {
			return "another message"
		}
		if why := toPeer(x, p); why != "" {
			return why
		}
		return quotes(p, request)
	}}
}

// quotes says what is wrong with the quote of an error.
func quotes(p *wire.Packet, request []byte) string {
	quote := p.Data()[8:]
	if p.Version == 4 {
		least := min(len(request), int(request[0]&0xf)*4+8)
		switch {
		case len(quote) < least:
			return fmt.Sprintf("it quotes %d bytes, less than header and 8 bytes", len(quote))
		case len(p.Bytes) > 576:
			return fmt.Sprintf("it is %d bytes long, more than 576", len(p.Bytes))
		}
	} else {
		most := min(len(request), 1280-p.Payload-8)
		switch {
		case len(p.Bytes) > 1280:
			return fmt.Sprintf("it is %d bytes long, more than 1280", len(p.Bytes))
		case len(quote) < most:
			return fmt.Sprintf("it quotes %d bytes, though %d fit", len(quote), most)
		}
	}
	if len(quote) > len(request) {
		quote = quote[:len(request)]
	}
	for i := range quote {
		if quote[i] != request[i] {
			return fmt.Sprintf("its quote differs from the request at byte %d", i)
		}
	}
	return ""
}

// Pointer fits a parameter problem that points to a byte of the request.
func Pointer(at int) Match {
	return Match{fmt.Sprintf("pointer %d", at), func(_ *Exchange, p *wire.Packet) string {
		got := int(binary.BigEndian.Uint32(p.Data()[4:]))
		if p.Version == 4 {
			got = int(p.Data()[4])
		}
		if got != at {
			return fmt.Sprintf("its pointer is %d, not %d", got, at)
		}
		return ""
	}}
}

// Advertisement fits the neighbour advertisement for the host's address: hop
// limit 255, solicited unless it goes to all nodes (RFC 4861 §7.2.4).
func Advertisement(to string) Match {
	return Match{"a neighbour advertisement", func(x *Exchange, p *wire.Packet) string {
		d := p.Data()
		switch {
		case p.Upper != wire.LayerICMPv6 || p.ICMP.Type != 136 || len(d) < 24:
			return "not an advertisement"
		case p.IPv6.HopLimit != 255:
			return fmt.Sprintf("its hop limit is %d", p.IPv6.HopLimit)
		case netip.AddrFrom16([16]byte(d[8:24])) != Prefix6.Addr():
			return "its target is another"
		}
		want := to
		if want == "" {
			want = x.Peer6
		}
		if p.Dst != netip.MustParseAddr(want) {
			return fmt.Sprintf("it goes to %s, not to %s", p.Dst, want)
		}
		if solicited := d[4]&0x40 != 0; solicited == p.Dst.IsMulticast() {
			return fmt.Sprintf("its solicited flag is %v", solicited)
		}
		return ""
	}}
}
