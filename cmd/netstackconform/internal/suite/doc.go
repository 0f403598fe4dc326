// Package suite is the language in which conformance cases are written, and
// what carries them out against one host.
//
// # Tour
//
//   - case.go: [Case], [Step], [Requirement]: what a case is.
//   - address.go: who has which address.
//   - exchange.go: [Exchange], one case at one host, and the makers of its packets.
//   - want.go: [Want], what is due after a step: [Silence], [Reply], [AnyOf] …
//   - stream.go: [Stream], the bytes of a connection, in whatever segments.
//   - match.go, match_icmp.go, match_tcp.go: [Match], what a reply must be like.
//   - host.go: [Host], whom cases are run against.
//   - run.go: [Run], all cases at one host; collect.go, inbox.go: how a step's
//     replies are found, and silence is told from slowness.
//   - result.go: [Result] and [HostResult].
//
// # Silence
//
// That nothing came is known by what comes behind it: each step is followed by
// an echo request from another address, the sentinel. A host takes packets in
// the order in which they come, so when the sentinel is answered, ICMP has had
// its say. TCP and UDP may work beside; their silence has to last a moment
// longer.
package suite
