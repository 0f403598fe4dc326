package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
)

func echo() []suite.Case {
	var lengths []int
	for n := range 130 {
		lengths = append(lengths, n)
	}
	lengths = append(lengths, 511, 512, 1023, 1471, 1472)
	replies := make([]suite.Match, len(lengths))
	for i := range lengths {
		replies[i] = suite.EchoReply(i)
	}
	return []suite.Case{
		{
			ID: "echo-lengths", Title: "echo requests of many lengths, odd ones too, are answered with their data",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(func(x *suite.Exchange) (all [][]byte) {
				for _, n := range lengths {
					all = append(all, x.Ping4(byhandtest.IPv4{}, n))
				}
				return all
			}, suite.Replies(replies...)),
		},
		{
			ID: "echo6-lengths", Title: "the same over IPv6",
			Requirement: suite.Must, RFC: "RFC 4443 §4.2",
			Steps: ask(func(x *suite.Exchange) (all [][]byte) {
				for _, n := range lengths {
					all = append(all, x.Ping6(byhandtest.IPv6{}, min(n, 1452)))
				}
				return all
			}, suite.Replies(replies...)),
		},
		{
			// RFC 792 knows code 0 only; what becomes of others it leaves open.
			ID: "echo-code", Title: "a request with another code may be answered",
			Requirement: suite.May, RFC: "RFC 792",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				e := x.Echo(16)
				e.Code = 9
				return x.V4(byhandtest.IPv4{}).Packet(e.Request4())
			}), suite.AnyOf(suite.Silence(), pong())),
		},
		{
			ID: "echo-checksum-bad", Title: "a wrong ICMP checksum is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 792",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				e := x.Echo(16)
				e.Spoil = 1
				return x.V4(byhandtest.IPv4{}).Packet(e.Request4())
			}), suite.Silence()),
		},
		{
			ID: "echo-checksum-other-zero", Title: "either zero of one's complement is a right checksum",
			Requirement: suite.Must, RFC: "RFC 1071 §1",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				// Data that is the checksum over zeros makes the checksum 0.
				e := x.Echo(2)
				clear(e.Data)
				copy(e.Data, e.Request4()[2:4])
				m := e.Request4()
				put16(m, 2, 0xffff)
				return x.V4(byhandtest.IPv4{}).Packet(m)
			}), pong()),
		},
		{
			ID: "echo-short", Title: "an echo request of less than 8 bytes is discarded",
			Requirement: suite.Must, RFC: "RFC 792",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				m := x.Echo(0).Request4()[:6]
				put16(m, 2, 0)
				put16(m, 2, byhandtest.Checksum(m))
				return x.V4(byhandtest.IPv4{}).Packet(m)
			}), suite.Silence()),
		},
		{
			// "An ICMP Echo Request destined to an IP broadcast or IP multicast
			// address MAY be silently discarded." A reply is from the host's own
			// address, "the specific-destination address" (§3.2.1.3).
			ID: "echo-broadcast", Title: "a request to the broadcast address may be answered, from a unicast address",
			Requirement: suite.May, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(ping4(byhandtest.IPv4{Dst: suite.Broadcast4}, 16), suite.AnyOf(suite.Silence(), pong())),
		},
		{
			ID: "echo-limited-broadcast", Title: "the same of 255.255.255.255",
			Requirement: suite.May, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(ping4(byhandtest.IPv4{Dst: "255.255.255.255"}, 16), suite.AnyOf(suite.Silence(), pong())),
		},
		{
			ID: "echo-multicast", Title: "the same of all hosts, 224.0.0.1",
			Requirement: suite.May, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(ping4(byhandtest.IPv4{Dst: "224.0.0.1"}, 16), suite.AnyOf(suite.Silence(), pong())),
		},
		{
			ID: "echo6-checksum-bad", Title: "a wrong ICMPv6 checksum is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 4443 §2.3",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				h, e := x.V6(byhandtest.IPv6{}), x.Echo(16)
				e.Spoil = 1
				return h.Packet(e.Request6(h.Src, h.Dst))
			}), suite.Silence()),
		},
		{
			// "An Echo Reply SHOULD be sent in response to an Echo Request message
			// sent to an IPv6 multicast or anycast address. In this case, the
			// source address of the reply MUST be a unicast address".
			ID: "echo6-all-nodes", Title: "a request to all nodes is answered from a unicast address",
			Requirement: suite.Should, RFC: "RFC 4443 §4.2",
			Steps: ask(ping6(byhandtest.IPv6{Dst: "ff02::1"}, 16), pong()),
		},
	}
}
