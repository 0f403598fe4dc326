package catalogue

import (
	"bytes"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
)

// inTwo makes the two fragments of an echo request, each with a header of its
// own.
func inTwo(x *suite.Exchange, first, last byhandtest.IPv4) [][]byte {
	m := x.Echo(64).Request4()
	return [][]byte{
		byhandtest.Fragment(x.V4(first).Packet(nil), m[:24], uint32(x.ID), 0, true),
		byhandtest.Fragment(x.V4(last).Packet(nil), m[24:], uint32(x.ID), 24, false),
	}
}

func fragments4() []suite.Case {
	unknown := []byte{0xde, 4, 0xaa, 0xbb} // with the copied flag
	route := []byte{7, 7, 4, 0, 0, 0, 0, 0}
	return []suite.Case{
		{
			// "The record route option is not copied on fragmentation, goes in
			// first fragment only"; one with the copied flag goes in all. So
			// headers differ in length.
			ID: "fragments-options", Title: "options are those of the first fragment, in headers of several lengths",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				return inTwo(x, byhandtest.IPv4{Options: append(bytes.Clone(unknown), route...)}, byhandtest.IPv4{Options: unknown})
			}, suite.Reply(suite.EchoReply(0), recorded(1))),
		},
		{
			// "If this is the first fragment ... this header is placed in the
			// header buffer" (§3.2): only that. A fragment like this no host
			// makes, and another may drop it.
			ID: "fragments-options-late", Title: "options of a later fragment alone are not the datagram's",
			Requirement: suite.Must, RFC: "RFC 791 §3.2",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				return inTwo(x, byhandtest.IPv4{}, byhandtest.IPv4{Options: route})
			}, suite.AnyOf(suite.Reply(suite.EchoReply(0), suite.Options4(nil)), suite.Silence())),
		},
		{
			// "The internet identification field (ID) is used together with the
			// source and destination address, and the protocol fields, to identify
			// datagram fragments for reassembly."
			ID: "fragments-of-others", Title: "fragments of another identification, protocol or source are not joined",
			Requirement: suite.Must, RFC: "RFC 791 §3.2",
			Steps: []suite.Step{
				{Send: func(x *suite.Exchange) [][]byte {
					f := inTwo(x, byhandtest.IPv4{}, byhandtest.IPv4{})
					id, protocol, source := bytes.Clone(f[1]), bytes.Clone(f[1]), bytes.Clone(f[1])
					header(4, 0xff, 0xfe)(id)
					header(9, unknownProtocol)(protocol)
					header(12, 172, 16, 253, 9)(source)
					return [][]byte{f[0], id, protocol, source}
				}, Want: suite.Silence()},
				{Send: func(x *suite.Exchange) [][]byte {
					// The message of the step before, once more.
					e := byhandtest.Echo{ID: x.ID, Seq: 1, Data: byhandtest.Data(64)}
					x.Echoes = []byhandtest.Echo{e}
					return [][]byte{byhandtest.Fragment(x.V4(byhandtest.IPv4{}).Packet(nil), e.Request4()[24:], uint32(x.ID), 24, false)}
				}, Want: pong()},
			},
		},
		{
			ID: "fragments-interleaved", Title: "fragments of two datagrams may come in turn",
			Requirement: suite.Must, RFC: "RFC 1122 §3.3.2",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				a, b := inTwo(x, byhandtest.IPv4{}, byhandtest.IPv4{}), inTwo(x, byhandtest.IPv4{}, byhandtest.IPv4{})
				for _, f := range b {
					header(4, 0x55, 0xaa)(f)
				}
				return [][]byte{a[0], b[1], a[1], b[0]}
			}, suite.Replies(suite.EchoReply(0), suite.EchoReply(1))),
		},
		{
			// "A host MUST NOT discard a datagram just because it was received
			// with TTL less than 2."
			ID: "fragments-ttl", Title: "fragments need not have the same time to live",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.7",
			Steps: ask(edit(func(x *suite.Exchange) [][]byte {
				return inTwo(x, byhandtest.IPv4{TTL: 9}, byhandtest.IPv4{TTL: 1})
			}, func(b []byte) {
				if b[8] == 1 {
					header(8, 0)(b)
				}
			}), pong()),
		},
		{
			// The least a fragment carries is 8 bytes, and a host must reassemble
			// what it gets (RFC 1122 §3.3.2). What RFC 1858 §3 and RFC 3128 have
			// filters do about it is the filters' affair.
			ID: "fragments-tiny-tcp", Title: "a segment whose header comes in three fragments is a segment",
			Requirement: suite.Must, RFC: "RFC 1122 §3.3.2",
			Steps: ask(cut(segment4(to(suite.ClosedPort, syn, isn, 0)), []int{8, 16}),
				suite.Reply(suite.Segment(rst|ack), suite.AckNumber(isn+1))),
		},
		{
			// "A host SHOULD generate Parameter Problem messages", and one about a
			// fragment with offset 0 may be sent.
			ID: "fragments-option-bad-first", Title: "a bad option in the first fragment is a parameter problem",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.5",
			Place: "network/ipv4/icmp.go returnError",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				return inTwo(x, byhandtest.IPv4{Options: badOption}, byhandtest.IPv4{})[:1]
			}, pointsTo(20)),
		},
		{
			// RFC 791 §3.2 lets "the more recently arrived copy" win, and no RFC
			// binds a host to that: what is answered is whole, though.
			ID: "fragments-overlap", Title: "fragments that overlap make no other datagram than one of the two",
			Requirement: suite.Must, RFC: "RFC 791 §3.2",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				f := pieces(one(func(x *suite.Exchange) []byte { return x.Ping4(byhandtest.IPv4{}, 64) }),
					piece{0, 32, true}, piece{24, 24, true}, piece{48, 24, false})(x)
				for i := 20; i < 28; i++ {
					f[1][i] ^= 0xff // where they overlap
				}
				return f
			}, suite.AnyOf(pong(), suite.Silence())),
		},
	}
}
