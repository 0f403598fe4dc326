// Package guard keeps from netstack what would harm it, and nothing else; and,
// if it is strict, mends at the link what netstack does otherwise than the RFCs
// say. Each harm has a reason of its own, and each mend a name, so that traces and
// counts say what was done and why.
//
// A mend changes a packet on its way, ends it, or answers in netstack's place. The hooks behind see what came
// and what netstack made, unmended, and what was done about it. Packets that need no mend pass as
// they are.
//
// # Tour
//
//   - guard.go: [Guard], the hook.
//   - reply_length.go: the harm: an echo request in fragments whose reply would be
//     longer than any datagram panics the process inside gVisor.
//   - mends.go: [Mend], the list of them, and [ParseMode], which leaves some out.
//   - outbound.go: the mends of what netstack sends.
//   - inbound.go: those of what it gets: options.go of IPv4 options, syn.go of the
//     beginning of a TCP connection.
//   - byhand.go: the mends that answer in netstack's place.
//   - reason.go: the closed list of reasons.
package guard
