package host

import (
	"encoding/binary"

	"netstackd/hooks/wire"
)

// offloadLen is the length in bytes of struct virtio_net_hdr
// (include/uapi/linux/virtio_net.h).
const offloadLen = 10

// Flags and types of struct virtio_net_hdr (virtio 1.2 §5.1.6).
const (
	needsChecksum = 1
	cutNone       = 0
	cutTCPv4      = 1
	cutTCPv6      = 4
	cutUDP        = 5
	cutECN        = 0x80 // beside the type
)

// An offload is what a packet that never saw a wire says of the work left undone
// on it, struct virtio_net_hdr, whose numbers are in the machine's byte order.
type offload struct {
	flags, kind    uint8
	headers, size  uint16
	start, written uint16 // of what the checksum covers, and of its field from there
}

func (o *offload) decode(b []byte) {
	order := binary.NativeEndian
	*o = offload{b[0], b[1], order.Uint16(b[2:]), order.Uint16(b[4:]), order.Uint16(b[6:]), order.Uint16(b[8:])}
}

func (o *offload) append(b []byte) []byte {
	order := binary.NativeEndian
	b = append(b, o.flags, o.kind)
	for _, n := range []uint16{o.headers, o.size, o.start, o.written} {
		b = order.AppendUint16(b, n)
	}
	return b
}

// unfinished says of a TCP segment or UDP datagram, in whose checksum field the sum of
// the pseudo-header stands, that its checksum is to be completed, and that it is
// to be cut if its data are more than size bytes, and size is not 0.
func unfinished(packet []byte, size int) (o offload) {
	var p wire.Packet
	p.Decode(packet)
	data := 8
	o.flags, o.start, o.written = needsChecksum, uint16(p.Payload), 6
	if p.Upper == wire.LayerTCP {
		data, o.written = p.TCP.DataOffset, 16
	}
	o.headers = uint16(p.Payload + data)
	if size == 0 || len(packet)-int(o.headers) <= size {
		return o
	}
	switch o.size = uint16(size); {
	case p.Upper == wire.LayerUDP:
		o.kind = cutUDP
	case p.Version == 6:
		o.kind = cutTCPv6
	default:
		o.kind = cutTCPv4
	}
	return o
}

// finish does on a packet what was left undone, as a network card would, and
// returns what goes on the wire. A checksum that was wrong before stays wrong. It
// may change the packet.
func (o *offload) finish(packet []byte) [][]byte {
	start := int(o.start)
	if o.flags&needsChecksum == 0 || start+int(o.written)+2 > len(packet) {
		return [][]byte{packet}
	}
	tcp := o.kind&^cutECN == cutTCPv4 || o.kind&^cutECN == cutTCPv6
	headers := start + 8
	if tcp && start+12 < len(packet) {
		headers = start + int(packet[start+12]>>4)*4
	}
	if o.kind&^cutECN == cutNone || o.size == 0 || headers > len(packet) || tcp && headers < start+20 {
		o.complete(packet)
		return [][]byte{packet}
	}
	var wires [][]byte
	for at := headers; at < len(packet) || wires == nil; at += int(o.size) {
		end := min(at+int(o.size), len(packet))
		b := append(append([]byte(nil), packet[:headers]...), packet[at:end]...)
		o.place(b, len(wires), at-headers, len(packet)-len(b), end == len(packet))
		wires = append(wires, b)
	}
	return wires
}

// place makes the nth segment or datagram of a packet, whose headers are still
// those of all, say what it is itself: it is shorter by so much, its data begin at
// an offset, and it is the last or not. FIN and PSH are the last one's, CWR the
// first one's.
func (o *offload) place(b []byte, n, offset, shorter int, last bool) {
	length := 4
	if b[0]>>4 == 4 {
		length = 2
		add16(b[4:], n) // identification
	}
	add16(b[length:], -shorter)
	if b[0]>>4 == 4 {
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:int(b[0]&0xf)*4]))
	}
	segment := b[o.start:]
	// The pseudo-header counts the length: its sum is less by as much.
	field := segment[o.written:]
	sum := uint32(binary.BigEndian.Uint16(field)) + uint32(^uint16(shorter))
	binary.BigEndian.PutUint16(field, uint16(sum+sum>>16))
	if o.kind == cutUDP {
		add16(segment[4:], -shorter)
	} else {
		binary.BigEndian.PutUint32(segment[4:], binary.BigEndian.Uint32(segment[4:])+uint32(offset))
		if !last {
			segment[13] &^= wire.TCPFin | wire.TCPPsh
		}
		if n > 0 {
			segment[13] &^= wire.TCPCwr
		}
	}
	o.complete(b)
}

// complete completes the checksum of a packet.
func (o *offload) complete(b []byte) {
	field := b[int(o.start)+int(o.written):]
	sum := wire.Checksum(b[o.start:])
	if sum == 0 && o.written == 6 {
		sum = 0xffff // RFC 768
	}
	binary.BigEndian.PutUint16(field, sum)
}

func add16(b []byte, n int) { binary.BigEndian.PutUint16(b, binary.BigEndian.Uint16(b)+uint16(n)) }
