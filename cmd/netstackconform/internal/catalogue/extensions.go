package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// optionsHeader is a hop-by-hop or destination options header with these
// options, padded to whole units of 8 bytes.
func optionsHeader(protocol byte, options ...[]byte) byhandtest.Extension {
	body := []byte{0}
	for _, o := range options {
		body = append(body, o...)
	}
	switch lack := (8 - (1+len(body))%8) % 8; lack {
	case 0:
	case 1:
		body = append(body, 0)
	default:
		body = append(append(body, 1, byte(lack-2)), make([]byte, lack-2)...)
	}
	body[0] = byte((1+len(body))/8 - 1)
	return byhandtest.Extension{Protocol: protocol, Body: body}
}

// option is an IPv6 option with n zero bytes of data.
func option(kind byte, n int) []byte { return append([]byte{kind, byte(n)}, make([]byte, n)...) }

// hopByHop is a hop-by-hop options header of 8 bytes, all padding.
func hopByHop() byhandtest.Extension { return optionsHeader(wire.ProtocolHopByHop, option(1, 4)) }

func extensions() []suite.Case {
	skipped := destination(0x1e)
	atomic := byhandtest.Extension{Protocol: wire.ProtocolFragment, Body: []byte{0, 0, 0, 0, 0, 0, 77}}
	with := func(e ...byhandtest.Extension) send { return ping6(byhandtest.IPv6{Extensions: e}, 16) }
	problem := func(code uint8, at int) suite.Want {
		return suite.Reply(suite.Error(suite.BadParameter6, code), suite.Pointer(at))
	}
	// wrong is a message behind an option that is to be reported.
	wrong := func(kind byte, n int) send {
		return one(func(x *suite.Exchange) []byte {
			return x.V6(byhandtest.IPv6{Extensions: []byhandtest.Extension{destination(0x9e)}}).Packet(message6(x, kind, n))
		})
	}
	return []suite.Case{
		{
			// "IPv6 nodes must accept and attempt to process extension headers in
			// any order and occurring any number of times in the same packet,
			// except for the Hop-by-Hop Options header".
			ID: "v6-headers-any-order", Title: "extension headers may come in any order, and again",
			Requirement: suite.Must, RFC: "RFC 8200 §4.1",
			Steps: ask(with(hopByHop(), routing(200, 0), skipped, skipped, routing(0, 0), atomic, skipped, routing(200, 0)), pong()),
		},
		{
			// "Therefore, extension headers must be processed strictly in the
			// order they appear in the packet".
			ID: "v6-headers-in-order", Title: "the header that stands first decides",
			Requirement: suite.Must, RFC: "RFC 8200 §4",
			Steps: ask(with(routing(200, 1), destination(0x5e)), problem(0, 42)),
		},
		{
			// "The sequence of options within a header must be processed strictly
			// in the order they appear in the header".
			ID: "v6-options-in-order", Title: "the option that stands first decides",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(with(optionsHeader(wire.ProtocolDestination, option(0x1e, 1), option(0x5e, 0), option(0x9e, 0))), suite.Silence()),
		},
		{
			// "The same action should be taken if a node encounters a Next Header
			// value of zero in any header other than an IPv6 header." It is in
			// the first byte of the header before.
			ID: "v6-hop-by-hop-late", Title: "hop-by-hop options behind another header are reported as an unknown next header",
			Requirement: suite.Should, RFC: "RFC 8200 §4",
			Steps: ask(with(skipped, hopByHop()), problem(1, 40)),
		},
		{
			ID: "v6-hop-by-hop-twice", Title: "hop-by-hop options are not taken twice",
			Requirement: suite.Should, RFC: "RFC 8200 §4",
			Steps: ask(with(hopByHop(), hopByHop()), problem(1, 40)),
		},
		{
			ID: "v6-hop-by-hop-behind-fragment", Title: "hop-by-hop options behind a fragment header are reported",
			Requirement: suite.Should, RFC: "RFC 8200 §4",
			Steps: ask(with(skipped, atomic, hopByHop()), problem(1, 48)),
		},
		{
			// The pointer "identifies the octet offset within the invoking packet
			// where the error was detected" (RFC 4443 §3.4), from its start.
			ID: "v6-option-report-far", Title: "the pointer counts the headers before the option",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(with(hopByHop(), skipped, routing(200, 0),
				optionsHeader(wire.ProtocolDestination, []byte{0, 0, 0}, option(0x1e, 3), option(0x9e, 0))), problem(2, 90)),
		},
		{
			// The header before is longer than a byte can count.
			ID: "v6-pointer-far", Title: "the pointer counts a header of 264 bytes before the option",
			Requirement: suite.Must, RFC: "RFC 4443 §3.4",
			Place: "header/ipv6_extension_headers.go nextHeaderData",
			Steps: ask(with(optionsHeader(wire.ProtocolDestination, option(0x1e, 255)), destination(0x9e)), problem(2, 40+264+2)),
		},
		{
			// "The pointer will point beyond the end of the ICMPv6 packet if the
			// field in error is beyond what can fit in the maximum size of an
			// ICMPv6 error message."
			ID: "v6-option-report-past-quote", Title: "the pointer may point past all that the error quotes",
			Requirement: suite.Must, RFC: "RFC 4443 §3.4",
			Steps: ask(with(optionsHeader(wire.ProtocolDestination, option(0x1e, 255), option(0x1e, 255), option(0x1e, 255),
				option(0x1e, 255), option(0x1e, 255), option(0x9e, 0))), problem(2, 42+5*257)),
		},
		{
			ID: "v6-routing-unknown-far", Title: "the pointer to a routing type counts the headers before it",
			Requirement: suite.Must, RFC: "RFC 8200 §4.4",
			Steps: ask(with(hopByHop(), routing(200, 0), skipped, routing(200, 1)), problem(0, 82)),
		},
		{
			ID: "v6-next-header-unknown-far", Title: "the pointer is to the header that names the unknown one",
			Requirement: suite.Should, RFC: "RFC 8200 §4",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				h := byhandtest.IPv6{Protocol: unknownProtocol, Extensions: []byhandtest.Extension{hopByHop(), routing(200, 0), skipped}}
				return x.V6(h).Packet(byhandtest.Data(16))
			}), problem(1, 72)),
		},
		{
			// "There are two padding options ... These padding options must be
			// recognized by all IPv6 implementations". Of more than 7 bytes in a
			// row RFC 8504 §5.3 allows the discard.
			ID: "v6-padding", Title: "Pad1 and PadN of every length up to 7 are padding",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(func(x *suite.Exchange) (all [][]byte) {
				ping := func(padding []byte) {
					// Of 16 bytes, what the padding leaves is an option to skip.
					skip := option(0x1e, 16-2-len(padding)-2)
					e := []byhandtest.Extension{optionsHeader(wire.ProtocolDestination, padding, skip)}
					all = append(all, x.Ping6(byhandtest.IPv6{Extensions: e}, 16))
				}
				for n := range 6 {
					ping(option(1, n))
					ping(make([]byte, n+2))
				}
				return all
			}, suite.Replies(echoReplies(12)...)),
		},
		{
			// "Reserved: 8-bit reserved field. Initialized to zero for
			// transmission; ignored on reception", and "Res: 2-bit reserved
			// field", the same.
			ID: "v6-fragment-reserved", Title: "the reserved bits of a fragment header are ignored",
			Requirement: suite.Must, RFC: "RFC 8200 §4.5",
			Steps: ask(edit(cut(ping6(byhandtest.IPv6{}, 64), []int{24}), func(b []byte) { b[41], b[43] = 0xff, b[43]|6 }), pong()),
		},
		{
			// It is to be processed "in isolation from any other packets/fragments":
			// the fragments around it are another packet still.
			ID: "fragments6-atomic-amid", Title: "an atomic fragment does not disturb fragments with its identification",
			Requirement: suite.Must, RFC: "RFC 6946 §4",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				parts := cut(ping6(byhandtest.IPv6{}, 64), []int{24})(x)
				alone := cut(ping6(byhandtest.IPv6{}, 64), nil)(x)
				return [][]byte{parts[0], alone[0], parts[1]}
			}, suite.Replies(echoReplies(2)...)),
		},
		{
			// "... the entire datagram (and any constituent fragments, including
			// those not yet received) MUST be silently discarded." With the
			// second fragment left out it would be whole.
			ID: "fragments6-overlap-rest", Title: "what comes behind an overlap does not complete the packet",
			Requirement: suite.Must, RFC: "RFC 5722 §4",
			Steps: ask(pieces(ping6(byhandtest.IPv6{}, 64), piece{0, 32, true}, piece{24, 16, true}, piece{32, 40, false}), suite.Silence()),
		},
		{
			// "If the first fragment does not include all headers through an
			// Upper-Layer header, then that fragment should be discarded and an
			// ICMP Parameter Problem, Code 3, message should be sent to the source
			// of the fragment, with the Pointer field set to zero."
			ID: "fragments6-header-chain-cut", Title: "a first fragment without the upper-layer header is reported",
			Requirement: suite.Should, RFC: "RFC 8200 §4.5",
			Place: "network/ipv6/ipv6.go processFragmentExtHdr",
			Steps: ask(pieces(with(skipped), piece{0, 8, true}), problem(3, 0)),
		},
		{
			// "An ICMPv6 error message MUST NOT be originated as a result of
			// receiving ... an ICMPv6 error message." The option calls for one.
			ID: "error6-about-error", Title: "no error about an error, over IPv6",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(wrong(1, 48), suite.Silence()),
		},
		{
			// "... an ICMPv6 redirect message".
			ID: "error6-about-redirect", Title: "no error about a redirect, over IPv6",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(wrong(137, 36), suite.Silence()),
		},
		{
			// "... a packet whose source address does not uniquely identify a
			// single node -- e.g., the IPv6 Unspecified Address".
			ID: "error6-to-unspecified", Title: "no error to the unspecified address",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(ping6(byhandtest.IPv6{Src: "::", Extensions: []byhandtest.Extension{destination(0x9e)}}, 16), suite.Silence()),
		},
		{
			// "If an ICMPv6 informational message of unknown type is received, it
			// MUST be silently discarded", and one of unknown error type "MUST be
			// passed to the upper-layer process", which says nothing, either.
			ID: "icmp6-type-unknown", Title: "messages of unknown type are taken in silence",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				h := x.V6(byhandtest.IPv6{})
				return [][]byte{h.Packet(message6(x, 170, 16)), h.Packet(message6(x, 99, 48))}
			}, suite.Silence()),
		},
	}
}

// echoReplies are the replies to the first n echo requests of a step.
func echoReplies(n int) []suite.Match {
	matches := make([]suite.Match, n)
	for i := range matches {
		matches[i] = suite.EchoReply(i)
	}
	return matches
}

// message6 is an ICMPv6 message to the host of n zero bytes behind its checksum.
func message6(x *suite.Exchange, kind byte, n int) []byte {
	m := append([]byte{kind, 0, 0, 0}, make([]byte, n)...)
	put16(m, 2, sum6(x, wire.ProtocolICMPv6, m))
	return m
}
