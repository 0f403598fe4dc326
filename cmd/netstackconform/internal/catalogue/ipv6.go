package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
)

// destination is a destination options header of 8 bytes with an option of
// type kind, at offset 42 of the packet if it is the first, and padding.
func destination(kind byte) byhandtest.Extension {
	return byhandtest.Extension{Protocol: 60, Body: []byte{0, kind, 2, 0, 0, 1, 0}}
}

// routing is a routing header of a type with segments left, one address long.
func routing(kind, left byte) byhandtest.Extension {
	return byhandtest.Extension{Protocol: 43, Body: append([]byte{2, kind, left, 0, 0, 0, 0}, suite.Prefix6.Addr().AsSlice()...)}
}

func ipv6() []suite.Case {
	with := func(dst string, e ...byhandtest.Extension) send {
		return ping6(byhandtest.IPv6{Dst: dst, Extensions: e}, 16)
	}
	unknown := func(code uint8, at int) suite.Want {
		return suite.Reply(suite.Error(suite.BadParameter6, code), suite.Pointer(at))
	}
	return []suite.Case{
		{
			ID: "v6-payload-length-over-received", Title: "a payload length of more than was received is discarded",
			Requirement: suite.Must, RFC: "RFC 8200 §3",
			Steps: ask(edit(ping6(byhandtest.IPv6{}, 16), func(b []byte) { put16(b, 4, 25) }), suite.Silence()),
		},
		{
			ID: "v6-trailing-bytes", Title: "bytes behind the payload length are ignored",
			Requirement: suite.Must, RFC: "RFC 8200 §3",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return append(x.Ping6(byhandtest.IPv6{}, 16), 1, 2, 3)
			}), pong()),
		},
		{
			// "Payload Length: Length of the IPv6 payload, i.e., the rest of the packet
			// following this IPv6 header, in octets. (Note that any extension headers
			// present are considered part of the payload)".
			ID: "v6-trailing-bytes-extension", Title: "bytes behind the payload length are ignored behind extension headers, too",
			Requirement: suite.Must, RFC: "RFC 8200 §3",
			Place: "network/ipv6/icmp.go handleICMP",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return append(x.Ping6(byhandtest.IPv6{Extensions: []byhandtest.Extension{destination(0x1e)}}, 16), 1, 2, 3)
			}), pong()),
		},
		{
			// "00 - skip over this option and continue processing the header."
			ID: "v6-option-skip", Title: "an unknown option of type 00xxxxxx is skipped",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(with("", destination(0x1e)), pong()),
		},
		{
			ID: "v6-option-discard", Title: "an unknown option of type 01xxxxxx discards the packet",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(with("", destination(0x5e)), suite.Silence()),
		},
		{
			// "10 - discard the packet and, regardless of whether or not the
			// packet's Destination Address was a multicast address, send an ICMP
			// Parameter Problem, Code 2, message to the packet's Source Address,
			// pointing to the unrecognized Option Type."
			ID: "v6-option-report", Title: "an unknown option of type 10xxxxxx is reported",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(with("", destination(0x9e)), unknown(2, 42)),
		},
		{
			ID: "v6-option-report-multicast", Title: "an unknown option of type 10xxxxxx is reported of a multicast, too",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(with("ff02::1", destination(0x9e)), unknown(2, 42)),
		},
		{
			ID: "v6-option-report-unicast", Title: "an unknown option of type 11xxxxxx is reported",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(with("", destination(0xde)), unknown(2, 42)),
		},
		{
			// "11 - discard the packet and, only if the packet's Destination
			// Address was not a multicast address, send ..."
			ID: "v6-option-report-unicast-only", Title: "an unknown option of type 11xxxxxx is not reported of a multicast",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(with("ff02::1", destination(0xde)), suite.Silence()),
		},
		{
			// "If Segments Left is non-zero, the node must discard the packet and
			// send an ICMP Parameter Problem, Code 0, message to the packet's
			// Source Address, pointing to the unrecognized Routing Type."
			ID: "v6-routing-unknown", Title: "an unknown routing type with segments left is reported",
			Requirement: suite.Must, RFC: "RFC 8200 §4.4",
			Steps: ask(with("", routing(200, 1)), unknown(0, 42)),
		},
		{
			// "If Segments Left is zero, the node must ignore the Routing header".
			ID: "v6-routing-unknown-done", Title: "an unknown routing type without segments left is ignored",
			Requirement: suite.Must, RFC: "RFC 8200 §4.4",
			Steps: ask(with("", routing(200, 0)), pong()),
		},
		{
			// "An IPv6 node that receives a packet with a destination address
			// assigned to it and that contains an RH0 extension header MUST NOT
			// execute the algorithm specified in the latter part of Section 4.4 of
			// [RFC2460] for RH0." It is treated as an unrecognized routing type.
			ID: "v6-routing-0", Title: "routing type 0 is unknown",
			Requirement: suite.Must, RFC: "RFC 5095 §3",
			Steps: ask(with("", routing(0, 1)), unknown(0, 42)),
		},
		{
			// "The value 59 in the Next Header field ... indicates that there is
			// nothing following that header."
			ID: "v6-no-next-header", Title: "nothing follows next header 59, and nothing is said",
			Requirement: suite.Must, RFC: "RFC 8200 §4.7",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return x.V6(byhandtest.IPv6{Protocol: 59}).Packet(byhandtest.Data(16))
			}), suite.Silence()),
		},
		{
			// "... the node ... should discard the packet and send an ICMP
			// Parameter Problem message to the source of the packet, with an ICMP
			// Code value of 1 ("unrecognized Next Header type encountered") and the
			// ICMP Pointer field containing the offset of the unrecognized value".
			ID: "v6-next-header-unknown", Title: "an unknown next header is reported",
			Requirement: suite.Should, RFC: "RFC 8200 §4",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return x.V6(byhandtest.IPv6{Protocol: unknownProtocol}).Packet(byhandtest.Data(16))
			}), unknown(1, 6)),
		},
		{
			ID: "v6-hop-limit-0", Title: "a hop limit of 0 is enough to be delivered",
			Requirement: suite.Should, RFC: "RFC 8200 §3",
			// "A node that is the destination of a packet should not discard a
			// packet with hop limit equal to zero; it should process the packet
			// normally."
			Steps: ask(edit(ping6(byhandtest.IPv6{}, 16), func(b []byte) { b[7] = 0 }), pong()),
		},
	}
}
