package link

import (
	"encoding/binary"
	"errors"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// virtioHeaderLen is the length in bytes of struct virtio_net_hdr, which stands
// before each packet of a device with IFF_VNET_HDR (include/uapi/linux/virtio_net.h).
const virtioHeaderLen = 10

// The flags and types of struct virtio_net_hdr, virtio 1.2 section 5.1.6.
const (
	virtioNeedsChecksum = 1 // the checksum is to be completed
	virtioDataValid     = 2 // the checksum was found right

	virtioNone  = 0
	virtioTCPv4 = 1
	virtioTCPv6 = 4
	virtioUDP   = 5 // of both versions
)

// virtioHeader is struct virtio_net_hdr. What it says of a packet is a claim
// until admit has held it against the packet's bytes.
type virtioHeader struct {
	flags          uint8
	segmentation   uint8  // gso_type
	headerLen      uint16 // hdr_len, a hint: bytes of all headers
	segmentSize    uint16 // gso_size: bytes of data in each segment or datagram
	checksumStart  uint16 // csum_start: where the summed bytes begin in the packet
	checksumOffset uint16 // csum_offset: the checksum field, from there
}

// decode reads the header, in the machine's own byte order, as Linux has it by
// default (TUNSETVNETLE in include/uapi/linux/if_tun.h).
func (h *virtioHeader) decode(b []byte) {
	order := binary.NativeEndian
	*h = virtioHeader{b[0], b[1], order.Uint16(b[2:]), order.Uint16(b[4:]), order.Uint16(b[6:]), order.Uint16(b[8:])}
}

// encode writes the header into b.
func (h *virtioHeader) encode(b []byte) {
	order := binary.NativeEndian
	b[0], b[1] = h.flags, h.segmentation
	order.PutUint16(b[2:], h.headerLen)
	order.PutUint16(b[4:], h.segmentSize)
	order.PutUint16(b[6:], h.checksumStart)
	order.PutUint16(b[8:], h.checksumOffset)
}

// What a virtio-net header can claim that the packet belies.
var (
	errUnknownSegmentation = errors.New("the virtio-net header names a segmentation that was not agreed on")
	errLyingHeader         = errors.New("the virtio-net header does not fit the packet")
)

// admission is what is known of an inbound packet once its header is believed:
// the marks that Endpoint puts on the packet buffer.
type admission struct {
	validated bool
	gso       stack.GSO
	// datagram is how many bytes of payload each datagram of a super-datagram has,
	// 0 if it is none. It is to be split, and the marks are for each.
	datagram int
}

// admit holds the header against the packet that follows it. A claim that the
// bytes belie is an error. A checksum to be completed that is not TCP's or UDP's
// own, of a tunnel's inner packet say, is completed in packet.
func (h *virtioHeader) admit(packet []byte) (admission, error) {
	a := admission{validated: h.flags&virtioDataValid != 0}
	needs := h.flags&virtioNeedsChecksum != 0
	start, field := int(h.checksumStart), int(h.checksumStart)+int(h.checksumOffset)
	if needs && (start == 0 || field+2 > len(packet)) {
		return a, errLyingHeader
	}
	switch h.segmentation {
	case virtioNone:
		if !needs {
			return a, nil
		}
		if t, ok := transportOf(packet); !ok || t.start != start || t.field != field || t.whole != len(packet) {
			completeChecksum(packet, start, field)
			return a, nil
		}
	case virtioTCPv4, virtioTCPv6:
		t, ok := transportOf(packet)
		if !ok || t.protocol != uint8(header.TCPProtocolNumber) || t.whole != len(packet) || h.segmentSize == 0 ||
			(h.segmentation == virtioTCPv4) != (packet[0]>>4 == header.IPv4Version) {
			return a, errLyingHeader
		}
		// Without either mark nobody could tell what the field holds, and Linux
		// never sends that (netif_needs_gso in include/linux/netdevice.h).
		if needs && (t.start != start || t.field != field) || !needs && !a.validated {
			return a, errLyingHeader
		}
		data := len(packet) - t.start - int(packet[t.start+12]>>4)*4
		if data < 0 || packet[t.start+12]>>4 < header.TCPMinimumSize/4 {
			return a, errLyingHeader
		}
		if data > int(h.segmentSize) {
			a.gso.MSS = h.segmentSize
			a.gso.Type = stack.GSOTCPv4
			if h.segmentation == virtioTCPv6 {
				a.gso.Type = stack.GSOTCPv6
			}
		}
		start, field = t.start, t.field
	case virtioUDP:
		// Linux takes none without the mark either (virtio_net_hdr_to_skb in
		// include/linux/virtio_net.h).
		t, ok := transportOf(packet)
		if !ok || t.protocol != uint8(header.UDPProtocolNumber) || t.whole != len(packet) || h.segmentSize == 0 ||
			!needs || t.start != start || t.field != field {
			return a, errLyingHeader
		}
		data := len(packet) - t.start - header.UDPMinimumSize
		if int(header.UDP(packet[t.start:]).Length()) != len(packet)-t.start || data > mostSplit*int(h.segmentSize) {
			return a, errLyingHeader
		}
		if data > int(h.segmentSize) {
			a.datagram = int(h.segmentSize)
		}
	default:
		return a, errUnknownSegmentation
	}
	a.gso.NeedsCsum = needs
	a.gso.L3HdrLen, a.gso.CsumOffset = uint16(start), uint16(field-start)
	return a, nil
}

// transport is where a packet's TCP or UDP header is, in bytes from its start.
type transport struct {
	protocol uint8
	start    int // of the header
	field    int // of its checksum
	whole    int // where the packet ends by its IP header
}

// transportOf finds the TCP or UDP header of a whole IP packet. It is false for
// anything else, a fragment too, or if the header is not there in full.
func transportOf(packet []byte) (t transport, ok bool) {
	if len(packet) == 0 {
		return t, false
	}
	switch packet[0] >> 4 {
	case header.IPv4Version:
		if len(packet) < header.IPv4MinimumSize {
			return t, false
		}
		ip := header.IPv4(packet)
		t.start, t.protocol, t.whole = int(ip.HeaderLength()), packet[9], int(ip.TotalLength())
		if t.start < header.IPv4MinimumSize || ip.More() || ip.FragmentOffset() != 0 {
			return t, false
		}
	case header.IPv6Version:
		if len(packet) < header.IPv6MinimumSize {
			return t, false
		}
		t.whole = header.IPv6MinimumSize + int(header.IPv6(packet).PayloadLength())
		if t.protocol, t.start = skipExtensions(packet); t.start == 0 {
			return t, false
		}
	default:
		return t, false
	}
	least := 0
	switch t.protocol {
	case uint8(header.TCPProtocolNumber):
		t.field, least = t.start+header.TCPChecksumOffset, header.TCPMinimumSize
	case uint8(header.UDPProtocolNumber):
		t.field, least = t.start+udpChecksumOffset, header.UDPMinimumSize
	default:
		return t, false
	}
	return t, t.start+least <= len(packet) && t.start+least <= t.whole
}

// udpChecksumOffset of the field in a UDP header, RFC 768.
const udpChecksumOffset = 6

// skipExtensions walks the extension headers of an IPv6 packet, RFC 8200 section
// 4, to the first header that is none. start is 0 if there is no end to them, or
// it is a fragment.
func skipExtensions(packet []byte) (protocol uint8, start int) {
	protocol, start = packet[6], header.IPv6MinimumSize
	for start+2 <= len(packet) {
		switch header.IPv6ExtensionHeaderIdentifier(protocol) {
		case header.IPv6HopByHopOptionsExtHdrIdentifier, header.IPv6RoutingExtHdrIdentifier, header.IPv6DestinationOptionsExtHdrIdentifier:
			protocol, start = packet[start], start+8*(1+int(packet[start+1]))
		case header.IPv6FragmentExtHdrIdentifier:
			return 0, 0
		default:
			return protocol, start
		}
	}
	return 0, 0
}

// completeChecksum does what checksum offload left to do: it sums the packet
// from start to its end, the field included, which holds the pseudo-header's
// sum, and writes the complement there, never as 0, which UDP takes for none
// (skb_checksum_help in net/core/dev.c).
func completeChecksum(packet []byte, start, field int) {
	sum := ^checksum.Checksum(packet[start:], 0)
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(packet[field:], sum)
}

// describe makes the header of an outbound packet.
func (h *virtioHeader) describe(pkt *stack.PacketBuffer) {
	*h = virtioHeader{}
	gso := &pkt.GSOOptions
	if gso.Type != stack.GSOTCPv4 && gso.Type != stack.GSOTCPv6 || !gso.NeedsCsum {
		return // netstack has computed the checksum
	}
	start := gso.L3HdrLen
	if n := len(pkt.NetworkHeader().Slice()); n > 0 {
		start = uint16(n) // it knows of options, gso does not
	}
	h.flags = virtioNeedsChecksum
	h.checksumStart, h.checksumOffset = start, gso.CsumOffset
	if pkt.Data().Size() <= int(gso.MSS) {
		return
	}
	h.segmentation = virtioTCPv4
	if gso.Type == stack.GSOTCPv6 {
		h.segmentation = virtioTCPv6
	}
	h.segmentSize = gso.MSS
	h.headerLen = start + max(header.TCPMinimumSize, uint16(len(pkt.TransportHeader().Slice())))
}
