package byhand

import (
	"encoding/binary"
	"net/netip"

	"netstackd/hooks/wire"
)

// Codes of the errors that the host sends (RFC 792, RFC 4443 §3).
const (
	codeProtocolUnreachable = 2 // destination unreachable, ICMPv4
	codePortUnreachable     = 3 // destination unreachable, ICMPv4
	codeRouteFailed         = 5 // destination unreachable, ICMPv4
	codePortUnreachable6    = 4 // destination unreachable, ICMPv6
	codeReassembly          = 1 // time exceeded, of either family
	codeErroneousField      = 0 // parameter problem, ICMPv6
	codeUnknownNextHeader   = 1 // parameter problem, ICMPv6
	codeUnknownOption       = 2 // parameter problem, ICMPv6
	codeChainCut            = 3 // parameter problem, ICMPv6 (RFC 7112 §6)
)

// How much an error quotes at most: so much that it is not longer than every
// host can take (RFC 1812 §4.3.2.3; RFC 4443 §2.4 (c)). Over IPv4 the header
// and minQuote bytes behind it are enough (RFC 1122 §3.2.2).
const (
	maxQuote4 = 576 - 20 - 8
	maxQuote6 = 1280 - 40 - 8
	minQuote  = 8
)

// An errorMessage is an ICMP error to be made. The pointer is that of a
// parameter problem, in bytes from the offending packet's start.
type errorMessage struct {
	kind, code uint8
	pointer    uint32
}

// A rule is why a packet is not taken, and how strongly which RFC asks to
// report it.
type rule struct {
	reason, rfc string
	requirement Requirement
}

// report predicts an error about a packet for this host, or silence where none
// may be sent.
func (h *Host) report(p *wire.Packet, m errorMessage, r rule) Prediction {
	if rfc := h.unreportable(p, m.kind, m.code); rfc != "" {
		return watched(p, silence(r.reason, rfc))
	}
	pr := Prediction{
		Expect: MustReply, Requirement: r.requirement, Reason: r.reason, RFC: r.rfc,
		Form: ICMPError, Request: *p,
	}
	// About what came to a broadcast address no error is sent, and some hosts know
	// those of the 0-form (RFC 1122 §3.3.6).
	if h.addrs.mayDiscard(p.Src) || h.addrs.oldBroadcast(p.Dst) || !quotable(p) {
		pr.Expect, pr.Requirement = MayReply, May
	}
	if p.Version == 4 {
		pr.Reply = h.error4(p, m)
	} else {
		pr.Reply = h.error6(p, m)
	}
	return pr
}

// Unreportable returns the rule by which no host may send the ICMP error of a
// type and code about a packet, of which no more need be there than an error
// quotes, or nothing if there is none.
func (h *Host) Unreportable(about *wire.Packet, kind, code uint8) (rfc string) {
	if !about.Src.IsValid() {
		return ""
	}
	if _, rfc := h.martian(about.Src, about.Dst); rfc != "" {
		return rfc
	}
	return h.unreportable(about, kind, code)
}

// unreportable has the rules about whom and what errors must not be sent (RFC
// 1122 §3.2.2, RFC 4443 §2.4 (e)). Martians are no more to be seen here.
func (h *Host) unreportable(p *wire.Packet, kind, code uint8) (rfc string) {
	if p.Version == 4 {
		single := !p.Src.IsUnspecified() && !thisNetwork.Contains(p.Src) && !classE.Contains(p.Src)
		if !single || p.Fragment.Offset != 0 || p.Dst.IsMulticast() || h.addrs.broadcast(p.Dst) || isError(p) {
			return "RFC 1122 §3.2.2"
		}
		return ""
	}
	excepted := kind == type6PacketTooBig ||
		kind == type6ParameterProblem && code == codeUnknownOption && reportsToGroups(p)
	if p.Src.IsUnspecified() || p.Dst.IsMulticast() && !excepted || isError(p) {
		return "RFC 4443 §2.4"
	}
	return ""
}

// reportsToGroups reports whether an IPv6 packet has an option that is to be
// reported also if the packet was for a group (RFC 8200 §4.2, type 10...).
func reportsToGroups(p *wire.Packet) bool {
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if e.Protocol != wire.ProtocolHopByHop && e.Protocol != wire.ProtocolDestination {
			continue
		}
		header := p.Bytes[e.Offset : e.Offset+e.Len]
		if at, ok, _ := optionsPass(header); !ok && header[at]>>6 == 2 {
			return true
		}
	}
	return false
}

