package catalogue

import (
	"fmt"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// neighbourOthers are messages of Neighbour Discovery that are not to be
// answered, and must change nothing unless they are valid.
func neighbourOthers() []suite.Case {
	// from is a message with a hop limit, from a link-local address, as
	// advertisements and redirects of routers must be, or from the case.
	from := func(src string, hops, kind byte, body []byte) send {
		return one(func(x *suite.Exchange) []byte {
			h := x.V6(byhandtest.IPv6{Src: src, HopLimit: hops})
			m := append([]byte{kind, 0, 0, 0}, body...)
			put16(m, 2, sumBetween(h.Src, h.Dst, wire.ProtocolICMPv6, m))
			return h.Packet(m)
		})
	}
	const router = "fe80::77"
	// A router advertisement that sets the hop limit to 33 (RFC 4861 §4.2), a
	// neighbour advertisement that overrides, a redirect.
	advertised := []byte{33, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0}
	target := suite.Prefix6.Addr().AsSlice()
	neighbour := append(append([]byte{0x60, 0, 0, 0}, target...), 2, 1, 2, 0, 0, 0, 0, 9)
	redirect := append(append([]byte{0, 0, 0, 0}, target...), target...)
	same := suite.That("the hop limit of before", func(x *suite.Exchange, p *wire.Packet) string {
		if want := x.Got[0].IPv6.HopLimit; p.IPv6.HopLimit != want {
			return fmt.Sprintf("its hop limit is %d, not %d", p.IPv6.HopLimit, want)
		}
		return ""
	})
	// changesNothing pings, sends, and pings again.
	changesNothing := func(s send) []suite.Step {
		return []suite.Step{
			{Send: ping6(byhandtest.IPv6{}, 16), Want: pong()},
			{Send: s, Want: suite.Silence()},
			{Send: ping6(byhandtest.IPv6{}, 16), Want: suite.Reply(suite.EchoReply(0), same)},
		}
	}
	return []suite.Case{
		{
			// "A node MUST silently discard any received Router Advertisement
			// messages that do not satisfy all of the following validity checks":
			// "The IP Hop Limit field has a value of 255".
			ID: "router-advertisement-hop-limit", Title: "a router advertisement that may be from beyond the link changes nothing",
			Requirement: suite.Must, RFC: "RFC 4861 §6.1.2",
			Steps: changesNothing(from(router, 254, 134, advertised)),
		},
		{
			// "- IP Source Address is a link-local address."
			ID: "router-advertisement-source", Title: "a router advertisement from a global address changes nothing",
			Requirement: suite.Must, RFC: "RFC 4861 §6.1.2",
			Steps: changesNothing(from("", 255, 134, advertised)),
		},
		{
			// "- ICMP length (derived from the IP length) is 16 or more octets."
			ID: "router-advertisement-short", Title: "a router advertisement of less than 16 bytes changes nothing",
			Requirement: suite.Must, RFC: "RFC 4861 §6.1.2",
			Steps: changesNothing(from(router, 255, 134, advertised[:8])),
		},
		{
			// "- All included options have a length that is greater than zero."
			ID: "router-advertisement-option", Title: "a router advertisement with an option of length 0 changes nothing",
			Requirement: suite.Must, RFC: "RFC 4861 §6.1.2",
			Steps: changesNothing(from(router, 255, 134, append(advertised[:12:12], 1, 0, 0, 0, 0, 0, 0, 0))),
		},
		{
			// "A node MUST silently discard any received Neighbor Advertisement
			// messages that do not satisfy all of the following validity checks".
			ID: "advertisement-hop-limit", Title: "a neighbour advertisement that may be from beyond the link is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §7.1.2",
			Steps: changesNothing(from("", 254, 136, neighbour)),
		},
		{
			// "- If the IP Destination Address is a multicast address the Solicited
			// flag is zero."
			ID: "advertisement-solicited-group", Title: "a solicited advertisement to a group is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §7.1.2",
			Steps: changesNothing(one(func(x *suite.Exchange) []byte {
				return byhandtest.Neighbour{Advertisement: true, Flags: 0x60, Target: x.Peer6}.Packet(x.Peer6, "ff02::1")
			})),
		},
		{
			// "A host MUST silently discard any received Redirect message that does
			// not satisfy all of the following validity checks".
			ID: "redirect6-hop-limit", Title: "a redirect that may be from beyond the link is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §8.1",
			Steps: changesNothing(from(router, 254, 137, redirect)),
		},
		{
			// "- IP Source Address is a link-local address."
			ID: "redirect6-source", Title: "a redirect from a global address is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4861 §8.1",
			Steps: changesNothing(from("", 255, 137, redirect)),
		},
		{
			// "if the node is a router, it MUST set the Router flag to one;
			// otherwise, it MUST set the flag to zero."
			ID: "solicitation-router-flag", Title: "a host's advertisement does not say that it is a router",
			Requirement: suite.Must, RFC: "RFC 4861 §7.2.4",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return byhandtest.Neighbour{Target: suite.Host6}.Packet(x.Peer6, suite.Host6)
			}), suite.Reply(suite.Advertisement(""), suite.That("router flag of 0", func(_ *suite.Exchange, p *wire.Packet) string {
				if p.Data()[4]&0x80 != 0 {
					return "it says that the host is a router"
				}
				return ""
			}))),
		},
	}
}
