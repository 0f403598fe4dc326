package byhand

import (
	"encoding/binary"

	"netstackd/hooks/wire"
)

// defaultHopLimit is the TTL or hop limit of what the host sends (RFC 1122
// §3.2.1.7 wants it configurable; IANA recommends 64).
const defaultHopLimit = 64

func isEchoRequest(p *wire.Packet) bool {
	switch p.Upper {
	case wire.LayerICMPv4:
		return p.ICMP.Type == wire.ICMPv4EchoRequest
	case wire.LayerICMPv6:
		return p.ICMP.Type == wire.ICMPv6EchoRequest
	}
	return false
}

// echo predicts the answer to a sound echo request for this host.
func (h *Host) echo(p *wire.Packet) Prediction {
	if p.Src.IsUnspecified() || thisNetwork.Contains(p.Src) {
		// Such an address is good as a source at most, while its owner learns
		// another: nothing may be sent to it.
		return watched(p, silence(ReasonUnspecifiedRequester, martianRFC(p.Src)))
	}
	pr := Prediction{Expect: MustReply, Requirement: Must, Form: EchoReply, Request: *p, RFC: "RFC 1122 §3.2.2.6"}
	if p.Version == 6 {
		pr.RFC = "RFC 4443 §4.2"
	}
	switch {
	case !h.addrs.owns(p.Dst):
		// To a broadcast or multicast address it may be discarded (RFC 1122
		// §3.2.2.6); over IPv6 it should be answered (RFC 4443 §4.2).
		pr.Expect = MayReply
	case h.addrs.mayDiscard(p.Src):
		pr.Expect = MayReply
	case p.Version == 6 && !plainExtensions(p):
		pr.Expect = MayReply
	}
	if pr.Expect == MayReply {
		pr.Requirement = May
	}
	if p.Version == 6 {
		pr.Reply = h.echoReply6(p)
		return pr
	}
	options, sound := h.replyOptions(p)
	if options.full != 0 {
		// It is discarded, and "an ICMP parameter problem message may be sent".
		pr := h.report(p, errorMessage{kind: type4ParameterProblem, pointer: uint32(options.full)},
			rule{wire.ReasonBadOption, "RFC 791 §3.1", May})
		if pr.Expect == MustReply {
			pr.Expect = MayReply
		}
		return pr
	}
	if !sound {
		// The host may send a parameter problem instead.
		pr.Expect, pr.Requirement = MayReply, May
	}
	pr.Reply = h.echoReply4(p, options)
	return pr
}

// echoReply4 builds the ICMPv4 echo reply: the addresses change places, the
// type becomes 0, the checksums are computed afresh, the identifier, sequence
// number and data come back unaltered (RFC 792; RFC 1122 §3.2.2.6).
func (h *Host) echoReply4(p *wire.Packet, options replyOptions) []byte {
	message := p.Data()
	headerLen := 20 + len(options.bytes)
	b := h.room(headerLen + len(message))
	b[0] = 4<<4 | byte(headerLen/4)
	b[1] = p.IPv4.TOS
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	// Identification and don't fragment are ours to choose (RFC 6864 §4.1,
	// RFC 791 §3.1): we return the request's. The reserved flag stays 0.
	binary.BigEndian.PutUint16(b[4:], p.IPv4.ID)
	if p.IPv4.DF {
		b[6] = 0x40
	}
	b[8] = defaultHopLimit
	b[9] = wire.ProtocolICMPv4
	from, to := h.addrs.self(p.Dst).As4(), options.to.As4()
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	copy(b[20:], options.bytes)
	binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:headerLen]))

	icmp := b[headerLen:]
	copy(icmp, message)
	icmp[0] = wire.ICMPv4EchoReply
	icmp[2], icmp[3] = 0, 0
	binary.BigEndian.PutUint16(icmp[2:], wire.Checksum(icmp))
	return b
}

// echoReply6 builds the ICMPv6 echo reply (RFC 4443 §4.2).
func (h *Host) echoReply6(p *wire.Packet) []byte {
	message := p.Data()
	b := h.room(40 + len(message))
	binary.BigEndian.PutUint32(b, 6<<28|uint32(p.IPv6.TrafficClass)<<20)
	binary.BigEndian.PutUint16(b[4:], uint16(len(message)))
	b[6] = wire.ProtocolICMPv6
	b[7] = defaultHopLimit
	src := h.addrs.self(p.Dst)
	from, to := src.As16(), p.Src.As16()
	copy(b[8:], from[:])
	copy(b[24:], to[:])

	icmp := b[40:]
	copy(icmp, message)
	icmp[0] = wire.ICMPv6EchoReply
	icmp[2], icmp[3] = 0, 0
	sum := wire.Sum(icmp, wire.PseudoHeader(src, p.Src, wire.ProtocolICMPv6, len(icmp)))
	binary.BigEndian.PutUint16(icmp[2:], ^sum)
	return b
}
