package link

import (
	"bytes"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// mostGathered is how many datagrams an outbound super-datagram has at most:
	// what Linux takes since it takes any (UDP_MAX_SEGMENTS in include/linux/udp.h).
	mostGathered = 64
	// mostGatheredBytes is how long one is at most, headers included.
	mostGatheredBytes = 65000
)

// gatherer joins the datagrams of one flow that are written while a batch of
// inbound packets is delivered, and writes them as one super-datagram: the
// replies to what came together leave together, with one system call. A datagram
// waits for nothing but the rest of the batch.
//
// It takes datagrams without options and extension headers, no fragments, whose
// lengths and checksums are right: the kernel makes new ones. Over IPv4 it also
// makes new identifications, the first one's and so on; netstack's are random.
// All datagrams of a super-datagram are of one length but the last, which may be
// shorter. One that does not follow in all else of its headers as well writes out
// what is there. So does every other UDP packet, before it is written itself: the
// order of a flow is kept.
//
// take is called by any goroutine, begin and end by the reader; end once more for one
// that was given up.
type gatherer struct {
	// write writes a packet and its header, under mu.
	write func(h virtioHeader, packet []byte) error
	// wrote gets the result of each write, under mu: how many datagrams, and the
	// bytes of each but the last, and of that, headers included.
	wrote func(datagrams, each, last int, err error)

	// open says that a batch is being delivered. It ends under mu.
	open atomic.Bool

	mu sync.Mutex
	// The following are guarded by mu.
	packet []byte // the first one's headers and the payload of all
	count  int    // of datagrams in packet
	size   int    // of the first one's payload
	ended  bool   // the last one is shorter
}

func (g *gatherer) begin() { g.open.Store(true) }

// end writes what was gathered. From then on nothing is.
func (g *gatherer) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flush()
	// Not before: who sees it closed writes past it.
	g.open.Store(false)
}

// take takes a copy of a packet, to write it later, or returns false: then the
// caller is to write it, now.
func (g *gatherer) take(pkt *stack.PacketBuffer) bool {
	if !g.open.Load() {
		return false
	}
	head := headOf(pkt)
	if !carriesUDP(head) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open.Load() {
		return false
	}
	headers, pseudo, ok := plainDatagram(head, pkt.Size())
	if !ok || pkt.GSOOptions.NeedsCsum {
		g.flush()
		return false
	}
	n := pkt.Size() - len(headers)
	if g.count > 0 && (g.ended || n > g.size || g.count == mostGathered || len(g.packet)+n > mostGatheredBytes || !g.isFlowOf(headers)) {
		g.flush()
	}
	if g.count == 0 {
		g.packet = append(g.packet[:0], headers...)
		g.size, g.ended = n, false
	}
	before := len(g.packet)
	g.packet = appendFrom(g.packet, pkt, len(headers))
	udp := headers[len(headers)-header.UDPMinimumSize:]
	if checksum.Checksum(g.packet[before:], checksum.Checksum(udp, pseudo)) != 0xffff {
		// The kernel would make a right one of it.
		g.packet = g.packet[:before]
		g.flush()
		return false
	}
	g.count++
	g.ended = n < g.size
	return true
}

// isFlowOf tells whether a datagram with these headers may follow: they are the
// first one's but for lengths, identification and checksums. mu is held.
func (g *gatherer) isFlowOf(headers []byte) bool {
	first, start := g.packet, len(headers)-header.UDPMinimumSize
	if first[0]>>4 != headers[0]>>4 || !bytes.Equal(first[start:start+4], headers[start:start+4]) {
		return false
	}
	if start == header.IPv4MinimumSize {
		return first[1] == headers[1] && bytes.Equal(first[6:10], headers[6:10]) && bytes.Equal(first[12:start], headers[12:start])
	}
	return bytes.Equal(first[:4], headers[:4]) && bytes.Equal(first[6:start], headers[6:start])
}

