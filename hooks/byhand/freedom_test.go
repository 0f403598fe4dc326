package byhand_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// TestUndecided: of what the RFCs leave open there is no opinion, or a reply is
// allowed and not due.
func TestUndecided(t *testing.T) {
	routed := func(pointer byte, protocol uint8, data []byte) []byte {
		return bt.IPv4{Src: peer4, Dst: host4, Protocol: protocol, Options: []byte{131, 7, pointer, 10, 1, 2, 3, 0}}.Packet(data)
	}
	segment := bt.TCP{SrcPort: 4000, DstPort: 81, Flags: bt.Syn}.Packet(peer4, host4)[20:]
	solicit := func(options ...byte) []byte {
		return bt.Neighbour{Target: host6, Options: options}.Packet(peer6, host6)
	}
	link := []byte{1, 1, 2, 0, 0, 0, 0, 1}
	options := func(o ...byte) []byte {
		return bt.IPv4{Src: peer4, Dst: host4, Options: o}.Packet(bt.Echo{Data: bt.Data(8)}.Request4())
	}
	udp := func(length byte, options ...byte) []byte {
		d := bt.UDP{SrcPort: 4000, DstPort: 81, Data: bt.Data(8), Spoil: 1}.Datagram(peer4, host4)
		d[5] = length
		return bt.IPv4{Src: peer4, Dst: host4, Protocol: wire.ProtocolUDP, Options: options}.Packet(d)
	}
	ping := func(part bool, spoil uint16) []byte {
		b := bt.IPv4{Src: peer4, Dst: host4, Options: []byte{1, 1, 1, 1, 25, 9, 0, 0}}.Packet(bt.Echo{Data: bt.Data(8), Spoil: spoil}.Request4())
		if part {
			b[6], b[10], b[11] = 0x20, 0, 0
			binary.BigEndian.PutUint16(b[10:], bt.Checksum(nil, b[:28]))
		}
		return b
	}
	closed := func(dst string) []byte {
		return bt.IPv4{Src: peer4, Dst: dst, Protocol: wire.ProtocolUDP}.Packet(bt.UDP{SrcPort: 4000, DstPort: 81}.Datagram(peer4, dst))
	}
	misplaced := func(options ...byte) []byte {
		return bt.IPv6{Src: peer6, Dst: host6, Extensions: []bt.Extension{
			{Protocol: wire.ProtocolHopByHop, Body: options},
			{Protocol: wire.ProtocolHopByHop, Body: []byte{0, 1, 4, 0, 0, 0, 0}},
		}}.Packet(bt.Echo{Data: bt.Data(8)}.Request6(peer6, host6))
	}
	unknown := func(protocol uint8, options ...byte) []byte {
		options[len(options)-1], options[len(options)-2] = 0, 0x9e // no room is left for its data
		return bt.IPv6{Src: peer6, Dst: host6, Extensions: []bt.Extension{{Protocol: protocol, Body: options}}}.
			Packet(bt.Echo{Data: bt.Data(8)}.Request6(peer6, host6))
	}
	part := func(protocol, first, second byte) []byte {
		h := bt.IPv6{Src: peer6, Dst: host6, Protocol: protocol}.Packet(nil)
		return bt.Fragment(h, append([]byte{first, second}, make([]byte, 11)...), 1, 0, true)
	}
	for _, test := range []struct {
		name   string
		packet []byte
		want   byhand.Expectation
	}{
		{"a segment whose source route leads on", routed(4, wire.ProtocolTCP, segment), byhand.MayReply},
		{"one whose source route is done", routed(8, wire.ProtocolTCP, segment), byhand.MustReply},
		{"a solicitation with a link-layer address", solicit(link...), byhand.MustReply},
		{"with two", solicit(append(link, link...)...), byhand.MayReply},
		{"with a long one", solicit(append([]byte{1, 2}, make([]byte, 14)...)...), byhand.MayReply},
		{"an option past the header", options(1, 1, 1, 1, 25, 9, 0, 0), byhand.MustReply},
		{"behind a timestamp of no flag that there is", options(68, 4, 5, 2, 25, 9, 0, 0), byhand.MayReply},
		{"an option past the header of a ping whose sum is wrong", ping(false, 1), byhand.MayReply},
		{"of one whose sum is right", ping(false, 0), byhand.MustReply},
		{"of a fragment", ping(true, 0), byhand.MayReply},
		{"a datagram to a broadcast address of the 0-form", closed("172.16.0.0"), byhand.MayReply},
		{"to the host", closed(host4), byhand.MustReply},
		{"an unknown option beside one router alert", unknown(wire.ProtocolHopByHop, 0, 5, 2, 0, 0, 0, 0), byhand.MustReply},
		{"beside two", unknown(wire.ProtocolHopByHop, 1, 5, 2, 0, 0, 5, 2, 0, 0, 1, 4, 0, 0, 0, 0), byhand.MayReply},
		{"beside a short one for the destination", unknown(wire.ProtocolDestination, 0, 5, 1, 0, 0, 0, 0), byhand.MayReply},
		{"the first fragment of a ping, of 13 bytes", part(wire.ProtocolICMPv6, 128, 0), byhand.MustReply},
		{"of nothing that has to be looked at", part(wire.ProtocolNoNext, 128, 0), byhand.MayReply},
		{"of headers that are cut", part(wire.ProtocolDestination, 58, 9), byhand.MayReply},
		{"a misplaced header behind one router alert", misplaced(0, 5, 2, 0, 0, 1, 0), byhand.MustReply},
		{"behind two", misplaced(1, 5, 2, 0, 0, 5, 2, 0, 0, 1, 4, 0, 0, 0, 0), byhand.MayReply},
		{"a bad datagram", udp(16), byhand.Silence},
		{"behind such an option", udp(16, 68, 4, 5, 2), byhand.NoOpinion},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := byhand.NewHost(byhand.Config{Addresses: []netip.Prefix{netip.MustParsePrefix(host4 + "/24"), netip.MustParsePrefix(host6 + "/64")}, TCPPorts: []uint16{}, UDPPorts: []uint16{}})
			if got := inbound(h, test.packet, epoch); got.Expect != test.want {
				t.Errorf("%+v, want %v", verdictOf(got), test.want)
			}
		})
	}
}
