package byhand

import "netstackd/hooks/wire"

// extensions judges the extension headers of an IPv6 packet for this host: the
// first that forbids an answer by the upper layer says what is due instead.
func (h *Host) extensions(p *wire.Packet) (Prediction, bool) {
	pr, n, ok := h.extension(p)
	if ok && pr.Expect == MustReply && !plainHeaders(p, n) {
		// One before it may be what the packet is discarded for.
		pr.Expect, pr.Requirement = MayReply, May
	}
	return pr, ok
}

// extension is extensions, and says which header it is, from 0.
func (h *Host) extension(p *wire.Packet) (pr Prediction, n int, ok bool) {
	for i, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if unspoken(e.Protocol) {
			return h.unspokenHeader(p, i), i, true
		}
		switch e.Protocol {
		case wire.ProtocolAH:
			// Few hosts have IPsec (RFC 8504 §13): to others this is where it ends.
			return h.undecided(p), i, true
		case wire.ProtocolHopByHop:
			if i != 0 {
				// As if the value were unknown there (RFC 8200 §4).
				return h.report(p, errorMessage{type6ParameterProblem, codeUnknownNextHeader, namedAt(p, i)},
					rule{ReasonMisplacedExtension, "RFC 8200 §4.1", Should}), i, true
			}
			fallthrough
		case wire.ProtocolDestination:
			header := p.Bytes[e.Offset : e.Offset+e.Len]
			if at, ok, sound := optionsPass(header); !ok {
				return h.badOption6(p, int(e.Offset)+at, sound && alertsSoundly(header)), i, true
			}
		case wire.ProtocolRouting:
			if p.Bytes[e.Offset+3] != 0 {
				// Every type with segments left is unknown to this host; type 0
				// has to be (RFC 5095 §3).
				return h.report(p, errorMessage{type6ParameterProblem, codeErroneousField, uint32(e.Offset + 2)},
					rule{ReasonRoutingHeader, "RFC 8200 §4.4", Must}), i, true
			}
		}
	}
	if unspoken(p.Protocol) && p.IPv6.Count < len(p.IPv6.Extensions) {
		return h.unspokenHeader(p, p.IPv6.Count), p.IPv6.Count, true // it is not whole, which nobody looks at
	}
	return Prediction{}, 0, false
}

// unspoken reports whether a protocol is one whose headers have the form of an
// extension header and which this host does not speak: Mobility (RFC 6275), HIP
// (RFC 7401), Shim6 (RFC 5533). "A full implementation of IPv6" needs none of them
// (RFC 8200 §4).
func unspoken(protocol uint8) bool {
	return protocol == wire.ProtocolMobility || protocol == wire.ProtocolHIP || protocol == wire.ProtocolShim6
}

// holdsUnspoken reports whether a chain of headers leads to one that is unspoken.
func holdsUnspoken(p *wire.Packet) bool {
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if unspoken(e.Protocol) {
			return true
		}
	}
	return unspoken(p.Protocol)
}

// namedAt is the offset of the field that names the nth header, from 0, behind
// IPv6's.
func namedAt(p *wire.Packet, n int) uint32 {
	if n == 0 {
		return 6
	}
	return uint32(p.IPv6.Extensions[n-1].Offset)
}

// unspokenHeader judges a packet for its nth header, whose value is unrecognized:
// what is behind that is not looked at.
func (h *Host) unspokenHeader(p *wire.Packet, n int) Prediction {
	return h.report(p, errorMessage{type6ParameterProblem, codeUnknownNextHeader, namedAt(p, n)},
		rule{ReasonUnknownProtocol, "RFC 8200 §4", Should})
}

// badOption6 judges a packet for the unknown option at an offset of it, by the
// two high bits of its type (RFC 8200 §4.2). Of one that is not sound, which runs
// past its header, or has others beside it that are not, the RFC does not say whether
// an error is due.
func (h *Host) badOption6(p *wire.Packet, at int, sound bool) Prediction {
	pr := h.unknownOption6(p, at)
	if !sound && pr.Expect == MustReply {
		pr.Expect, pr.Requirement = MayReply, May
	}
	return pr
}

