// Package catalogue has the conformance cases. Each file is a group, in the
// order of the table: header4.go, options4.go, fragments.go, echo.go, errors.go,
// queries.go, udp.go, tcp.go, offload.go, ipv6.go, neighbour.go, addresses.go.
// Beside them stand options4_edges.go, options4_routes.go, fragments4.go,
// fragments6.go, ecn.go, timeout.go, errors4.go, queries4.go, udp_edges.go,
// tcp_checksum.go, tcp_options.go, tcp_connected.go, tcp_stream.go, tcp_close.go,
// tcp_window.go, tcp_shut.go, tcp_errors.go, extensions.go, neighbour_checks.go and
// neighbour_others.go, which are of the groups that they are named for (ecn.go and
// timeout.go of the fragments, extensions.go of IPv6), catalogue.go, all of them in
// a row, and build.go, what makes packets.
//
// # How to add a case
//
// Append a [suite.Case] to the list of its group; there is nothing to register.
// A group may have several files: add a list in a new file to the group's entry
// in catalogue.go.
//
//	{
//		ID: "ttl-1", Title: "a TTL of 1 is enough to be delivered",
//		Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.7",
//		// "A host MUST NOT discard a datagram just because it was received
//		// with TTL less than 2."
//		Steps: ask(ping4(byhandtest.IPv4{TTL: 1}, 16), suite.Reply(suite.EchoReply(0))),
//	},
//
// The ID never changes. What is wanted is what the RFC says, whatever any host
// does; where it leaves something open, say so with [suite.AnyOf]. Quote the RFC
// where somebody might doubt it. The group's name is filled in.
//
// ask is one step. A conversation is written out as several [suite.Step]s, whose
// Send sees the replies before it (x.Got, x.Last). The methods of
// [suite.Exchange] make right packets from addresses, a port and an identifier
// that no other case has; byhandtest makes all others, and edit spoils either.
// Make echo requests with x.Echo, x.Ping4 or x.Ping6: [suite.EchoReply] compares
// with what they made. If the datagram that an error quotes is not the first
// packet sent, put it into x.Request.
//
// Every reply that is wanted has to be well-formed, with right checksums, from
// an address of the host, without the reserved flag; matches only add to that.
//
// Then run it: netstackconform -case ttl-1 -v shows every packet in words. If
// netstack deviates, set Place to the file and function of gVisor where it does;
// a test wants both to exist. If the reference host deviates, either the case is
// wrong or hooks/byhand: the RFC tells which. A case that kills a host is Deadly,
// one that has to wait is Slow, and Long if that is more than 5 s.
package catalogue
