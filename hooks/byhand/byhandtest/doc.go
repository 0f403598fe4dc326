// Package byhandtest makes packets for tests: whole ones, spoiled ones, and
// fragments, with checksums from a loop over bytes that shares no code with
// hooks/wire.
//
// # Tour
//
//   - packet.go: [IPv4], [IPv6] and [Echo], from fields to bytes.
//   - tcp.go, udp.go, neighbour.go: segments, datagrams, neighbour discovery.
//   - fragment.go: [Split], from a packet to its fragments.
//   - offload.go: [Partial], a packet as checksum offload leaves it.
package byhandtest
