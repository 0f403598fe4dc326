package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

func addresses() []suite.Case {
	from4 := func(src string) []suite.Step { return ask(ping4(byhandtest.IPv4{Src: src}, 16), suite.Silence()) }
	from6 := func(src string) []suite.Step { return ask(ping6(byhandtest.IPv6{Src: src}, 16), suite.Silence()) }
	return []suite.Case{
		{
			// "A host MUST silently discard an incoming datagram containing an IP
			// source address that is invalid by the rules of this section."
			ID: "source-loopback", Title: "127/8 is not on any wire as a source",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.3",
			Steps: from4("127.0.0.1"),
		},
		{
			ID: "destination-loopback", Title: "127/8 is not on any wire as a destination",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.3",
			Steps: ask(ping4(byhandtest.IPv4{Dst: "127.0.0.1"}, 16), suite.Silence()),
		},
		{
			ID: "source-broadcast", Title: "the subnet's broadcast address is no source",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.3",
			Steps: from4(suite.Broadcast4),
		},
		{
			ID: "source-limited-broadcast", Title: "255.255.255.255 is no source",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.3",
			Steps: from4("255.255.255.255"),
		},
		{
			ID: "source-multicast", Title: "a multicast address is no source",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.3",
			Steps: from4("224.0.0.9"),
		},
		{
			// "{0, 0}: This host on this network. MUST NOT be sent, except as a
			// source address as part of an initialization procedure". No reply can
			// be sent to it.
			ID: "source-unspecified", Title: "a ping from 0.0.0.0 is not answered",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.3",
			Place: "network/ipv4/ipv4.go handleValidatedPacket",
			Steps: from4("0.0.0.0"),
		},
		{
			// "{0, <Host-number>}: Specified host on this network. It MUST NOT be
			// sent, except as a source address as part of an initialization
			// procedure".
			ID: "source-this-network", Title: "nor is one from 0.1.2.3",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.3",
			Place: "network/ipv4/ipv4.go handleValidatedPacket",
			Steps: from4("0.1.2.3"),
		},
		{
			// No RFC says that a host must look for its own address there.
			ID: "source-own", Title: "a ping from the host's own address may be discarded",
			Requirement: suite.May, RFC: "RFC 1122 §3.2.1.3",
			Steps: ask(ping4(byhandtest.IPv4{Src: suite.Host4}, 16), suite.AnyOf(suite.Silence(),
				suite.Reply(suite.That("an echo reply", func(_ *suite.Exchange, p *wire.Packet) string {
					if p.Upper != wire.LayerICMPv4 || p.ICMP.Type != wire.ICMPv4EchoReply {
						return "not an echo reply"
					}
					return ""
				})))),
		},
		{
			ID: "source6-loopback", Title: "::1 is not on any wire as a source",
			Requirement: suite.Must, RFC: "RFC 4291 §2.5.3",
			Steps: from6("::1"),
		},
		{
			ID: "source6-multicast", Title: "a multicast address is no source, over IPv6",
			Requirement: suite.Must, RFC: "RFC 4291 §2.7",
			Steps: from6("ff02::1"),
		},
		{
			ID: "source6-unspecified", Title: "a ping from :: is not answered",
			Requirement: suite.Must, RFC: "RFC 4291 §2.5.2",
			Place: "network/ipv6/icmp.go handleICMP",
			Steps: from6("::"),
		},
	}
}
