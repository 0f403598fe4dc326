// Package link is the wire of the host: a TUN device of the kernel on one side,
// the link endpoint of a gVisor stack on the other.
//
// # A packet's way
//
// Inbound is TUN to netstack, outbound is netstack to TUN, here as everywhere:
//
//	kernel ── TUN ──▶ packetMover.receive ──▶ Endpoint ──▶ DeliverNetworkPacket
//	kernel ◀── TUN ── packetMover.send ◀──── Endpoint ◀── WritePackets
//
// What is lost on the way is counted under one of the names of [DropReasons].
//
// # The tour
//
//   - device.go: [Device], a TUN device, and [Config]. [Open] refuses what cannot
//     work before it makes anything (refuse.go, refuse_linux.go), then makes the
//     device, down (open_linux.go). [OpenPrepared] and [OpenDescriptor] take one that
//     somebody else has made, without any privilege (prepared_linux.go). [Device.Up] gives the kernel its addresses
//     (kernel_linux.go); call it once netstack is attached, so that the first
//     packet finds a host. [Device.State] asks the kernel how the device is
//     (state_linux.go). [Wrap] makes a Device of any other tun.Device.
//   - endpoint.go: [Endpoint], the stack.LinkEndpoint: attach, detach, wait,
//     close. inbound.go: its reader goroutine. outbound.go: WritePackets.
//   - beat.go: whether the reader still goes round.
//   - mover.go: the seam between the endpoint's life and the way packets are
//     moved. portable.go moves them with wireguard/tun's Read and Write.
//   - offload.go: whether super-segments and unfinished checksums pass. virtio.go:
//     the header that tells of them, and what of it is believed.
//     offloading_linux.go moves packets with that header on the device's file;
//     receive_buffer.go is what it reads into, poll.go how long it polls an idle
//     device before it blocks, bulk.go how much comes in at once.
//   - split.go: UDP super-datagrams become datagrams. gather.go: datagrams that
//     leave together become one super-datagram.
//   - follow.go: the goroutine that follows the device's events. judge.go: what a
//     change of the device means, and the command that mends it.
//   - drops.go: counters and the closed list of drop reasons.
//
// Package linktest beside this one is the test double and the namespaces.
//
// Linux opens devices; elsewhere Open fails with [errors.ErrUnsupported], and
// the rest works on a device that comes from Wrap.
package link
