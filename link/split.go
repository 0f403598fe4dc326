package link

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// mostSplit is how many datagrams an inbound super-datagram may hold,
// UDP_MAX_SEGMENTS in include/linux/udp.h. It was 64 before Linux 6.9.
const mostSplit = 128

// split cuts a super-datagram, admitted as a, into its datagrams and appends them
// to pkts, each in memory of its own. It does what the kernel would have done
// (__udp_gso_segment in net/ipv4/udp_offload.c, inet_gso_segment in
// net/ipv4/af_inet.c): each gets the headers with its own length, and over IPv4
// its identification is one more than that of the one before. The sums change by
// what changed under them and are not made anew: a wrong one stays wrong.
func split(pkts []*stack.PacketBuffer, packet []byte, a admission) []*stack.PacketBuffer {
	start := int(a.gso.L3HdrLen)
	headers := start + header.UDPMinimumSize
	protocol := protocolOf(packet)
	data := packet[headers:]
	for i := uint16(0); len(data) > 0; i++ {
		n := min(a.datagram, len(data))
		view := buffer.NewViewSize(headers + n)
		b := view.AsSlice()
		copy(b, packet[:headers])
		copy(b[headers:], data[:n])
		data = data[n:]

		if protocol == header.IPv4ProtocolNumber {
			sum := ^binary.BigEndian.Uint16(b[10:])
			sum = replace(b[2:], uint16(len(b)), sum)
			sum = replace(b[4:], binary.BigEndian.Uint16(b[4:])+i, sum)
			binary.BigEndian.PutUint16(b[10:], ^sum)
		} else {
			binary.BigEndian.PutUint16(b[4:], uint16(len(b)-header.IPv6MinimumSize))
		}
		// What the UDP field holds is the pseudo-header's sum, not complemented.
		udp := b[start:]
		sum := binary.BigEndian.Uint16(udp[udpChecksumOffset:])
		binary.BigEndian.PutUint16(udp[udpChecksumOffset:], replace(udp[4:], uint16(len(udp)), sum))

		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(view)})
		pkt.NetworkProtocolNumber = protocol
		pkt.RXChecksumValidated = a.validated
		pkt.GSOOptions = a.gso
		pkts = append(pkts, pkt)
	}
	return pkts
}

// replace writes a 16-bit field, big-endian, and returns what becomes of a sum
// that it is part of (RFC 1624 section 3).
func replace(field []byte, value, sum uint16) uint16 {
	s := uint32(sum) + uint32(^binary.BigEndian.Uint16(field)) + uint32(value)
	binary.BigEndian.PutUint16(field, value)
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s&0xffff)
}
