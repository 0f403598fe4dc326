// Package faults is the injector: it damages, loses, repeats and holds back
// packets on purpose, so that it can be seen whether the hooks see it.
//
// # Where it sits
//
// Between netstack and the hooks, in both directions:
//
//	kernel ── TUN ──▶ link ──▶ hooks.Endpoint ──▶ faults.Endpoint ──▶ netstack ─┐
//	kernel ◀── TUN ── link ◀── hooks.Endpoint ◀── faults.Endpoint ◀─────────────┘
//
// [Endpoint] wraps the hooks' endpoint and is the one that netstack's NIC sees.
// So outbound faults happen before any hook, which must find them: that is the
// proof. Inbound faults happen behind all hooks: they have judged the packet
// whole and predicted its answer, and what they must find is that netstack did
// not give it.
//
// # Rules
//
// A rule says which packets, what is done to them, and how often:
//
//	[inbound|outbound] [any|icmp|icmp6|tcp|udp|ip|ip6]… kind=amount[,kind=amount]…
//
// Without a direction it holds for both, without a protocol for every packet,
// with several for any of them. As in a pcap filter, ip is IPv4, and a later
// fragment is of the protocol that its header names. An amount is the
// probability for each packet: 1%, 0.1%, 1/1000.
//
//	corrupt=1%      flips one bit of a byte that a checksum covers
//	truncate=1%     cuts the end off: the length in the header then lies
//	drop=1%         loses the packet
//	duplicate=1%    sends it twice; the second one is always whole
//	reorder=1%:3    lets 3 packets pass first (1 if not said), 50 ms at most
//	delay=1%:20ms   holds it that long (10ms if not said)
//	seed=7          of this rule's dice; 0, as if not said, is that of Options
//
// The dice are thrown for each packet by every fault of every rule, in the
// order given. Of corrupt, truncate and drop the first that hits is done, of
// reorder and delay too, and duplicate once; what is dropped is not repeated
// or held. So the same packets in the same order meet the same faults, each
// direction by itself, whatever the clock says.
//
// # Offload
//
// A kernel that completes checksums would complete a right one over damaged
// data, and a netstack that does not verify would accept it. So while a rule
// damages outbound packets the Endpoint offers neither segmentation nor
// transmit offload, and while one damages inbound packets no receive offload:
// netstack then computes and verifies every sum itself. So it is while a rule
// holds inbound packets back. Sums that the kernel vouched for and left
// unfinished are completed for it. [NeedWholeChecksums] says when a link should
// offer no offload to begin with. What is repeated or held keeps what was said
// of it, partial sum and super-segment.
//
// # Tour
//
//   - rule.go, parse.go, amount.go: [Rule] and [Parse].
//   - endpoint.go: [Endpoint], what netstack and the link see.
//   - way.go: one direction: the dice, and what is done to a packet.
//   - held.go: the packets held back, and the timer that sends them on.
//   - damage.go: which bits a checksum covers, and the flip.
//   - copies.go: packet buffers that share nothing with netstack's.
//   - report.go: [Fault], [Counters], and the reasons of what was lost.
package faults
