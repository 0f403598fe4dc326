package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// message sends an ICMPv4 message of a type with n bytes behind the first word.
func message(kind byte, n int) send {
	return one(func(x *suite.Exchange) []byte {
		m := make([]byte, 4+n)
		m[0] = kind
		if n >= 4 {
			put16(m, 4, x.ID)
		}
		put16(m, 2, byhandtest.Checksum(m))
		return x.V4(byhandtest.IPv4{}).Packet(m)
	})
}

func queries() []suite.Case {
	return []suite.Case{
		{
			// "A host MAY implement Timestamp and Timestamp Reply."
			ID: "timestamp-request", Title: "a timestamp request may be answered",
			Requirement: suite.May, RFC: "RFC 1122 §3.2.2.8",
			Steps: ask(message(13, 16), suite.AnyOf(suite.Silence(), suite.Reply(
				suite.That("a timestamp reply", func(x *suite.Exchange, p *wire.Packet) string {
					if p.Upper != wire.LayerICMPv4 || p.ICMP.Type != 14 || p.ICMP.ID != x.ID {
						return "another message"
					}
					return ""
				})))),
		},
		{
			// "A host SHOULD NOT implement these messages."
			ID: "information-request", Title: "an information request is not answered",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.7",
			Steps: ask(message(15, 4), suite.Silence()),
		},
		{
			// "A system MUST NOT send an Address Mask Reply unless it is an
			// authoritative agent for address masks."
			ID: "mask-request", Title: "an address mask request is not answered",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2.9",
			Steps: ask(message(17, 8), suite.Silence()),
		},
		{
			// "If an ICMP message of unknown type is received, it MUST be
			// silently discarded."
			ID: "icmp-type-unknown", Title: "an unknown ICMP type is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Steps: ask(message(99, 8), suite.Silence()),
		},
		{
			// It is an ICMP error, about which none may be sent; RFC 6633 asks no
			// host to do anything about one any more.
			ID: "source-quench", Title: "nothing is said to a source quench",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				m := append([]byte{4, 0, 0, 0, 0, 0, 0, 0}, x.UDP4(suite.ClosedPort, 0)...)
				put16(m, 2, byhandtest.Checksum(m))
				return x.V4(byhandtest.IPv4{}).Packet(m)
			}), suite.Silence()),
		},
	}
}
