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
//   - explain.go and its kin: [Explain], the patient teacher.
//
// All numbers are in network byte order on the wire and in host order in the
// structs. Decoding borrows: a [Packet] points into the bytes it was decoded
// from and is valid only as long as they are unchanged. Nothing here starts a
// goroutine, keeps state between calls or panics, whatever the bytes.
package wire
