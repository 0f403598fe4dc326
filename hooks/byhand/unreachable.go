package byhand

import (
	"encoding/binary"
	"slices"
	"time"

	"netstackd/hooks/wire"
)

// ports are those of one protocol that the host listens on.
type ports [1 << 16 / 64]uint64

// newPorts returns nil, no opinion, for nil.
func newPorts(open []uint16) *ports {
	if open == nil {
		return nil
	}
	ps := new(ports)
	for _, p := range open {
		ps[p/64] |= 1 << (p % 64)
	}
	return ps
}

func (ps *ports) open(port uint16) bool { return ps[port/64]>>(port%64)&1 != 0 }

// udp judges a sound datagram: to a port where nobody listens, a port
// unreachable is due.
func (h *Host) udp(p *wire.Packet) Prediction {
	if h.udpPorts == nil || h.udpPorts.open(p.UDP.DstPort) || h.changing.open(p.UDP.DstPort) {
		return Prediction{}
	}
	m, r := errorMessage{kind: type4Unreachable, code: codePortUnreachable}, rule{ReasonClosedPort, "RFC 1122 §4.1.3.1", Should}
	if p.Version == 6 {
		m, r.rfc = errorMessage{kind: type6Unreachable, code: codePortUnreachable6}, "RFC 4443 §3.1"
	}
	pr := h.unreachable(p, m, r)
	if pr.Expect == MustReply && p.UDP.Length < len(p.Data()) {
		// What is behind the datagram's own length is nothing that RFC 768
		// speaks of.
		pr.Expect, pr.Requirement = MayReply, May
	}
	return pr
}

// unknown judges a packet of a protocol that the host does not speak.
func (h *Host) unknown(p *wire.Packet) Prediction {
	m, r := errorMessage{kind: type4Unreachable, code: codeProtocolUnreachable}, rule{ReasonUnknownProtocol, "RFC 1122 §3.2.2.1", Should}
	switch p.Protocol {
	case protocolIGMP:
		if p.Version == 4 {
			return Prediction{} // a host may speak it (RFC 1112 §2)
		}
	case wire.ProtocolNoNext:
		if p.Version == 6 {
			return Prediction{} // nothing follows, and nothing is wrong
		}
	case protocolESP, wire.ProtocolAH, wire.ProtocolICMPv4, wire.ProtocolICMPv6:
		// A host may have IPsec. ICMP of the other family is unknown, but it
		// takes a pedant to say so.
		r.requirement = May
	}
	if p.Version == 6 {
		if p.IPv6.Count > 0 && !plainExtensions(p) {
			return Prediction{} // an earlier header may be the unknown one
		}
		m = errorMessage{type6ParameterProblem, codeUnknownNextHeader, 6}
		if n := p.IPv6.Count; n > 0 {
			m.pointer = uint32(p.IPv6.Extensions[n-1].Offset)
		}
		r.rfc = "RFC 8200 §4"
	}
	pr := h.unreachable(p, m, r)
	if pr.Expect == MustReply && r.requirement == May {
		pr.Expect = MayReply
	}
	return pr
}

// unreachable is report for packets that got through the IP layer, and that
// may have done so in ways that are this host's own.
func (h *Host) unreachable(p *wire.Packet, m errorMessage, r rule) Prediction {
	pr := h.report(p, m, r)
	if pr.Expect != MustReply {
		return pr
	}
	if p.Version == 6 && !plainExtensions(p) || p.Version == 4 && p.IPv4.HasOptions() && !h.plainOptions(p) {
		pr.Expect, pr.Requirement = MayReply, May
	}
	return pr
}

// plainOptions reports whether nothing about a packet's IPv4 options lets a
// host report a problem with them instead.
func (h *Host) plainOptions(p *wire.Packet) bool {
	_, sound := h.replyOptions(p)
	return sound
}

// Protocol numbers that hooks/wire has no need of.
const (
	protocolIGMP = 2
	protocolESP  = 50
)

