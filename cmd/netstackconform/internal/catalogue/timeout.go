package catalogue

import (
	"time"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
)

// overdue is longer than any host here keeps fragments: 30 s over IPv4 and 60 s
// over IPv6, which is all that RFC 8200 §4.5 leaves. RFC 1122 §3.3.2 recommends 60 s
// to 120 s, so that one may come that is right and too slow for this.
const overdue = 63 * time.Second

// timeouts are cases of datagrams that do not become whole.
func timeouts() []suite.Case {
	first, late := piece{0, 24, true}, piece{24, 24, true}
	ping4, ping6 := ping4(byhandtest.IPv4{}, 64), ping6(byhandtest.IPv6{}, 64)
	datagram := one(func(x *suite.Exchange) []byte { return x.UDP4(suite.EchoPort, 64) })
	wait := func(s send, want suite.Want, parts ...piece) []suite.Step {
		return []suite.Step{{Send: pieces(s, parts...), Wait: overdue, Want: want}}
	}
	exceeded := func(kind uint8) suite.Want { return suite.Reply(suite.Error(kind, 1)) }
	return []suite.Case{
		{
			// "If this timeout expires, the partially-reassembled datagram MUST be
			// discarded and an ICMP Time Exceeded message sent to the source host
			// (if fragment zero has been received)."
			ID: "fragments-timeout", Title: "a request that does not become whole in time is reported",
			Requirement: suite.Must, RFC: "RFC 1122 §3.3.2", Slow: true, Long: true,
			Place: "network/ipv4/icmp.go returnError",
			Steps: wait(ping4, exceeded(suite.TimeExceeded4), first),
		},
		{
			ID: "fragments-timeout-udp", Title: "so is a datagram",
			Requirement: suite.Must, RFC: "RFC 1122 §3.3.2", Slow: true, Long: true,
			Steps: wait(datagram, exceeded(suite.TimeExceeded4), first),
		},
		{
			ID: "fragments-timeout-late", Title: "one whose first fragment is not there is not",
			Requirement: suite.Must, RFC: "RFC 1122 §3.3.2", Slow: true, Long: true,
			Steps: wait(ping4, suite.Silence(), late),
		},
		{
			// "If the first fragment ... has been received, an ICMP Time Exceeded
			// -- Fragment Reassembly Time Exceeded message should be sent to the
			// source of that fragment."
			ID: "fragments6-timeout", Title: "a request that does not become whole in time is reported, over IPv6",
			Requirement: suite.Should, RFC: "RFC 8200 §4.5", Slow: true, Long: true,
			Steps: wait(ping6, exceeded(suite.TimeExceeded6), first),
		},
		{
			ID: "fragments6-timeout-late", Title: "one whose first fragment is not there is not, over IPv6",
			Requirement: suite.Should, RFC: "RFC 8200 §4.5", Slow: true, Long: true,
			Steps: wait(ping6, suite.Silence(), late),
		},
	}
}