// flush writes what is there, if anything. mu is held.
func (g *gatherer) flush() {
	if g.count == 0 {
		return
	}
	var h virtioHeader
	n, start := len(g.packet), header.IPv6MinimumSize
	if g.packet[0]>>4 == header.IPv4Version {
		start = header.IPv4MinimumSize
	}
	if g.count > 1 {
		h = virtioHeader{virtioNeedsChecksum, virtioUDP, uint16(start + header.UDPMinimumSize), uint16(g.size), uint16(start), udpChecksumOffset}
		if start == header.IPv4MinimumSize {
			sum := ^binary.BigEndian.Uint16(g.packet[10:])
			binary.BigEndian.PutUint16(g.packet[10:], ^replace(g.packet[2:], uint16(n), sum))
		} else {
			binary.BigEndian.PutUint16(g.packet[4:], uint16(n-start))
		}
		binary.BigEndian.PutUint16(g.packet[start+4:], uint16(n-start))
		binary.BigEndian.PutUint16(g.packet[start+udpChecksumOffset:], pseudoHeaderSum(g.packet[:start], uint16(n-start)))
	}
	err := g.write(h, g.packet)
	headers := start + header.UDPMinimumSize
	g.wrote(g.count, headers+g.size, n-(g.count-1)*g.size, err)
	g.count = 0
}

// carriesUDP tells whether a packet that begins so is UDP's or may be: a fragment,
// say, or one with extension headers.
func carriesUDP(head []byte) bool {
	switch {
	case len(head) >= header.IPv4MinimumSize && head[0]>>4 == header.IPv4Version:
		return head[9] == uint8(header.UDPProtocolNumber)
	case len(head) >= header.IPv6MinimumSize && head[0]>>4 == header.IPv6Version:
		return head[6] != uint8(header.TCPProtocolNumber) && head[6] != uint8(header.ICMPv6ProtocolNumber)
	}
	return false
}

// plainDatagram returns the headers of a packet of so many bytes that begins with
// head, and the sum of its pseudo-header. It is false for all but a datagram with
// payload and a checksum, short enough for a second one, without options and extension headers, whose lengths
// and IPv4 checksum are right.
func plainDatagram(head []byte, size int) (headers []byte, pseudo uint16, ok bool) {
	start := header.IPv6MinimumSize
	if head[0]>>4 == header.IPv4Version {
		start = header.IPv4MinimumSize
	}
	if len(head) < start+header.UDPMinimumSize || size <= start+header.UDPMinimumSize || size > mostGatheredBytes/2 {
		return nil, 0, false
	}
	ip, udp := head[:start], head[start:start+header.UDPMinimumSize]
	if start == header.IPv4MinimumSize {
		ok = ip[0] == header.IPv4Version<<4+header.IPv4MinimumSize/4 && int(header.IPv4(ip).TotalLength()) == size &&
			!header.IPv4(ip).More() && header.IPv4(ip).FragmentOffset() == 0 && checksum.Checksum(ip, 0) == 0xffff
	} else {
		ok = ip[6] == uint8(header.UDPProtocolNumber) && int(header.IPv6(ip).PayloadLength()) == size-start
	}
	length := uint16(size - start)
	if !ok || header.UDP(udp).Length() != length || header.UDP(udp).Checksum() == 0 {
		return nil, 0, false
	}
	return head[:start+header.UDPMinimumSize], pseudoHeaderSum(ip, length), true
}

// pseudoHeaderSum is UDP's, RFC 768 and RFC 8200 section 8.1, not complemented, of
// an IP header without options or extension headers. length is that of the
// datagram with its header.
func pseudoHeaderSum(ip []byte, length uint16) uint16 {
	addresses := ip[12:]
	if ip[0]>>4 == header.IPv6Version {
		addresses = ip[8:]
	}
	return checksum.Combine(checksum.Checksum(addresses, 0), checksum.Combine(length, uint16(header.UDPProtocolNumber)))
}

// headOf returns the packet's bytes up to the end of its first view: netstack's
// headers lie in one.
func headOf(pkt *stack.PacketBuffer) []byte {
	views, skip := pkt.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		if b := v.AsSlice(); skip < len(b) {
			return b[skip:]
		} else {
			skip -= len(b)
		}
	}
	return nil
}

// appendFrom appends to b the packet's bytes from skip on.
func appendFrom(b []byte, pkt *stack.PacketBuffer, skip int) []byte {
	views, offset := pkt.AsViewList()
	skip += offset
	for v := views.Front(); v != nil; v = v.Next() {
		piece := v.AsSlice()
		n := min(skip, len(piece))
		skip -= n
		b = append(b, piece[n:]...)
	}
	return b
}
