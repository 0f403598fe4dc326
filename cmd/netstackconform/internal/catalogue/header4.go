package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
)

func header4() []suite.Case {
	plain := ping4(byhandtest.IPv4{}, 16)
	return []suite.Case{
		{
			ID: "version-5", Title: "a version other than 4 is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.1",
			Steps: ask(edit(plain, header(0, 0x55)), suite.Silence()),
		},
		{
			// RFC 1812 binds routers; no RFC says it of hosts in so many words.
			ID: "ihl-4", Title: "a header length under 5 words is discarded",
			Requirement: suite.Should, RFC: "RFC 1812 §5.2.2",
			Steps: ask(edit(plain, header(0, 0x44)), suite.Silence()),
		},
		{
			ID: "total-length-under-header", Title: "a total length shorter than the header is discarded",
			Requirement: suite.Should, RFC: "RFC 1812 §5.2.2",
			Steps: ask(edit(plain, header(2, 0, 19)), suite.Silence()),
		},
		{
			ID: "total-length-over-received", Title: "a total length of more than was received is discarded",
			Requirement: suite.Should, RFC: "RFC 1812 §5.2.2",
			Steps: ask(edit(plain, header(2, 0, 45)), suite.Silence()),
		},
		{
			// "Total Length is the length of the datagram": what follows is not
			// part of it.
			ID: "trailing-bytes", Title: "bytes behind the total length are ignored",
			Requirement: suite.Must, RFC: "RFC 791 §3.1",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return append(x.Ping4(byhandtest.IPv4{}, 16), 0xde, 0xad, 0xbe)
			}), pong()),
		},
		{
			ID: "header-checksum-bad", Title: "a wrong header checksum is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.2",
			Steps: ask(edit(plain, func(b []byte) { b[10] ^= 1 }), suite.Silence()),
		},
		{
			// One's complement has two zeros, and a sum over the whole header
			// is all ones with either in the field (RFC 1071 §1, RFC 1624 §5).
			ID: "header-checksum-other-zero", Title: "0xffff in the checksum field is as good as 0",
			Requirement: suite.Must, RFC: "RFC 1071 §1",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				b := x.Ping4(byhandtest.IPv4{}, 16)
				for id := uint16(1); b[10] != 0 || b[11] != 0; id++ {
					put16(b, 4, id)
					byhandtest.SetHeaderChecksum(b)
				}
				put16(b, 10, 0xffff)
				return b
			}), pong()),
		},
		{
			// "A host MUST NOT discard a datagram just because it was received
			// with TTL less than 2."
			ID: "ttl-1", Title: "a TTL of 1 is enough to be delivered",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.7",
			Steps: ask(ping4(byhandtest.IPv4{TTL: 1}, 16), pong()),
		},
		{
			ID: "ttl-0", Title: "a TTL of 0 is enough to be delivered",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.7",
			Steps: ask(edit(plain, header(8, 0)), pong()),
		},
		{
			// "Bit 0: reserved, must be zero". Of one that is set no RFC says
			// that it be discarded (RFC 1122 §3.2.1.8 does of options).
			ID: "reserved-flag", Title: "the reserved flag of a request is not copied to the reply",
			Requirement: suite.Must, RFC: "RFC 791 §3.1",
			Place: "network/ipv4/icmp.go sendICMPEchoReply",
			Steps: ask(ping4(byhandtest.IPv4{Reserved: true}, 16), suite.AnyOf(pong(), suite.Silence())),
		},
		{
			ID: "not-ours", Title: "a datagram for another address is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.3",
			Steps: ask(ping4(byhandtest.IPv4{Dst: "172.16.0.77"}, 16), suite.Silence()),
		},
	}
}
