package wire

import "encoding/binary"

const (
	icmpHeaderLen = 8
	udpHeaderLen  = 8
	tcpHeaderLen  = 20
)

// ICMP types of echo (RFC 792, RFC 4443 §4).
const (
	ICMPv4EchoReply   = 0
	ICMPv4EchoRequest = 8
	ICMPv6EchoRequest = 128
	ICMPv6EchoReply   = 129
)

// An ICMP is the first eight bytes of an ICMPv4 or ICMPv6 message.
type ICMP struct {
	Type, Code uint8
	Checksum   uint16
	// ID and Seq are the second word, read as an echo message has it:
	// identifier and sequence number.
	ID, Seq uint16
}

// TCP flags, as they stand in the low bits of a header's byte 13, and the one
// bit of byte 12 that became a flag again (RFC 9293 §3.1, RFC 9768).
const (
	TCPFin = 1 << iota
	TCPSyn
	TCPRst
	TCPPsh
	TCPAck
	TCPUrg
	TCPEce
	TCPCwr
	TCPAe
)

// A TCP is a TCP header (RFC 9293 §3.1).
type TCP struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	// DataOffset is in bytes.
	DataOffset int
	Flags      uint16
	Window     uint16
	Checksum   uint16
	Urgent     uint16
}

// A UDP is a UDP header (RFC 768). Length is in bytes and counts the header.
type UDP struct {
	SrcPort, DstPort uint16
	Length           int
	Checksum         uint16
}

func (p *Packet) decodeUpper() bool {
	b := p.Data()
	switch {
	case p.Version == 4 && p.Protocol == ProtocolICMPv4:
		return p.decodeICMP(LayerICMPv4, b)
	case p.Version == 6 && p.Protocol == ProtocolICMPv6:
		return p.decodeICMP(LayerICMPv6, b)
	case p.Protocol == ProtocolTCP:
		return p.decodeTCP(b)
	case p.Protocol == ProtocolUDP:
		return p.decodeUDP(b)
	}
	return true
}

func (p *Packet) decodeICMP(layer Layer, b []byte) bool {
	if len(b) < icmpHeaderLen {
		return p.fail(ReasonShortICMP, layer, p.Payload, len(b), icmpHeaderLen)
	}
	p.Upper = layer
	p.ICMP = ICMP{
		Type:     b[0],
		Code:     b[1],
		Checksum: binary.BigEndian.Uint16(b[2:4]),
		ID:       binary.BigEndian.Uint16(b[4:6]),
		Seq:      binary.BigEndian.Uint16(b[6:8]),
	}
	return true
}

func (p *Packet) decodeTCP(b []byte) bool {
	if len(b) < tcpHeaderLen {
		return p.fail(ReasonShortTCP, LayerTCP, p.Payload, len(b), tcpHeaderLen)
	}
	p.TCP = TCP{
		SrcPort:    binary.BigEndian.Uint16(b[0:2]),
		DstPort:    binary.BigEndian.Uint16(b[2:4]),
		Seq:        binary.BigEndian.Uint32(b[4:8]),
		Ack:        binary.BigEndian.Uint32(b[8:12]),
		DataOffset: int(b[12]>>4) * 4,
		Flags:      binary.BigEndian.Uint16(b[12:14]) & 0x1ff,
		Window:     binary.BigEndian.Uint16(b[14:16]),
		Checksum:   binary.BigEndian.Uint16(b[16:18]),
		Urgent:     binary.BigEndian.Uint16(b[18:20]),
	}
	p.Upper = LayerTCP
	if p.TCP.DataOffset < tcpHeaderLen {
		return p.fail(ReasonBadTCPDataOffset, LayerTCP, p.Payload+12, p.TCP.DataOffset, tcpHeaderLen)
	}
	// The first fragment may hold only part of the options.
	if p.TCP.DataOffset > len(b) && !p.Fragment.More {
		return p.fail(ReasonBadTCPDataOffset, LayerTCP, p.Payload+12, p.TCP.DataOffset, len(b))
	}
	return true
}

func (p *Packet) decodeUDP(b []byte) bool {
	if len(b) < udpHeaderLen {
		return p.fail(ReasonShortUDP, LayerUDP, p.Payload, len(b), udpHeaderLen)
	}
	p.UDP = UDP{
		SrcPort:  binary.BigEndian.Uint16(b[0:2]),
		DstPort:  binary.BigEndian.Uint16(b[2:4]),
		Length:   int(binary.BigEndian.Uint16(b[4:6])),
		Checksum: binary.BigEndian.Uint16(b[6:8]),
	}
	p.Upper = LayerUDP
	if p.UDP.Length < udpHeaderLen {
		return p.fail(ReasonBadUDPLength, LayerUDP, p.Payload+4, p.UDP.Length, udpHeaderLen)
	}
	if p.UDP.Length > len(b) && !p.Fragment.More {
		return p.fail(ReasonBadUDPLength, LayerUDP, p.Payload+4, p.UDP.Length, len(b))
	}
	return true
}
