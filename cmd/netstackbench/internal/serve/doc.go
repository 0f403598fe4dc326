// Package serve holds the hosts that netstackd is measured against. Each runs in
// a process of its own, in a network namespace made for it.
//
//   - kernel_linux.go: [Kernel], the kernel's own stack behind a veth, with echo
//     (7), discard (9) and chargen (19) as a plain program writes them.
//   - netstack_linux.go: [Netstack], the same netstack and services as netstackd's
//     on another link: gVisor's fdbased endpoint, or wireguard/tun's Read and
//     Write. No hooks.
//   - minimal_linux.go: [Minimal], a loop of read, swap addresses, write, that
//     knows nothing but ping.
//   - device_linux.go: a TUN device without a virtio-net header for those two
//     that bring no device of their own.
//
// Each configures its interface, calls ready once it answers, and serves until
// it is told to stop.
package serve
