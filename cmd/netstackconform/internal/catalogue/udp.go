package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
)

func udp() []suite.Case {
	service := one(func(x *suite.Exchange) []byte { return x.UDP4(suite.EchoPort, 33) })
	service6 := one(func(x *suite.Exchange) []byte { return x.UDP6(suite.EchoPort, 33) })
	echoed := suite.Reply(suite.Datagram(suite.EchoPort, byhandtest.Data(33)))
	return []suite.Case{
		{
			ID: "udp-service", Title: "a datagram reaches the port it is for",
			Requirement: suite.Must, RFC: "RFC 768",
			Steps: ask(service, echoed),
		},
		{
			ID: "udp6-service", Title: "the same over IPv6",
			Requirement: suite.Must, RFC: "RFC 8200 §8.1",
			Steps: ask(service6, echoed),
		},
		{
			// "An all zero transmitted checksum value means that the transmitter
			// generated no checksum".
			ID: "udp-checksum-absent", Title: "a datagram without a checksum is accepted",
			Requirement: suite.Must, RFC: "RFC 768",
			Steps: ask(edit(service, func(b []byte) { put16(b, 26, 0) }), echoed),
		},
		{
			// "IPv6 receivers must discard UDP packets containing a zero checksum".
			ID: "udp6-checksum-absent", Title: "a datagram without a checksum is discarded, over IPv6",
			Requirement: suite.Must, RFC: "RFC 8200 §8.1",
			Steps: ask(edit(service6, func(b []byte) { put16(b, 46, 0) }), suite.Silence()),
		},
		{
			// "If a UDP datagram is received with a checksum that is non-zero and
			// invalid, UDP MUST silently discard the datagram."
			ID: "udp-checksum-bad", Title: "a wrong checksum is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 1122 §4.1.3.4",
			Steps: ask(edit(service, func(b []byte) { b[26] ^= 1 }), suite.Silence()),
		},
		{
			ID: "udp-closed-checksum-bad", Title: "a wrong checksum is discarded in silence at a closed port, too",
			Requirement: suite.Must, RFC: "RFC 1122 §4.1.3.4",
			Steps: ask(edit(one(func(x *suite.Exchange) []byte { return x.UDP4(suite.ClosedPort, 33) }),
				func(b []byte) { b[26] ^= 1 }), suite.Silence()),
		},
		{
			// "the minimum value of the length is eight".
			ID: "udp-length-under-8", Title: "a length of less than 8 is discarded",
			Requirement: suite.Must, RFC: "RFC 768",
			Steps: ask(edit(service, func(b []byte) { put16(b, 24, 7); put16(b, 26, 0) }), suite.Silence()),
		},
		{
			ID: "udp-length-over-payload", Title: "a length of more than there is is discarded",
			Requirement: suite.Must, RFC: "RFC 768",
			Steps: ask(edit(service, func(b []byte) { put16(b, 24, 42); put16(b, 26, 0) }), suite.Silence()),
		},
		{
			// RFC 2675 §4: only "if the UDP Length field is zero" and there is a
			// jumbo payload is the length taken from there.
			ID: "udp6-length-0", Title: "a length of 0 without a jumbo payload is discarded",
			Requirement: suite.Must, RFC: "RFC 768",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				b := x.UDP6(suite.EchoPort, 33)
				put16(b, 44, 0)
				// As if the length were that of the payload, so that only the
				// field is wrong.
				put16(b, 46, 0)
				put16(b, 46, zeroLengthSum(x, b[40:]))
				return b
			}), suite.Silence()),
		},
	}
}
