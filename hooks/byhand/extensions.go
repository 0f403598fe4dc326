package byhand

import "netstackd/hooks/wire"

// extensions judges the extension headers of an IPv6 packet for this host: it
// returns silence if one of them forbids an answer by the upper layer (what
// ICMPv6 error is due instead is not predicted yet).
func extensions(p *wire.Packet) (Prediction, bool) {
	for i, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		switch e.Protocol {
		case wire.ProtocolHopByHop:
			if i != 0 {
				return silence(ReasonMisplacedExtension, "RFC 8200 §4.1"), true
			}
			fallthrough
		case wire.ProtocolDestination:
			if !optionsPass(p.Bytes[e.Offset : e.Offset+e.Len]) {
				return silence(ReasonUnknownIPv6Option, "RFC 8200 §4.2"), true
			}
		case wire.ProtocolRouting:
			if p.Bytes[e.Offset+3] != 0 {
				return silence(ReasonRoutingHeader, "RFC 8200 §4.4"), true
			}
		}
	}
	return Prediction{}, false
}

// optionsPass walks the options of a hop-by-hop or destination options header
// and reports whether the packet may be processed further. The two high bits
// of an unknown option's type decide (RFC 8200 §4.2): 00 skips it, all others
// discard the packet. The options known here (padding, router alert) have 00.
func optionsPass(header []byte) bool {
	sound := true
	walkOptions(header, func(kind byte, data []byte, ok bool) {
		sound = sound && ok && kind>>6 == 0
	})
	return sound
}

// IPv6 option types (IANA, "Destination Options and Hop-by-Hop Options").
const (
	optionPad1        = 0
	optionRouterAlert = 5 // RFC 2711
)

// walkOptions calls f with each option of a header but Pad1, with its data. ok
// is false for one that runs past the header; it is the last.
func walkOptions(header []byte, f func(kind byte, data []byte, ok bool)) {
	for at := 2; at < len(header); {
		kind := header[at]
		if kind == optionPad1 {
			at++
			continue
		}
		if at+2 > len(header) || at+2+int(header[at+1]) > len(header) {
			f(kind, nil, false)
			return
		}
		end := at + 2 + int(header[at+1])
		f(kind, header[at+2:end], true)
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
			walkOptions(p.Bytes[e.Offset:e.Offset+e.Len], func(kind byte, data []byte, _ bool) {
				if kind == optionRouterAlert {
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
