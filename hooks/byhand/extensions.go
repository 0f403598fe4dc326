package byhand

import "netstackd/hooks/wire"

// extensions judges the extension headers of an IPv6 packet for this host: the
// first that forbids an answer by the upper layer says what is due instead.
func (h *Host) extensions(p *wire.Packet) (Prediction, bool) {
	for i, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		switch e.Protocol {
		case wire.ProtocolHopByHop:
			if i != 0 {
				// As if the value were unknown there (RFC 8200 §4).
				before := p.IPv6.Extensions[i-1]
				return h.report(p, errorMessage{type6ParameterProblem, codeUnknownNextHeader, uint32(before.Offset)},
					rule{ReasonMisplacedExtension, "RFC 8200 §4.1", Should}), true
			}
			fallthrough
		case wire.ProtocolDestination:
			if at, ok := optionsPass(p.Bytes[e.Offset : e.Offset+e.Len]); !ok {
				return h.badOption6(p, int(e.Offset)+at), true
			}
		case wire.ProtocolRouting:
			if p.Bytes[e.Offset+3] != 0 {
				// Every type with segments left is unknown to this host; type 0
				// has to be (RFC 5095 §3).
				return h.report(p, errorMessage{type6ParameterProblem, codeErroneousField, uint32(e.Offset + 2)},
					rule{ReasonRoutingHeader, "RFC 8200 §4.4", Must}), true
			}
		}
	}
	return Prediction{}, false
}

// badOption6 judges a packet for the unknown option at an offset of it, by the
// two high bits of its type (RFC 8200 §4.2).
func (h *Host) badOption6(p *wire.Packet, at int) Prediction {
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
// here (padding, router alert) have 00.
func optionsPass(header []byte) (at int, ok bool) {
	ok = true
	walkOptions(header, func(offset int, _ []byte, sound bool) {
		if ok && (!sound || header[offset]>>6 != 0) {
			at, ok = offset, false
		}
	})
	return at, ok
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
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		switch e.Protocol {
		case wire.ProtocolHopByHop:
			alerts, sound := 0, true
			header := p.Bytes[e.Offset : e.Offset+e.Len]
			walkOptions(header, func(at int, data []byte, _ bool) {
				if header[at] == optionRouterAlert {
					alerts++
					sound = sound && len(data) == 2
				}
			})
			// One router alert at most, of two bytes (RFC 2711).
			if alerts > 1 || !sound {
				return false
			}
		case wire.ProtocolDestination, wire.ProtocolRouting, wire.ProtocolFragment:
		default:
			return false
		}
	}
	return p.IPv6.Count < len(p.IPv6.Extensions)
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
