package byhand

import "netstackd/hooks/wire"

// extensions judges the extension headers of a whole IPv6 packet for this
// host: it returns silence if one of them forbids an answer by the upper layer
// (what ICMPv6 error is due instead is not predicted yet).
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

// IPv6 options that are known (IANA, "Destination Options and Hop-by-Hop
// Options").
const (
	optionPad1        = 0
	optionPadN        = 1
	optionRouterAlert = 5 // RFC 2711
)

// optionsPass walks the options of a hop-by-hop or destination options header
// and reports whether the packet may be processed further. The two high bits
// of an unknown option's type decide (RFC 8200 §4.2): 00 skips it, all others
// discard the packet.
func optionsPass(header []byte) bool {
	for at := 2; at < len(header); {
		kind := header[at]
		if kind == optionPad1 {
			at++
			continue
		}
		if at+2 > len(header) || at+2+int(header[at+1]) > len(header) {
			return false
		}
		if kind != optionPadN && kind != optionRouterAlert && kind>>6 != 0 {
			return false
		}
		at += 2 + int(header[at+1])
	}
	return true
}

// plainExtensions reports whether every extension header is one that each IPv6
// host must process (RFC 8200 §4), so that an answer is due behind them.
func plainExtensions(p *wire.Packet) bool {
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		switch e.Protocol {
		case wire.ProtocolHopByHop, wire.ProtocolDestination, wire.ProtocolRouting, wire.ProtocolFragment:
		default:
			return false
		}
	}
	return p.IPv6.Count < len(p.IPv6.Extensions)
}
