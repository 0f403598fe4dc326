// Package byhand is the reference host: a tiny IP host written from the RFCs
// and nothing else, which says of each inbound packet what a host that owns
// the given addresses must, may, or must not answer.
//
// It rests on hooks/wire and the standard library alone. It sends nothing; the
// caller compares its prediction with what another host did.
//
// # Tour
//
//   - host.go: [Host] and [Host.Inbound], the way of a packet through it.
//   - change.go: [Host.Change], ports that open and close.
//   - prediction.go: [Prediction], and the closed list of reasons for silence.
//   - address.go: whose address is it (RFC 1122 §3.2.1.3, RFC 4291).
//   - reassembly.go, datagram.go: [Reassembler], fragments to datagrams, in
//     bounded memory; and where two hosts that are both right may differ.
//   - ecn.go: the ECN field of fragments (RFC 3168 §5.3).
//   - timeout.go: [Host.Timeouts], datagrams that did not become whole.
//   - echo.go: the echo reply, ICMPv4 and ICMPv6.
//   - unreachable.go: what nobody here takes, and what cannot be taken.
//   - segment.go, flows.go: TCP segments without a connection, and who may have
//     one.
//   - neighbour.go: neighbour solicitations.
//   - errors.go, icmp.go: ICMP errors, and about what none may be sent.
//   - options.go: IPv4 options on their way from request to reply.
//   - extensions.go: IPv6 extension headers that forbid an answer, call for an
//     error, or leave it open.
//
// It has rules for the IP headers, the checksums, ICMP echo and errors,
// closed ports, the beginning of a TCP connection and neighbour solicitations;
// of every other sound packet it has no opinion.
package byhand
