package catalogue

import (
	"fmt"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// Codepoints of the ECN field (RFC 3168 §5).
const (
	notECT = iota
	ect1
	ect0
	ce
)

// A version is one of the two ways to ping with an ECN field.
type version struct {
	suffix, in string
	ping       func(ecn byte) send
	mark       func(b []byte, ecn byte)
	place      string
}

func versions() []version {
	return []version{
		{"", "", func(ecn byte) send { return ping4(byhandtest.IPv4{TOS: ecn}, 64) },
			func(b []byte, ecn byte) { header(1, b[1]&^3|ecn)(b) }, "network/ipv4/ipv4.go deliverPacketLocally"},
		{"6", ", over IPv6", func(ecn byte) send { return ping6(byhandtest.IPv6{TrafficClass: ecn}, 64) },
			func(b []byte, ecn byte) { b[1] = b[1]&^0x30 | ecn<<4 }, "network/ipv6/ipv6.go processFragmentExtHdr"},
	}
}

// inFragments pings in as many fragments as there are ECN fields.
func (v version) inFragments(ecn ...byte) send {
	return func(x *suite.Exchange) [][]byte {
		cuts := []int{24, 48}[:len(ecn)-1]
		packets := cut(v.ping(notECT), cuts)(x)
		for i := range packets {
			v.mark(packets[i], ecn[i])
		}
		return packets
	}
}

// likeReply fits an echo reply with the ECN field of the nth reply before, which
// was to a whole request: whether a host returns the field is its own affair.
func likeReply(n int) suite.Match {
	field := func(p *wire.Packet) byte { return p.IPv4.TOS&3 | p.IPv6.TrafficClass&3 }
	return suite.All(suite.EchoReply(0), suite.That("with the ECN field of that to a whole request", func(x *suite.Exchange, p *wire.Packet) string {
		if n >= len(x.Got) {
			return "no reply came to that"
		}
		if got, want := field(p), field(x.Got[n]); got != want {
			return fmt.Sprintf("its ECN field is %d, not %d", got, want)
		}
		return ""
	}))
}

// ecn are the cases of RFC 3168 §5.3: "Reassembly of a fragmented packet MUST
// NOT lose indications of congestion. In other words, if any fragment of an IP
// packet to be reassembled has the CE codepoint set, then one of two actions
// MUST be taken: Set the CE codepoint on the reassembled packet. However, this
// MUST NOT occur if any of the other fragments contributing to this reassembly
// carries the Not-ECT codepoint. [Or] the packet is dropped".
func ecn() (cases []suite.Case) {
	for _, v := range versions() {
		whole := func(ecn byte) suite.Step { return suite.Step{Send: v.ping(ecn), Want: pong()} }
		split := func(want suite.Want, ecn ...byte) suite.Step {
			return suite.Step{Send: v.inFragments(ecn...), Want: want}
		}
		orDropped := suite.AnyOf(suite.Reply(likeReply(0)), suite.Silence())
		cases = append(cases,
			suite.Case{
				ID: "fragments" + v.suffix + "-ecn-congestion", Title: "congestion that one fragment met is not forgotten" + v.in,
				Requirement: suite.Must, RFC: "RFC 3168 §5.3", Place: v.place,
				Steps: []suite.Step{whole(ce), split(orDropped, ect0, ce), split(orDropped, ce, ect1, ect1)},
			},
			suite.Case{
				ID: "fragments" + v.suffix + "-ecn-incapable", Title: "congestion of a sender that does not know of it drops the datagram" + v.in,
				Requirement: suite.Must, RFC: "RFC 3168 §5.3", Place: v.place,
				Steps: []suite.Step{split(suite.Silence(), notECT, ce), split(suite.Silence(), ce, notECT, notECT)},
			},
			suite.Case{
				// "Reassembly of a fragmented packet MUST NOT change the ECN
				// codepoint when all of the fragments carry the same codepoint."
				ID: "fragments" + v.suffix + "-ecn-same", Title: "what all fragments say is what the datagram says" + v.in,
				Requirement: suite.Must, RFC: "RFC 3168 §5.3",
				Steps: []suite.Step{
					whole(notECT), split(suite.Reply(likeReply(0)), notECT, notECT),
					whole(ect1), split(suite.Reply(likeReply(2)), ect1, ect1),
					whole(ect0), split(suite.Reply(likeReply(4)), ect0, ect0, ect0),
					whole(ce), split(suite.Reply(likeReply(6)), ce, ce),
				},
			})
	}
	return cases
}
