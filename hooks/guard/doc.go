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
//   - outbound.go: the mends of what netstack sends: quote.go of what errors quote.
//   - inbound.go: those of what it gets: options.go of IPv4 options, fragments.go of
//     fragments, neighbour.go of Neighbour Discovery, both ways, syn.go of the
//     beginning of a TCP connection, segment.go of what comes then, flows.go what has
//     to be known for that, and routes.go of source routes.
//   - byhand.go: the mends that answer in netstack's place: pointer.go of parameter
//     problems and what they quote; late.go: [Guard.Sweep], fragments whose time is up.
//   - change.go: [Guard.Change], other mends from the next packet on.
//   - restart.go: [Guard.Restart], when netstack begins anew.
//   - reason.go: the closed list of reasons.
package guard
