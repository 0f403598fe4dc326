// Package wire reads Internet packets by hand: it decodes IPv4, IPv6 with its
// extension headers, ICMPv4, ICMPv6, TCP and UDP from bytes, computes the
// one's complement checksums of RFC 1071, and explains both to a reader.
//
// It rests on the standard library alone and shares no code with the stack
// whose work it judges: an agreement of two implementations proves something
// only while they are two. A test enforces that.
//
// # Tour
//
//   - checksum.go: the arithmetic: [Sum], [Checksum], [PseudoHeader].
//   - packet.go: [Packet] and [Packet.Decode], the way from bytes to fields.
//   - ipv4.go, ipv6.go: the two network headers, IPv4 options, IPv6
//     extension headers.
//   - transport.go: ICMP, TCP and UDP headers.
//   - problem.go: [Problem], the closed list of what can be wrong with the
//     shape of a packet.
//   - verdict.go: [Packet.Checksums], which compares each checksum seen with
//     the one computed by hand.
//   - offload.go: [Offload], sums and segments that a sender has left to
//     hardware, and what they look like.
//   - names.go, names_icmp.go: numbers in words: [ProtocolName],
//     [ICMPTypeName], [TCPFlagString] and others.
//   - explain.go: [Explain], the patient teacher. teller.go sets its page, and
//     a file for each part of a packet says what stands there:
//     explain_ipv4.go and explain_ipv4_options.go, explain_ipv6.go and
//     explain_ipv6_extensions.go, explain_icmp.go, explain_icmpv6.go,
//     explain_tcp.go, explain_udp.go. explain_problem.go tells what is wrong,
//     explain_checksum.go and explain_verdict.go work out a checksum on paper.
//   - explain_reply.go: [ExplainReply], how an echo reply is built from its
//     request, with explain_reply_ip.go, explain_reply_options.go and
//     explain_reply_icmp.go.
//
// All numbers are in network byte order on the wire and in host order in the
// structs. Decoding borrows: a [Packet] points into the bytes it was decoded
// from and is valid only as long as they are unchanged. Nothing here starts a
// goroutine, keeps state between calls or panics, whatever the bytes.
package wire
