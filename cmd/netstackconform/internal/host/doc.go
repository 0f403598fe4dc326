// Package host has the hosts that cases are run against. Each is behind a TUN
// device of its own, in a network namespace of its own.
//
// # Tour
//
//   - daemon_linux.go: [Daemon], the netstackd binary with given flags.
//     packet_linux.go: raw packets to a TUN device's reader, and back.
//     offload.go: packets on which work was left undone.
//   - kernel_linux.go: [Kernel], the Linux kernel. services_linux.go: what
//     listens in it. sysctl_linux.go: how it is set.
//   - reference.go: [Reference], the host of hooks/byhand: what it answers through
//     a TUN device. prediction.go: [Prediction], what it says in process.
//   - namespace_linux.go: a thread's own network namespace.
//
// # Two ways to a TUN device
//
// What a daemon reads from its device is what the kernel sends out of it: a
// packet socket puts raw packets there, and sees what the daemon writes. The
// kernel at the near end has an address that no case uses, and no forwarding:
// it discards what the daemon sends without a word.
//
// The kernel as a host has the near end to itself: the far end is a descriptor
// here, and what is written to it is what the kernel receives.
package host
