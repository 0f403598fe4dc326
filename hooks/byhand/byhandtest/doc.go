// Package byhandtest makes packets for tests: whole ones, spoiled ones, and
// fragments, with checksums from a loop over bytes that shares no code with
// hooks/wire.
//
// # Tour
//
//   - packet.go: [IPv4], [IPv6] and [Echo], from fields to bytes.
//   - fragment.go: [Split], from a packet to its fragments.
package byhandtest
