package hostile

import (
	"encoding/binary"

	"netstackd/hooks/wire"
)

// A Header is struct virtio_net_hdr, which says of a packet what was left to the
// hardware (virtio 1.2 section 5.1.6).
type Header struct {
	Flags, Segmentation uint8
	// HeaderLen and SegmentSize are in bytes, ChecksumStart from the packet's
	// start, ChecksumOffset from there.
	HeaderLen, SegmentSize, ChecksumStart, ChecksumOffset uint16
}

// IsSuperDatagram reports whether it says of a packet that it is many datagrams.
func (h Header) IsSuperDatagram() bool { return h.Segmentation == segmentsUDP }

// HeaderLen is the length of a Header's bytes.
const HeaderLen = 10

// Append appends the header in the machine's own byte order, as Linux has it.
func (h Header) Append(b []byte) []byte {
	order := binary.NativeEndian
	b = append(b, h.Flags, h.Segmentation)
	b = order.AppendUint16(b, h.HeaderLen)
	b = order.AppendUint16(b, h.SegmentSize)
	b = order.AppendUint16(b, h.ChecksumStart)
	return order.AppendUint16(b, h.ChecksumOffset)
}

// What a header's first two fields say.
const (
	needsChecksum = 1
	dataValid     = 2

	segmentsTCP4 = 1
	segmentsTCP6 = 4
	segmentsUDP  = 5
)

// Offsets of the checksum in the headers of TCP and UDP.
const (
	tcpChecksum = 16
	udpChecksum = 6
)

// header is that of any packet: most have nothing to say, some say that the
// checksum is right, and it need not be, and a few what is not so at all.
func (g *Generator) header([]byte) Header {
	switch g.r.IntN(200) {
	case 0:
		return g.lie(Header{})
	case 1, 2:
		return Header{Flags: dataValid}
	}
	return Header{}
}

// super is a super-segment or super-datagram with a header that fits it, or not
// quite, or not at all.
func (g *Generator) super() Packet {
	v6 := g.chance(50)
	src, dst := g.peer(v6), g.host(v6)
	n := 1 + g.r.IntN(8000)
	if g.chance(10) {
		n = 40_000 + g.r.IntN(25_400)
	}
	h := Header{Flags: needsChecksum, SegmentSize: uint16(one(g, []int{1, 7, 8, 88, 536, 1220, 1400, 1448, 1460, 9000, 65535}))}
	var f frame
	var data []byte
	if g.chance(70) {
		s := segment{
			from: uint16(1024 + g.r.IntN(64512)), to: g.port(), seq: g.r.Uint32(), ack: g.r.Uint32(),
			flags: g.flags(), window: 65535, data: g.bytes(n),
		}
		if g.chance(30) {
			s.options = g.tcpOptions()
		}
		f, data = g.frame(src, dst, wire.ProtocolTCP), s.bytes(src, dst)
		h.Segmentation, h.ChecksumOffset = segmentsTCP4, tcpChecksum
		if v6 {
			h.Segmentation = segmentsTCP6
		}
		h.HeaderLen = uint16(data[12]>>4) * 4
	} else {
		f, data = g.frame(src, dst, wire.ProtocolUDP), datagram(src, dst, uint16(1024+g.r.IntN(64512)), g.port(), g.bytes(n))
		h.Segmentation, h.ChecksumOffset, h.HeaderLen = segmentsUDP, udpChecksum, udpLen
	}
	if !v6 && g.chance(10) {
		f.options = g.ipOptions()
	}
	b := f.packet(data)
	start := len(b) - len(data)
	h.ChecksumStart = uint16(start)
	h.HeaderLen += uint16(start)
	if g.chance(80) { // the pseudo-header's sum, as it should be
		sum := wire.PseudoHeader(src, dst, f.protocol, len(data))
		binary.BigEndian.PutUint16(b[start+int(h.ChecksumOffset):], sum)
	}
	switch g.r.IntN(8) {
	case 0:
		h.Segmentation = 0
	case 1, 2, 3:
		h = g.lie(h)
	case 4:
		b = g.damage(b)
	}
	return Packet{Kind: Super, Bytes: b[:min(len(b), mostPacket)], Header: h}
}

// lie changes a field or two of a header.
func (g *Generator) lie(h Header) Header {
	for n := 1 + g.r.IntN(2); n > 0; n-- {
		v := uint16(one(g, []int{0, 1, 2, 6, 8, 14, 16, 20, 34, 40, 54, 60, 1500, 65534, 65535, int(uint16(g.r.Uint32()))}))
		switch g.r.IntN(6) {
		case 0:
			h.Flags = one(g, []uint8{0, needsChecksum, dataValid, needsChecksum | dataValid, uint8(g.r.Uint32())})
		case 1:
			h.Segmentation = one(g, []uint8{0, 1, 3, 4, 5, 0x81, 0x84, uint8(g.r.Uint32())})
		case 2:
			h.HeaderLen = v
		case 3:
			h.SegmentSize = v
		case 4:
			h.ChecksumStart = v
		case 5:
			h.ChecksumOffset = v
		}
	}
	return h
}
