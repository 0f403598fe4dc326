package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// badOption has a length of 0, which calls for a parameter problem.
var badOption = []byte{0x5e, 0, 0, 0}

func icmpErrors4() []suite.Case {
	unknown := func(protocol byte, n int) suite.Step {
		return suite.Step{Send: edit(one(func(x *suite.Exchange) []byte {
			return x.V4(byhandtest.IPv4{}).Packet(byhandtest.Data(n))
		}), header(9, protocol)), Want: suite.Reply(suite.Error(suite.Unreachable4, 2))}
	}
	return []suite.Case{
		{
			// Reserved, unassigned, and for experiments; 0 is IPv6's.
			ID: "protocol-unknown-any", Title: "every unknown protocol is reported, whatever its number",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.1",
			Steps: []suite.Step{unknown(0, 16), unknown(3, 16), unknown(59, 16), unknown(253, 16), unknown(255, 16)},
		},
		{
			// There are no 8 bytes to quote: the header is all there is.
			ID: "protocol-unknown-empty", Title: "a datagram of a header alone is reported, too",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.1",
			Steps: []suite.Step{unknown(unknownProtocol, 0), unknown(unknownProtocol, 1)},
		},
		{
			// "this header and data MUST be unchanged from the received datagram":
			// the option stays as it was, although a host records itself in it.
			ID: "error-quotes-option", Title: "an error quotes a record route option as it came",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Place: "network/ipv4/ipv4.go deliverPacketLocally",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				h := x.V4(byhandtest.IPv4{Protocol: wire.ProtocolUDP, Options: []byte{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}})
				return h.Packet(byhandtest.UDP{SrcPort: x.Port, DstPort: suite.ClosedPort}.Datagram(h.Src, h.Dst))
			}), suite.Reply(suite.Error(suite.Unreachable4, 3))),
		},
		{
			// The header that arrived is that of the first fragment, or that of the
			// datagram, if one takes that for what arrived: right in itself.
			ID: "error-quotes-fragments", Title: "an error about a datagram in fragments quotes a right header",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Place: "network/ipv4/ipv4.go deliverPacketLocally",
			Steps: ask(cut(one(func(x *suite.Exchange) []byte { return x.UDP4(suite.ClosedPort, 56) }), []int{32}),
				suite.Reply(quotesDatagram())),
		},
		{
			// "... an ICMP error message": unreachable, source quench, redirect,
			// time exceeded, parameter problem. The option would call for one.
			ID: "error-about-errors", Title: "no error about an error of any type",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Steps: ask(func(x *suite.Exchange) (all [][]byte) {
				for _, kind := range []byte{3, 4, 5, 11, 12} {
					m := append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, x.UDP4(suite.ClosedPort, 0)...)
					put16(m, 2, byhandtest.Checksum(m))
					all = append(all, x.V4(byhandtest.IPv4{Options: badOption}).Packet(m))
				}
				return all
			}, suite.Silence()),
		},
		{
			ID: "error-about-option-to-many", Title: "no error about a bad option of a broadcast or multicast",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Steps: ask(func(x *suite.Exchange) (all [][]byte) {
				for _, dst := range []string{suite.Broadcast4, "255.255.255.255", "224.0.0.1"} {
					all = append(all, x.Ping4(byhandtest.IPv4{Dst: dst, Options: badOption}, 16))
				}
				return all
			}, suite.Silence()),
		},
		{
			// "... a datagram whose source address does not define a single host
			// -- e.g., a zero address": one with the network number 0 is none
			// either (§3.2.1.3 (b)).
			ID: "error-to-this-network", Title: "no error to an address in 0/8",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Place: "network/ipv4/icmp.go returnError",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return byhandtest.UDP{SrcPort: x.Port, DstPort: suite.ClosedPort}.Packet("0.1.2.3", suite.Host4)
			}), suite.Silence()),
		},
	}
}

// quotesDatagram fits a port unreachable that quotes a datagram in fragments: a
// header with a right checksum, and no less than 8 bytes of data.
func quotesDatagram() suite.Match {
	return suite.That("a port unreachable that quotes the datagram", func(x *suite.Exchange, p *wire.Packet) string {
		if p.Upper != wire.LayerICMPv4 || p.ICMP.Type != suite.Unreachable4 || p.ICMP.Code != 3 {
			return "another message"
		}
		quote := p.Data()[8:]
		whole := x.UDP4(suite.ClosedPort, 56)
		switch {
		case len(quote) < 28:
			return "it quotes less than header and 8 bytes"
		case byhandtest.Checksum(quote[:20]) != 0:
			return "the header it quotes has a wrong checksum"
		case string(quote[12:28]) != string(whole[12:28]):
			return "it quotes another datagram"
		}
		return ""
	})
}
