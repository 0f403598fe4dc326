package catalogue

import (
	"bytes"
	"fmt"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// unknownProtocol is one that no host here speaks (IANA: for experiments are 253
// and 254; 200 is unassigned).
const unknownProtocol = 200

func icmpErrors() []suite.Case {
	closed := func(n int) send {
		return one(func(x *suite.Exchange) []byte { return x.UDP4(suite.ClosedPort, n) })
	}
	return []suite.Case{
		{
			// "If a datagram arrives addressed to a UDP port for which there is
			// no pending LISTEN call, UDP SHOULD send an ICMP Port Unreachable
			// message."
			ID: "udp-closed-port", Title: "a closed UDP port is reported",
			Requirement: suite.Should, RFC: "RFC 1122 §4.1.3.1",
			Steps: ask(closed(16), suite.Reply(suite.Error(suite.Unreachable4, 3))),
		},
		{
			// A host "SHOULD generate Destination Unreachable messages with code:
			// 2 (Protocol Unreachable), when the designated transport protocol is
			// not supported".
			ID: "protocol-unknown", Title: "an unknown protocol is reported",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.1",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return x.V4(byhandtest.IPv4{Protocol: unknownProtocol}).Packet(byhandtest.Data(16))
			}), suite.Reply(suite.Error(suite.Unreachable4, 2))),
		},
		{
			// "the ICMP datagram SHOULD contain as much of the original datagram
			// as possible without the length of the ICMP datagram exceeding 576
			// bytes", which suite.Error judges.
			ID: "error-length", Title: "an error about a long datagram has at most 576 bytes",
			Requirement: suite.Should, RFC: "RFC 1812 §4.3.2.3",
			Steps: ask(closed(1400), suite.Reply(suite.Error(suite.Unreachable4, 3))),
		},
		{
			// "An ICMP error message SHOULD be sent with normal (i.e., zero) TOS
			// bits." Routers may use precedence 6 (RFC 1812 §4.3.2.5), as Linux does.
			ID: "error-tos", Title: "an error has a type of service of 0, whatever it is about",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2",
			Steps: ask(edit(closed(16), header(1, 0x28)),
				suite.Reply(suite.Error(suite.Unreachable4, 3), suite.TOS0())),
		},
		{
			// "An ICMP error message MUST NOT be sent as the result of receiving:
			// an ICMP error message". The bad option would call for one.
			ID: "error-about-error", Title: "no error about an error",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				m := append([]byte{3, 1, 0, 0, 0, 0, 0, 0}, x.UDP4(suite.ClosedPort, 0)...)
				put16(m, 2, byhandtest.Checksum(m))
				return x.V4(byhandtest.IPv4{Options: []byte{0x5e, 0, 0, 0}}).Packet(m)
			}), suite.Silence()),
		},
		{
			// "... a datagram destined to an IP broadcast or IP multicast address".
			ID: "error-about-broadcast", Title: "no error about a broadcast",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return byhandtest.UDP{SrcPort: x.Port, DstPort: suite.ClosedPort}.Packet(x.Peer4, suite.Broadcast4)
			}), suite.Silence()),
		},
		{
			ID: "error-about-multicast", Title: "no error about a multicast",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return byhandtest.UDP{SrcPort: x.Port, DstPort: suite.ClosedPort}.Packet(x.Peer4, "224.0.0.1")
			}), suite.Silence()),
		},
		{
			// "... a datagram whose source address does not define a single host
			// -- e.g., a zero address, a loopback address, a broadcast address, a
			// multicast address, or a Class E address."
			ID: "error-to-class-e", Title: "no error to a class E address",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Place: "network/ipv4/icmp.go returnError",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return byhandtest.UDP{SrcPort: x.Port, DstPort: suite.ClosedPort}.Packet("240.1.2.3", suite.Host4)
			}), suite.Silence()),
		},
		{
			ID: "udp6-closed-port", Title: "a closed UDP port is reported, over IPv6",
			Requirement: suite.Should, RFC: "RFC 4443 §3.1",
			Steps: ask(one(func(x *suite.Exchange) []byte { return x.UDP6(suite.ClosedPort, 16) }),
				suite.Reply(suite.Error(suite.Unreachable6, 4))),
		},
		{
			// "Every ICMPv6 error message (type < 128) MUST include as much of the
			// IPv6 offending (invoking) packet ... as possible without making the
			// error message packet exceed the minimum IPv6 MTU".
			ID: "error6-length", Title: "an error about a long packet has 1,280 bytes",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(one(func(x *suite.Exchange) []byte { return x.UDP6(suite.ClosedPort, 1400) }),
				suite.Reply(suite.Error(suite.Unreachable6, 4))),
		},
		{
			// "Every ICMPv6 error message (type < 128) MUST include as much of the IPv6
			// offending (invoking) packet ... as possible": what came behind that, by
			// its own length, is not of it.
			ID: "error6-quotes-trailing", Title: "an error quotes no more than the packet, over IPv6",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Place: "network/ipv6/icmp.go returnError",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				x.Request = x.Ping6(byhandtest.IPv6{Extensions: []byhandtest.Extension{destination(0x9e)}}, 16)
				return append(bytes.Clone(x.Request), 1, 2, 3)
			}), suite.Reply(suite.Error(suite.BadParameter6, 2), suite.That("no more quoted than the packet", func(x *suite.Exchange, p *wire.Packet) string {
				if n := len(p.Data()) - 8; n > len(x.Request) {
					return fmt.Sprintf("it quotes %d bytes of a packet of %d", n, len(x.Request))
				}
				return ""
			}))),
		},
		{
			// Nor less, though behind a datagram's own length there may be bytes that
			// are not of the datagram.
			ID: "error6-quotes-behind-udp", Title: "an error quotes what is behind a UDP datagram, too, over IPv6",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Place: "header/parse/parse.go UDP",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				d := byhandtest.UDP{SrcPort: x.Port, DstPort: suite.ClosedPort, Data: byhandtest.Data(8)}.Datagram(suite.Near6, suite.Host6)
				h := x.V6(byhandtest.IPv6{Protocol: wire.ProtocolUDP, Extensions: []byhandtest.Extension{destination(0x9e)}})
				x.Request = h.Packet(append(d, byhandtest.Data(24)...))
				return x.Request
			}), suite.Reply(suite.Error(suite.BadParameter6, 2), suite.That("all of the packet quoted", func(x *suite.Exchange, p *wire.Packet) string {
				if n := len(p.Data()) - 8; n != len(x.Request) {
					return fmt.Sprintf("it quotes %d bytes of a packet of %d", n, len(x.Request))
				}
				return ""
			}))),
		},
		{
			ID: "error6-about-multicast", Title: "no error about a multicast, over IPv6",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return byhandtest.UDP{SrcPort: x.Port, DstPort: suite.ClosedPort}.Packet(x.Peer6, "ff02::1")
			}), suite.Silence()),
		},
	}
}
