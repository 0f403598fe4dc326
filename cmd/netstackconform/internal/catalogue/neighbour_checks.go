package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

func neighbourChecks() []suite.Case {
	// probe is a solicitation from :: for the host's address.
	probe := func(dst string, options []byte) send {
		return one(func(*suite.Exchange) []byte {
			return byhandtest.Neighbour{Target: suite.Host6, Options: options}.Packet("::", dst)
		})
	}
	solicit := func(n byhandtest.Neighbour) send {
		return one(func(x *suite.Exchange) []byte { return n.Packet(x.Peer6, suite.Host6) })
	}
	return []suite.Case{
		{
			// "- ICMP Checksum is valid."
			ID: "solicitation-checksum-bad", Title: "a solicitation with a wrong checksum is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §7.1.1",
			Steps: ask(solicit(byhandtest.Neighbour{Target: suite.Host6, Spoil: 1}), suite.Silence()),
		},
		{
			// "- ICMP length (derived from the IP length) is 24 or more octets."
			ID: "solicitation-short", Title: "a solicitation of less than 24 bytes is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §7.1.1",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return x.V6(byhandtest.IPv6{HopLimit: 255}).Packet(message6(x, 135, 16))
			}), suite.Silence()),
		},
		{
			// "- Target Address is not a multicast address."
			ID: "solicitation-target-multicast", Title: "a solicitation for a multicast address is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §7.1.1",
			Steps: ask(solicit(byhandtest.Neighbour{Target: solicitedNode}), suite.Silence()),
		},
		{
			// "- If the IP source address is the unspecified address, the IP
			// destination address is a solicited-node multicast address."
			ID: "solicitation-unspecified-unicast", Title: "a solicitation from :: to a unicast address is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §7.1.1",
			Steps: ask(probe(suite.Host6, nil), suite.Silence()),
		},
		{
			// "- If the IP source address is the unspecified address, there is no
			// source link-layer address option in the message."
			ID: "solicitation-unspecified-option", Title: "a solicitation from :: with its link-layer address is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §7.1.1",
			Steps: ask(probe(solicitedNode, linkAddress), suite.Silence()),
		},
		{
			// "The contents of any defined options that are not specified to be
			// used with Neighbor Solicitation messages MUST be ignored", and
			// unknown ones (§4.3: "Receivers MUST silently ignore any options they
			// do not recognize and continue processing the message").
			ID: "solicitation-option-unknown", Title: "an unknown option in a solicitation is ignored",
			Requirement: suite.Must, RFC: "RFC 4861 §4.3",
			Steps: ask(solicit(byhandtest.Neighbour{Target: suite.Host6, Options: []byte{200, 1, 0, 0, 0, 0, 0, 0}}),
				suite.Reply(suite.Advertisement(""))),
		},
		{
			// "The contents of any defined options that are not specified to be used
			// with Neighbor Solicitation messages MUST be ignored and the packet
			// processed as normal."
			ID: "solicitation-option-other", Title: "the contents of another message's option in a solicitation are ignored",
			Requirement: suite.Must, RFC: "RFC 4861 §7.1.1",
			Place: "header/ndp_options.go Next",
			Steps: ask(solicit(byhandtest.Neighbour{Target: suite.Host6, Options: []byte{3, 1, 0, 0, 0, 0, 0, 0}}),
				suite.Reply(suite.Advertisement(""))),
		},
		{
			// "If ... the Target Link-Layer Address option is not included, the
			// Override flag SHOULD be set to zero. Otherwise, the Override flag
			// SHOULD be set to one."
			ID: "solicitation-override", Title: "only an advertisement with a link-layer address overrides",
			Requirement: suite.Should, RFC: "RFC 4861 §7.2.4",
			Place: "network/ipv6/icmp.go handleICMP",
			Steps: ask(solicit(byhandtest.Neighbour{Target: suite.Host6}), suite.Reply(suite.Advertisement(""),
				suite.That("override as there is a link-layer address", func(_ *suite.Exchange, p *wire.Packet) string {
					d := p.Data()
					switch named := len(d) > 24 && d[24] == 2; {
					case d[4]&0x20 != 0 && !named:
						return "it overrides, without a link-layer address"
					case d[4]&0x20 == 0 && named:
						return "it has a link-layer address, and does not override"
					}
					return ""
				}))),
		},
		{
			// "Hosts MUST silently discard any received Router Solicitation
			// Messages."
			ID: "router-solicitation", Title: "a host does not answer a router solicitation",
			Requirement: suite.Must, RFC: "RFC 4861 §6.1.1",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return x.V6(byhandtest.IPv6{HopLimit: 255}).Packet(message6(x, 133, 4))
			}), suite.Silence()),
		},
	}
}
