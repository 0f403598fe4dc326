package hostile

import (
	"encoding/binary"
	"net/netip"

	"netstackd/hooks/wire"
)

// Lengths of headers without options, in bytes.
const (
	header4Len = 20
	header6Len = 40
	icmpLen    = 8
	udpLen     = 8
	tcpLen     = 20
	// mostPacket is the longest that a TUN device takes.
	mostPacket = 65535
)

// A frame is what an IP header says beside its addresses and lengths.
type frame struct {
	src, dst netip.Addr
	protocol uint8
	// traffic is the type of service or traffic class.
	traffic uint8
	hops    uint8
	// id and fragment are the second word of an IPv4 header.
	id, fragment uint16
	// options are IPv4's, padded to whole words here.
	options []byte
}

// frame returns one of plain values.
func (g *Generator) frame(src, dst netip.Addr, protocol uint8) frame {
	f := frame{src: src, dst: dst, protocol: protocol, hops: 64, id: uint16(g.r.Uint32())}
	if g.chance(10) {
		f.traffic = uint8(g.r.Uint32())
	}
	if g.chance(10) {
		f.fragment = 0x4000
	}
	return f
}

// packet puts data behind an IP header with right lengths and sum.
func (f frame) packet(data []byte) []byte {
	if f.src.Is6() {
		b := make([]byte, header6Len, header6Len+len(data))
		binary.BigEndian.PutUint32(b, 6<<28|uint32(f.traffic)<<20)
		binary.BigEndian.PutUint16(b[4:], uint16(len(data)))
		b[6], b[7] = f.protocol, f.hops
		src, dst := f.src.As16(), f.dst.As16()
		copy(b[8:], src[:])
		copy(b[24:], dst[:])
		return append(b, data...)
	}
	n := header4Len + (len(f.options)+3)&^3
	b := make([]byte, n, n+len(data))
	copy(b[header4Len:], f.options)
	b[0], b[1] = 4<<4|byte(n/4), f.traffic
	binary.BigEndian.PutUint16(b[2:], uint16(n+len(data)))
	binary.BigEndian.PutUint16(b[4:], f.id)
	binary.BigEndian.PutUint16(b[6:], f.fragment)
	b[8], b[9] = f.hops, f.protocol
	src, dst := f.src.As4(), f.dst.As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	binary.BigEndian.PutUint16(b[10:], wire.Checksum(b))
	return append(b, data...)
}

// icmpMessage makes an ICMP message of the family of its addresses.
func icmpMessage(src, dst netip.Addr, kind, code uint8, word uint32, data []byte) []byte {
	b := make([]byte, icmpLen, icmpLen+len(data))
	b[0], b[1] = kind, code
	binary.BigEndian.PutUint32(b[4:], word)
	b = append(b, data...)
	initial := uint16(0)
	if src.Is6() {
		initial = wire.PseudoHeader(src, dst, wire.ProtocolICMPv6, len(b))
	}
	binary.BigEndian.PutUint16(b[2:], ^wire.Sum(b, initial))
	return b
}

// protocolICMP is that of an address's family.
func protocolICMP(a netip.Addr) uint8 {
	if a.Is6() {
		return wire.ProtocolICMPv6
	}
	return wire.ProtocolICMPv4
}

// datagram makes a UDP datagram.
func datagram(src, dst netip.Addr, from, to uint16, data []byte) []byte {
	b := make([]byte, udpLen, udpLen+len(data))
	binary.BigEndian.PutUint16(b, from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint16(b[4:], uint16(udpLen+len(data)))
	b = append(b, data...)
	sum := ^wire.Sum(b, wire.PseudoHeader(src, dst, wire.ProtocolUDP, len(b)))
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[6:], sum)
	return b
}

// A segment is a TCP header and what is behind it.
type segment struct {
	from, to uint16
	seq, ack uint32
	flags    uint8
	window   uint16
	options  []byte // padded to whole words here
	data     []byte
}

func (s segment) bytes(src, dst netip.Addr) []byte {
	n := tcpLen + (len(s.options)+3)&^3
	b := make([]byte, n, n+len(s.data))
	copy(b[tcpLen:], s.options)
	binary.BigEndian.PutUint16(b, s.from)
	binary.BigEndian.PutUint16(b[2:], s.to)
	binary.BigEndian.PutUint32(b[4:], s.seq)
	binary.BigEndian.PutUint32(b[8:], s.ack)
	b[12], b[13] = byte(n/4)<<4, s.flags
	binary.BigEndian.PutUint16(b[14:], s.window)
	b = append(b, s.data...)
	binary.BigEndian.PutUint16(b[16:], ^wire.Sum(b, wire.PseudoHeader(src, dst, wire.ProtocolTCP, len(b))))
	return b
}

// Complete writes the right checksums into a packet, as far as it has any.
func Complete(b []byte) {
	for range 2 { // the header's first: the upper layer's may be judged after it
		var p wire.Packet
		p.Decode(b)
		var checks [2]wire.Check
		for _, c := range p.Checksums(checks[:0]) {
			binary.BigEndian.PutUint16(b[c.Offset:], c.Hand)
		}
	}
}
