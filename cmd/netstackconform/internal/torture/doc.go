// Package torture sends netstackd's inbound way what package hostile makes, and
// holds what becomes of it against what has to: nothing panics or hangs, memory
// and goroutines stay flat, each packet has one fate, and netstack does nothing
// otherwise than the reference host says but what the catalogue lists.
//
// # Tour
//
//   - run_linux.go: [Run], one way from beginning to end, and the samples of memory.
//   - path_linux.go: [Path], the whole way in one process around a fake device
//     (device_linux.go): link, hooks with their comparison, netstack with its
//     services, and back.
//   - feed_linux.go: a generator's packets go in, at their pace, and pings between
//     them that have to be answered.
//   - tun_linux.go: [RunTUN], the same packets to the netstackd binary through a real
//     TUN device in a network namespace of its own, past the kernel at its near end,
//     which keeps its own account (tun_kernel_linux.go). What netstackd compares is
//     read from the capture that it writes (captured.go); how it is, over HTTP
//     (tun_web_linux.go); in the end it has to echo over TCP and UDP, too
//     (tun_converse_linux.go). grown.go: what it has more of than early on.
//   - judge.go: each comparison that is no match is listed, or a finding.
//     listed.go: the list, each entry of which names a case of the catalogue.
//     ignored.go: solicitations and pings that others are taken for.
//     duplicates.go: fragments with the place of others.
//   - outcome.go: what a run came to, and whether that is well. report.go: all runs,
//     in words and as JSON.
package torture