// reportable reports whether a problem with the shape of a packet is one that
// calls for an error.
func reportable(p wire.Problem) bool {
	return p.Reason == wire.ReasonBadOption || p.Reason == wire.ReasonBadFragment && p.Layer == wire.LayerIPv6
}

// badShape judges a packet for this host with a problem that is reportable.
func (h *Host) badShape(p *wire.Packet) Prediction {
	if p.Version == 4 {
		pr := h.report(p, errorMessage{kind: type4ParameterProblem, pointer: uint32(p.Problem.Offset)},
			rule{p.Problem.Reason, problemRFC(p.Problem), Should})
		badSum := p.Protocol == wire.ProtocolICMPv4 && p.Payload > 0 && wire.Checksum(p.Data()) != 0
		if pr.Expect == MustReply && (!h.plainOptions(p) || p.Fragment.IsFragment() || badSum) {
			// An option before it may be reported as well; a host may put fragments
			// together first, and look at a message's sum before it looks at the
			// options that a reply would have.
			pr.Expect, pr.Requirement = MayReply, May
		}
		return pr
	}
	// The fragment's length is no multiple of 8; the pointer is to where the
	// header says how long the packet is.
	pr := h.report(p, errorMessage{type6ParameterProblem, codeErroneousField, 4},
		rule{p.Problem.Reason, problemRFC(p.Problem), Should})
	first, end := p.Fragment.Offset == 0, p.Fragment.Offset+len(p.Data())
	if pr.Expect == MustReply && (first && !wholeBehind(p) || end > 65535 || !plainHeaders(p, p.IPv6.Count)) {
		pr.Expect, pr.Requirement = MayReply, May // for that, too, it may be discarded
	}
	return pr
}

// wholeBehind reports whether the headers behind that of a first fragment, which ended
// the decoding, are all there, and lead to something that has to be looked at (RFC 8200
// §4.7).
func wholeBehind(p *wire.Packet) bool {
	b := append(slices.Clone(p.Bytes[:40]), p.Bytes[p.Payload:]...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	b[6] = p.Protocol
	var d wire.Packet
	return d.Decode(b) && d.Protocol != wire.ProtocolNoNext
}

// tooLong judges an IPv6 fragment that would make the datagram too long: the
// pointer is to its offset.
func (h *Host) tooLong(p *wire.Packet) Prediction {
	at := 0
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if e.Protocol == wire.ProtocolFragment {
			at = int(e.Offset) + 2
		}
	}
	pr := h.report(p, errorMessage{type6ParameterProblem, codeErroneousField, uint32(at)},
		rule{ReasonReassemblyTooLong, "RFC 8200 §4.5", Should})
	if pr.Expect == MustReply && p.IPv6.Count > 1 {
		// Whether headers before the fragment's count is read differently.
		pr.Expect, pr.Requirement = MayReply, May
	}
	return pr
}

// cutShort judges a first fragment without all headers through that of the upper
// layer, which should be discarded: what another host makes of it, and of the
// fragments with it, is not known.
func (h *Host) cutShort(p *wire.Packet, now time.Time) Prediction {
	h.inward.doubt(now.Add(opaqueLasts))
	return h.report(p, errorMessage{type6ParameterProblem, codeChainCut, 0},
		rule{ReasonHeaderChainCut, "RFC 8200 §4.5", Should})
}

// routeFailed judges a datagram that a source route leads on from here. This host
// forwards none, and says so; another may, by the link that it came from (RFC 1122
// §3.3.5).
func (h *Host) routeFailed(p *wire.Packet) Prediction {
	pr := h.report(p, errorMessage{kind: type4Unreachable, code: codeRouteFailed},
		rule{ReasonSourceRoute, "RFC 1122 §3.3.5", Should})
	if pr.Expect == MustReply {
		pr.Expect, pr.Requirement = MayReply, May
	}
	return pr
}
