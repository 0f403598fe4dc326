package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
)

// solicitedNode is the host's solicited-node address (RFC 4291 §2.7.1).
const solicitedNode = "ff02::1:ff00:2"

// linkAddress is a source link-layer address option (RFC 4861 §4.6.1).
var linkAddress = []byte{1, 1, 2, 0, 0, 0, 0, 1}

func neighbour() []suite.Case {
	solicit := func(dst string, n byhandtest.Neighbour) send {
		return one(func(x *suite.Exchange) []byte {
			if n.Target == "" {
				n.Target = suite.Host6
			}
			return n.Packet(x.Peer6, dst)
		})
	}
	advertised := suite.Reply(suite.Advertisement(""))
	return []suite.Case{
		{
			ID: "solicitation-unicast", Title: "a unicast solicitation is answered",
			Requirement: suite.Must, RFC: "RFC 4861 §7.2.4",
			Steps: ask(solicit(suite.Host6, byhandtest.Neighbour{}), advertised),
		},
		{
			ID: "solicitation-multicast", Title: "a solicitation to the solicited-node address is answered",
			Requirement: suite.Must, RFC: "RFC 4861 §7.2.4",
			Steps: ask(solicit(solicitedNode, byhandtest.Neighbour{Options: linkAddress}), advertised),
		},
		{
			// "Otherwise, on link layers that have addresses this option MUST be
			// included in multicast solicitations": a TUN has none.
			ID: "solicitation-multicast-bare", Title: "the same without a link-layer address, on a link that has none",
			Requirement: suite.Must, RFC: "RFC 4861 §4.3",
			Place: "network/ipv6/icmp.go handleICMP",
			Steps: ask(solicit(solicitedNode, byhandtest.Neighbour{}), advertised),
		},
		{
			// "A node MUST silently discard any received Neighbor Solicitation
			// messages that do not satisfy all of the following validity checks:
			// - The IP Hop Limit field has a value of 255".
			ID: "solicitation-hop-limit", Title: "a solicitation that may be from beyond the link is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §7.1.1",
			Steps: ask(solicit(suite.Host6, byhandtest.Neighbour{HopLimit: 254}), suite.Silence()),
		},
		{
			ID: "solicitation-code", Title: "a solicitation with a code other than 0 is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §7.1.1",
			Steps: ask(solicit(suite.Host6, byhandtest.Neighbour{Code: 1}), suite.Silence()),
		},
		{
			ID: "solicitation-option-length-0", Title: "a solicitation with an option of length 0 is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §7.1.1",
			Steps: ask(solicit(suite.Host6, byhandtest.Neighbour{Options: []byte{1, 0, 2, 0, 0, 0, 0, 1}}), suite.Silence()),
		},
		{
			ID: "solicitation-other", Title: "a solicitation for another's address is not answered",
			Requirement: suite.Must, RFC: "RFC 4861 §7.2.3",
			Steps: ask(solicit(suite.Host6, byhandtest.Neighbour{Target: "fd00:172::77"}), suite.Silence()),
		},
		{
			// "If the source of the solicitation is the unspecified address, the
			// node MUST set the Solicited flag to zero and multicast the
			// advertisement to the all-nodes address."
			ID: "solicitation-unspecified", Title: "a solicitation from :: is answered to all nodes",
			Requirement: suite.Must, RFC: "RFC 4861 §7.2.4",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return byhandtest.Neighbour{Target: suite.Host6}.Packet("::", solicitedNode)
			}), suite.Reply(suite.Advertisement("ff02::1"))),
		},
	}
}
