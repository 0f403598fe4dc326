// Package hostile makes packets that no well-meaning peer sends, and some that
// one does: right packets of each kind, spoiled in every way there is. A seed says
// which: the same seed makes the same packets.
//
// # Tour
//
//   - generator.go: [Generator], which makes one [Group] after the other, and the
//     table of kinds.
//   - packet.go: right packets, from fields to bytes. address.go: from whom and to
//     whom.
//   - icmp.go, udp.go, tcp.go, neighbour.go, extension.go, option.go: the packets
//     of each kind.
//   - fragment.go: datagrams cut up, and the pieces mixed up.
//   - super.go: super-segments, and virtio-net headers that lie.
//   - opening.go: TCP connections, in whatever state.
//   - spoil.go: what is done to right packets.
package hostile