// isError reports whether a packet is an ICMP error, or a redirect, about
// neither of which an error may be sent. It needs no more than the first byte
// of the message, and does not know if there is none.
func isError(p *wire.Packet) bool {
	kind, ok := icmpType(p)
	if !ok {
		return false
	}
	if p.Version == 4 {
		switch kind {
		case type4Unreachable, type4SourceQuench, type4Redirect, type4TimeExceeded, type4ParameterProblem:
			return true
		}
		return false
	}
	return kind < type6FirstQuery || kind == type6Redirect
}

// IsError reports whether a packet is an ICMP error that quotes another.
func IsError(p *wire.Packet) bool {
	if p.Version == 4 && p.ICMP.Type == type4Redirect || p.Version == 6 && p.ICMP.Type == type6Redirect {
		return false
	}
	return (p.Upper == wire.LayerICMPv4 || p.Upper == wire.LayerICMPv6) && isError(p)
}

// icmpType returns the type of an ICMP message in a packet, whole or not.
func icmpType(p *wire.Packet) (kind uint8, ok bool) {
	own := p.Version == 4 && p.Protocol == wire.ProtocolICMPv4 || p.Version == 6 && p.Protocol == wire.ProtocolICMPv6
	if data := p.Data(); own && p.Fragment.Offset == 0 && len(data) > 0 {
		return data[0], true
	}
	return 0, false
}

// quotable reports whether an error about a packet can be told from one about
// others, and is surely wanted: of ICMP messages that are not known, or whose
// type is not there, a host may think that they are errors.
func quotable(p *wire.Packet) bool {
	if p.Version == 6 && p.Payload+minQuote > maxQuote6 {
		return false
	}
	if own := p.Version == 4 && p.Protocol == wire.ProtocolICMPv4 || p.Version == 6 && p.Protocol == wire.ProtocolICMPv6; !own {
		return true
	}
	kind, ok := icmpType(p)
	if p.Version == 6 {
		return ok
	}
	return ok && (kind == wire.ICMPv4EchoRequest || kind == wire.ICMPv4EchoReply)
}

// error4 builds an ICMPv4 error (RFC 792).
func (h *Host) error4(p *wire.Packet, m errorMessage) []byte {
	quote := p.Bytes[:min(len(p.Bytes), maxQuote4)]
	b := h.header4(h.addrs.self(p.Dst), p.Src, wire.ProtocolICMPv4, 8+len(quote))
	icmp := b[20:]
	icmp[0], icmp[1], icmp[4] = m.kind, m.code, byte(m.pointer)
	copy(icmp[8:], quote)
	binary.BigEndian.PutUint16(icmp[2:], wire.Checksum(icmp))
	return b
}

// error6 builds an ICMPv6 error (RFC 4443 §2.1).
func (h *Host) error6(p *wire.Packet, m errorMessage) []byte {
	quote := p.Bytes[:min(len(p.Bytes), maxQuote6)]
	src := h.addrs.self(p.Dst)
	b := h.header6(src, p.Src, wire.ProtocolICMPv6, 8+len(quote))
	icmp := b[40:]
	icmp[0], icmp[1] = m.kind, m.code
	binary.BigEndian.PutUint32(icmp[4:], m.pointer)
	copy(icmp[8:], quote)
	sum := wire.Sum(icmp, wire.PseudoHeader(src, p.Src, wire.ProtocolICMPv6, len(icmp)))
	binary.BigEndian.PutUint16(icmp[2:], ^sum)
	return b
}

// header4 begins a packet of the host's own with room for n bytes of data: TOS
// 0 (RFC 1122 §3.2.2), nothing set that need not be.
func (h *Host) header4(src, dst netip.Addr, protocol uint8, n int) []byte {
	b := h.room(20 + n)
	b[0] = 4<<4 | 5
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	b[8], b[9] = defaultHopLimit, protocol
	from, to := src.As4(), dst.As4()
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:20]))
	return b
}

// header6 is header4 over IPv6.
func (h *Host) header6(src, dst netip.Addr, protocol uint8, n int) []byte {
	b := h.room(40 + n)
	b[0] = 6 << 4
	binary.BigEndian.PutUint16(b[4:], uint16(n))
	b[6], b[7] = protocol, defaultHopLimit
	from, to := src.As16(), dst.As16()
	copy(b[8:], from[:])
	copy(b[24:], to[:])
	return b
}

// IsParameterProblem reports whether a packet is an ICMP parameter problem.
func IsParameterProblem(p *wire.Packet) bool {
	return p.Upper == wire.LayerICMPv4 && p.ICMP.Type == type4ParameterProblem ||
		p.Upper == wire.LayerICMPv6 && p.ICMP.Type == type6ParameterProblem
}
