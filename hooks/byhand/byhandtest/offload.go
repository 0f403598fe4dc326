package byhandtest

import "encoding/binary"

// Partial returns a copy of a TCP or UDP packet, without IPv6 extension headers,
// in whose checksum field the sum of the pseudo-header stands, as checksum
// offload leaves it there.
func Partial(packet []byte) []byte {
	b := append([]byte(nil), packet...)
	at := headerLen(b)
	protocol, addresses := b[9], b[12:20]
	if b[0]>>4 == 6 {
		protocol, addresses = b[6], b[8:40]
	}
	pseudo := binary.BigEndian.AppendUint32(append([]byte(nil), addresses...), uint32(len(b)-at))
	field := b[at+16:]
	if protocol == 17 {
		field = b[at+6:]
	}
	binary.BigEndian.PutUint16(field, ^Checksum(append(pseudo, 0, 0, 0, protocol)))
	return b
}
