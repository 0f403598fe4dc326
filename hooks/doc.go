// Package hooks is the chain that every packet passes between the link and
// netstack, in both directions.
//
// # A packet's way
//
//	kernel ── TUN ──▶ link ──▶ hooks.Endpoint ──▶ netstack ─┐
//	                              │    ▲  verify, guard,    │
//	                              │    │  compare           │
//	kernel ◀── TUN ── link ◀── hooks.Endpoint ◀─────────────┘
//
// Inbound is TUN to netstack, outbound is netstack to TUN.
//
// [Endpoint] wraps any link endpoint. Each packet is decoded once, by
// hooks/wire, its checksums are computed by hand, and each [Hook] of the chain
// sees it before it is forwarded. The [Ledger] counts every packet, every
// verdict and every fate; nothing is counted anywhere else, so what it says
// adds up.
//
// # Tour
//
//   - packet.go: [Packet], what a hook sees of a packet.
//   - hook.go: [Hook], what a hook may do with it.
//   - mend.go: a hook that mends a packet has another forwarded in its place.
//   - endpoint.go: [Endpoint], the link endpoint around the chain, and who
//     verifies checksums.
//   - send.go: [Endpoint.Send], for packets that netstack has not made, and
//     [Answer], which says of them whose they are.
//   - ledger.go: [Ledger], the counts.
//   - fate.go: [Fate] and the closed list of drop reasons.
//
// The hooks themselves live below: hooks/verify drops what has a wrong checksum
// that netstack would not verify, hooks/guard keeps from netstack what would
// harm it, hooks/compare predicts each reply with the reference host of
// hooks/byhand and judges what netstack sent, hooks/respond has others answer
// echo requests, hooks/trace renders what they saw. hooks/wire and hooks/byhand rest on the standard library alone.
//
// # Who verifies checksums
//
// Without receive offload netstack does, all of them, and what is wrong reaches
// it. With it ([Options.ReceiveOffload]) the chain does: packets come in whose
// sums are partial, for they never saw a wire, and netstack is told not to look.
// It is told so of each packet by itself: of one whose sums the chain could not
// verify, a fragment say, it is told the contrary, and verifies.
package hooks