func (h *Host) unknownOption6(p *wire.Packet, at int) Prediction {
	r := rule{ReasonUnknownIPv6Option, "RFC 8200 §4.2", Must}
	switch m := (errorMessage{type6ParameterProblem, codeUnknownOption, uint32(at)}); p.Bytes[at] >> 6 {
	case 2:
		return h.report(p, m, r)
	case 3:
		if p.Dst.IsMulticast() {
			return watched(p, silence(r.reason, r.rfc))
		}
		return h.report(p, m, r)
	case 1:
		return watched(p, silence(r.reason, r.rfc))
	}
	// One that runs past its header: an error about that is left open.
	s := watched(p, silence(r.reason, r.rfc))
	if s.Form == ICMPError {
		s.Form = NoForm
	}
	return s
}

// optionsPass walks the options of a hop-by-hop or destination options header
// and reports whether the packet may be processed further, or where the option
// is that forbids it. The two high bits of an unknown option's type decide (RFC
// 8200 §4.2): 00 skips it, all others discard the packet. The options known
// here (padding, router alert) have 00. sound is false if that option runs past the
// header.
func optionsPass(header []byte) (at int, ok, sound bool) {
	ok, sound = true, true
	walkOptions(header, func(offset int, _ []byte, whole bool) {
		if ok && (!whole || header[offset]>>6 != 0) {
			at, ok, sound = offset, false, whole
		}
	})
	return at, ok, sound
}

// IPv6 option types (IANA, "Destination Options and Hop-by-Hop Options").
const (
	optionPad1        = 0
	optionRouterAlert = 5 // RFC 2711
)

// walkOptions calls f with the offset of each option of a header but Pad1, and
// its data. ok is false for one that runs past the header; it is the last.
func walkOptions(header []byte, f func(at int, data []byte, ok bool)) {
	for at := 2; at < len(header); {
		if header[at] == optionPad1 {
			at++
			continue
		}
		if at+2 > len(header) || at+2+int(header[at+1]) > len(header) {
			f(at, nil, false)
			return
		}
		end := at + 2 + int(header[at+1])
		f(at, header[at+2:end], true)
		at = end
	}
}

// plainExtensions reports whether every extension header is one that each IPv6
// host must process (RFC 8200 §4), and sound, so that an answer is due behind
// them.
func plainExtensions(p *wire.Packet) bool {
	return plainHeaders(p, p.IPv6.Count) && p.IPv6.Count < len(p.IPv6.Extensions)
}

// plainHeaders is that of the first n of them.
func plainHeaders(p *wire.Packet, n int) bool {
	for _, e := range p.IPv6.Extensions[:n] {
		switch e.Protocol {
		case wire.ProtocolHopByHop, wire.ProtocolDestination:
			if !alertsSoundly(p.Bytes[e.Offset : e.Offset+e.Len]) {
				return false
			}
		case wire.ProtocolRouting, wire.ProtocolFragment:
		default:
			return false
		}
	}
	return true
}

// alertsSoundly reports whether a header of options has one router alert at most, of two
// bytes (RFC 2711 §2.1). What a host makes of others is not said, nor of one that is not in a
// hop-by-hop header, as it has to be.
func alertsSoundly(header []byte) bool {
	alerts, sound := 0, true
	walkOptions(header, func(at int, data []byte, whole bool) {
		if header[at] == optionRouterAlert {
			alerts++
			sound = sound && whole && len(data) == 2
		}
	})
	return alerts <= 1 && sound
}

// Next header values for experiments (RFC 4727 §3.3): a host may know what is
// behind them.
const (
	experiment1 = 253
	experiment2 = 254
)

// opaque reports whether it cannot be read from what was decoded of a packet
// whether it holds a request: it has more than one fragment header, or is a
// fragment with a chain of headers longer than what is kept, or takes part in
// an experiment.
func opaque(p *wire.Packet) bool {
	if p.Protocol == experiment1 || p.Protocol == experiment2 {
		return true
	}
	n := 0
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if unspoken(e.Protocol) {
			return false // it ends there
		}
		if e.Protocol == wire.ProtocolFragment {
			n++
		}
	}
	return n > 1 || p.Fragment.Header && p.IPv6.Count == len(p.IPv6.Extensions)
}

// chainCut reports whether a first fragment lacks a part of the upper layer's
// header: it should be discarded, which leaves it open (RFC 8200 §4.5, RFC
// 7112 §5).
func chainCut(p *wire.Packet) bool {
	if p.Version != 6 || p.Fragment.Offset != 0 || p.Upper != "" {
		return false
	}
	switch p.Protocol {
	case wire.ProtocolICMPv6, wire.ProtocolTCP, wire.ProtocolUDP:
		return true
	}
	return false
}
