package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
)

// pieces sends parts of the data of a whole packet as fragments: each is an
// offset, a length, and whether more follow.
func pieces(s send, parts ...piece) send {
	return func(x *suite.Exchange) [][]byte {
		whole := s(x)[0]
		header := 20
		if whole[0]>>4 == 6 {
			header = 40
		}
		packets := make([][]byte, 0, len(parts))
		for _, p := range parts {
			data := whole[header+p.offset : header+p.offset+p.n]
			packets = append(packets, byhandtest.Fragment(whole[:header], data, uint32(x.ID), p.offset, p.more))
		}
		return packets
	}
}

type piece struct {
	offset, n int
	more      bool
}

func fragments() []suite.Case {
	whole4, whole6 := ping4(byhandtest.IPv4{}, 64), ping6(byhandtest.IPv6{}, 64) // 72 bytes of ICMP
	return []suite.Case{
		{
			ID: "fragments-in-order", Title: "three fragments are one request",
			Requirement: suite.Must, RFC: "RFC 1122 §3.3.2",
			Steps: ask(cut(whole4, []int{24, 48}), pong()),
		},
		{
			ID: "fragments-backwards", Title: "fragments may come in any order",
			Requirement: suite.Must, RFC: "RFC 1122 §3.3.2",
			Steps: ask(cut(whole4, []int{24, 48}, 2, 1, 0), pong()),
		},
		{
			ID: "fragments-duplicate", Title: "a fragment that comes twice does no harm",
			Requirement: suite.Must, RFC: "RFC 1122 §3.3.2",
			Steps: ask(cut(whole4, []int{24, 48}, 0, 1, 1, 2), pong()),
		},
		{
			ID: "fragments-last-of-1-byte", Title: "a last fragment of one byte counts",
			Requirement: suite.Must, RFC: "RFC 1122 §3.3.2",
			Steps: ask(cut(ping4(byhandtest.IPv4{}, 57), []int{64}), pong()),
		},
		{
			// The message is of 65,516 bytes, the datagram of 65,536, one more
			// than a total length can say.
			ID: "fragments-too-long", Title: "a datagram of more than 65,535 bytes is no datagram",
			Requirement: suite.Must, RFC: "RFC 791 §3.1", Deadly: true,
			Place: "network/ipv4/icmp.go sendICMPEchoReply",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				e := x.Echo(65516 - 8)
				message, h := e.Request4(), x.V4(byhandtest.IPv4{}).Packet(nil)
				var packets [][]byte
				for at := 0; at < len(message); at += 1480 {
					end := min(at+1480, len(message))
					packets = append(packets, byhandtest.Fragment(h, message[at:end], uint32(x.ID), at, end < len(message)))
				}
				return packets
			}, suite.Silence()),
		},
		{
			ID: "fragments6-in-order", Title: "three fragments are one request, over IPv6",
			Requirement: suite.Must, RFC: "RFC 8200 §4.5",
			Steps: ask(cut(whole6, []int{24, 48}), pong()),
		},
		{
			ID: "fragments6-backwards", Title: "fragments may come in any order, over IPv6",
			Requirement: suite.Must, RFC: "RFC 8200 §4.5",
			Steps: ask(cut(whole6, []int{24, 48}, 2, 0, 1), pong()),
		},
		{
			// "... the entire datagram (and any constituent fragments, including
			// those not yet received) MUST be silently discarded."
			ID: "fragments6-overlap", Title: "fragments that overlap are silently discarded, all",
			Requirement: suite.Must, RFC: "RFC 5722 §4",
			Steps: ask(pieces(whole6, piece{0, 32, true}, piece{24, 24, true}, piece{48, 24, false}), suite.Silence()),
		},
		{
			// "If the length of a fragment, as derived from the fragment packet's
			// Payload Length field, is not a multiple of 8 octets and the M flag
			// of that fragment is 1, then that fragment must be discarded and an
			// ICMP Parameter Problem, Code 0, message should be sent to the source
			// of the fragment, pointing to the Payload Length field."
			ID: "fragments6-not-multiple-of-8", Title: "a fragment of odd length is a parameter problem",
			Requirement: suite.Should, RFC: "RFC 8200 §4.5",
			Steps: ask(pieces(whole6, piece{0, 30, true}),
				suite.Reply(suite.Error(suite.BadParameter6, 0), suite.Pointer(4))),
		},
		{
			// "... that fragment must be discarded and an ICMP Parameter Problem,
			// Code 0, message should be sent to the source of the fragment,
			// pointing to the Fragment Offset field of the fragment packet."
			ID: "fragments6-too-long", Title: "a fragment past 65,535 bytes is a parameter problem",
			Requirement: suite.Should, RFC: "RFC 8200 §4.5",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				h := x.V6(byhandtest.IPv6{}).Packet(nil)
				return byhandtest.Fragment(h, byhandtest.Data(16), uint32(x.ID), 65528, false)
			}), suite.Reply(suite.Error(suite.BadParameter6, 0), suite.Pointer(42))),
		},
		{
			// "A host that receives an IPv6 packet that includes a Fragment Header
			// with the "Fragment Offset" equal to 0 and the "M" flag equal to 0
			// MUST process that packet in isolation from any other
			// packets/fragments, even if such packets/fragments contain the same
			// set {IPv6 Source Address, IPv6 Destination Address, Fragment
			// Identification}."
			ID: "fragments6-atomic", Title: "an atomic fragment is handled alone",
			Requirement: suite.Must, RFC: "RFC 6946 §4",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				open := pieces(whole6, piece{0, 24, true})(x)
				x.Echoes = nil
				return append(open, cut(whole6, nil)(x)...)
			}, pong()),
		},
		{
			// "Nodes MUST silently ignore the following Neighbor Discovery and
			// SEcure Neighbor Discovery messages if the packets carrying them
			// include an IPv6 Fragmentation Header: ... Neighbor Solicitation".
			ID: "fragments6-solicitation", Title: "neighbour discovery in a fragment is silently ignored",
			Requirement: suite.Must, RFC: "RFC 6980 §5",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				whole := byhandtest.Neighbour{Target: suite.Host6}.Packet(x.Peer6, suite.Host6)
				return byhandtest.Fragment(whole[:40], whole[40:], uint32(x.ID), 0, false)
			}), suite.Silence()),
		},
	}
}
