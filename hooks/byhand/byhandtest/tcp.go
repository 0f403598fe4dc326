package byhandtest

import "encoding/binary"

// A TCP is a segment to be. Options must be whole words; Spoil is added to the
// right checksum. A Window of 0 becomes 65,535, unless the window is Shut.
type TCP struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            uint8
	Window           uint16
	Shut             bool
	Options          []byte
	Data             []byte
	Spoil            uint16
}

// Flags of a segment.
const (
	Fin = 1 << iota
	Syn
	Rst
	Psh
	Ack
	Urg
)

// Packet returns the segment in a packet from src to dst.
func (s TCP) Packet(src, dst string) []byte {
	b := make([]byte, 20, 20+len(s.Options)+len(s.Data))
	binary.BigEndian.PutUint16(b, s.SrcPort)
	binary.BigEndian.PutUint16(b[2:], s.DstPort)
	binary.BigEndian.PutUint32(b[4:], s.Seq)
	binary.BigEndian.PutUint32(b[8:], s.Ack)
	b[12], b[13] = byte(5+len(s.Options)/4)<<4, s.Flags
	switch {
	case s.Window > 0:
		binary.BigEndian.PutUint16(b[14:], s.Window)
	case !s.Shut:
		binary.BigEndian.PutUint16(b[14:], 0xffff)
	}
	b = append(append(b, s.Options...), s.Data...)
	binary.BigEndian.PutUint16(b[16:], Checksum(pseudo(src, dst, 6, len(b)), b)+s.Spoil)
	return wrap(src, dst, 6, b)
}
