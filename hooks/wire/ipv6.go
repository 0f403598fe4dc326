package wire

import (
	"encoding/binary"
	"net/netip"
)

const (
	ipv6HeaderLen   = 40
	fragmentLen     = 8
	maxExtensions   = 12
	routingType0    = 0
	routingTypeMob6 = 2

	routingTypeSegment = 4
)

// An IPv6 is an IPv6 header without its addresses, and the chain of extension
// headers behind it (RFC 8200 §3, §4).
type IPv6 struct {
	TrafficClass uint8
	FlowLabel    uint32
	// PayloadLen is in bytes and does not count the header's 40.
	PayloadLen int
	NextHeader uint8
	HopLimit   uint8

	// Extensions holds the first extension headers, Count of them; a longer
	// chain is walked whole, but only these are kept.
	Extensions [maxExtensions]Extension
	Count      int
	// Final is the destination that checksums count: the last address of a
	// routing header with segments left, else the destination (RFC 8200 §8.1).
	// It is the zero Addr behind a routing header with segments left that
	// does not say, as one of an unknown type does not.
	Final netip.Addr
}

// An Extension is one IPv6 extension header.
type Extension struct {
	Protocol uint8
	// Offset from the packet's start and Len, both in bytes. They are no wider
	// than they need be: every packet's decoding has room for several.
	Offset, Len int32
}

func (p *Packet) decodeIPv6() bool {
	b := p.Bytes
	if len(b) < ipv6HeaderLen {
		return p.fail(ReasonTooShort, LayerIPv6, 0, len(b), ipv6HeaderLen)
	}
	first := binary.BigEndian.Uint32(b[0:4])
	p.IPv6 = IPv6{
		TrafficClass: uint8(first >> 20),
		FlowLabel:    first & 0xfffff,
		PayloadLen:   int(binary.BigEndian.Uint16(b[4:6])),
		NextHeader:   b[6],
		HopLimit:     b[7],
	}
	h := &p.IPv6
	p.Src = netip.AddrFrom16([16]byte(b[8:24]))
	p.Dst = netip.AddrFrom16([16]byte(b[24:40]))
	h.Final = p.Dst
	p.Protocol = h.NextHeader
	p.Payload = ipv6HeaderLen

	total := ipv6HeaderLen + h.PayloadLen
	received := len(b) + p.Missing
	truncated := total > received
	if !truncated {
		p.cut(total)
	}
	ok := p.decodeExtensions()
	if truncated {
		// Said last, so that the addresses and the chain are there to show.
		p.Problem = Problem{}
		return p.fail(ReasonTruncated, LayerIPv6, 4, total, received)
	}
	return ok
}

// decodeExtensions walks the chain of extension headers up to the upper layer,
// or up to the end of the first header of a fragment that is not the first.
func (p *Packet) decodeExtensions() bool {
	b, h := p.Bytes, &p.IPv6
	for {
		at := p.Payload
		size := 0
		switch p.Protocol {
		case ProtocolHopByHop, ProtocolRouting, ProtocolDestination, ProtocolMobility, ProtocolHIP, ProtocolShim6:
			if at+2 > len(b) {
				return p.fail(ReasonBadExtension, LayerIPv6, at, len(b)-at, 8)
			}
			size = 8 + 8*int(b[at+1])
		case ProtocolAH:
			if at+2 > len(b) {
				return p.fail(ReasonBadExtension, LayerIPv6, at, len(b)-at, 8)
			}
			// The one length counted in words of 4 bytes (RFC 4302 §2.2).
			size = 8 + 4*int(b[at+1])
		case ProtocolFragment:
			size = fragmentLen
		default:
			return true
		}
		if at+size > len(b) {
			return p.fail(ReasonBadExtension, LayerIPv6, at, size, len(b)-at)
		}
		if h.Count < maxExtensions {
			h.Extensions[h.Count] = Extension{Protocol: p.Protocol, Offset: int32(at), Len: int32(size)}
			h.Count++
		}
		this := p.Protocol
		p.Protocol = b[at]
		p.Payload = at + size
		switch this {
		case ProtocolRouting:
			p.followRouting(b[at : at+size])
		case ProtocolFragment:
			if p.Fragment.IsFragment() {
				// A second one belongs to the datagram that is to be put
				// together, not to this packet.
				continue
			}
			word := binary.BigEndian.Uint16(b[at+2 : at+4])
			p.Fragment = Fragment{
				Header: true,
				ID:     binary.BigEndian.Uint32(b[at+4 : at+8]),
				Offset: int(word &^ 7),
				More:   word&1 != 0,
			}
			if p.Fragment.More && (len(b)-p.Payload)%8 != 0 {
				return p.fail(ReasonBadFragment, LayerIPv6, 4, len(b)-p.Payload, 8)
			}
			if p.Fragment.Offset != 0 {
				return true
			}
		}
	}
}

// followRouting sets the final destination from a routing header with segments
// left. Types 0 and 2 list the addresses in the order of the visits (RFC 8200
// §4.4, RFC 6275 §6.4), segment routing in the reverse of it (RFC 8754 §2).
func (p *Packet) followRouting(header []byte) {
	kind, left := header[2], header[3]
	if left == 0 {
		return
	}
	p.IPv6.Final = netip.Addr{}
	if len(header) < 8+16 {
		return
	}
	switch kind {
	case routingType0, routingTypeMob6:
		p.IPv6.Final = netip.AddrFrom16([16]byte(header[len(header)-16:]))
	case routingTypeSegment:
		p.IPv6.Final = netip.AddrFrom16([16]byte(header[8:24]))
	}
}
