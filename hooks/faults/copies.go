package faults

import (
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// appendBytes appends at most limit bytes of a packet to dst.
func appendBytes(dst []byte, pkt *stack.PacketBuffer, limit int) []byte {
	views, offset := pkt.AsViewList()
	for v := views.Front(); v != nil && limit > 0; v = v.Next() {
		b := v.AsSlice()
		if offset >= len(b) {
			offset -= len(b)
			continue
		}
		b = b[offset:]
		offset = 0
		b = b[:min(limit, len(b))]
		limit -= len(b)
		dst = append(dst, b...)
	}
	return dst
}

// bytesOf returns a copy of a packet's bytes.
func bytesOf(pkt *stack.PacketBuffer) []byte {
	n := pkt.Size()
	return appendBytes(make([]byte, 0, n), pkt, n)
}

// rebuilt returns a packet buffer of the bytes b, which it copies, with what is
// said of pkt beside its bytes. It is the caller's to DecRef.
//
// PacketBuffer.Clone would not do: it shares the payload, of which TCP keeps
// its own reference to send it again, and the headers, which netstack rewrites
// in place on the way in.
func rebuilt(pkt *stack.PacketBuffer, b []byte) *stack.PacketBuffer {
	link, network, transport := len(pkt.LinkHeader().Slice()), len(pkt.NetworkHeader().Slice()), len(pkt.TransportHeader().Slice())
	headers := link + network + transport
	if headers > len(b) {
		link, network, transport, headers = 0, 0, 0, 0
	}
	c := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: headers,
		Payload:            buffer.MakeWithData(b[headers:]),
	})
	// Headers are pushed from the inside out.
	if transport > 0 {
		copy(c.TransportHeader().Push(transport), b[link+network:])
	}
	if network > 0 {
		copy(c.NetworkHeader().Push(network), b[link:])
	}
	if link > 0 {
		copy(c.LinkHeader().Push(link), b)
	}
	c.NetworkProtocolNumber = pkt.NetworkProtocolNumber
	c.TransportProtocolNumber = pkt.TransportProtocolNumber
	c.Hash = pkt.Hash
	c.Owner = pkt.Owner
	c.EgressRoute = pkt.EgressRoute
	c.GSOOptions = pkt.GSOOptions
	c.PktType = pkt.PktType
	c.NICID, c.InputNICID = pkt.NICID, pkt.InputNICID
	c.RXChecksumValidated = pkt.RXChecksumValidated
	c.NetworkPacketInfo = pkt.NetworkPacketInfo
	c.Mark = pkt.Mark
	return c
}

// damaged is rebuilt for bytes that nobody vouches for and nobody shall mend.
func damaged(pkt *stack.PacketBuffer, b []byte) *stack.PacketBuffer {
	c := rebuilt(pkt, b)
	c.RXChecksumValidated = false
	c.GSOOptions = stack.GSO{}
	return c
}
