package wire

import (
	"encoding/binary"
	"net/netip"
)

const ipv4HeaderLen = 20

// An IPv4 is an IPv4 header without its addresses (RFC 791 §3.1).
type IPv4 struct {
	// HeaderLen and TotalLen are in bytes.
	HeaderLen, TotalLen int
	TOS                 uint8
	ID                  uint16
	Reserved, DF, MF    bool
	TTL                 uint8
	Protocol            uint8
	Checksum            uint16
}

// HasOptions reports whether the header is longer than 20 bytes.
func (h IPv4) HasOptions() bool { return h.HeaderLen > ipv4HeaderLen }

func (p *Packet) decodeIPv4() bool {
	b := p.Bytes
	if len(b) < ipv4HeaderLen {
		return p.fail(ReasonTooShort, LayerIPv4, 0, len(b), ipv4HeaderLen)
	}
	fragment := binary.BigEndian.Uint16(b[6:8])
	p.IPv4 = IPv4{
		HeaderLen: int(b[0]&0xf) * 4,
		TotalLen:  int(binary.BigEndian.Uint16(b[2:4])),
		TOS:       b[1],
		ID:        binary.BigEndian.Uint16(b[4:6]),
		Reserved:  fragment&0x8000 != 0,
		DF:        fragment&0x4000 != 0,
		MF:        fragment&0x2000 != 0,
		TTL:       b[8],
		Protocol:  b[9],
		Checksum:  binary.BigEndian.Uint16(b[10:12]),
	}
	h := &p.IPv4
	p.Src = netip.AddrFrom4([4]byte(b[12:16]))
	p.Dst = netip.AddrFrom4([4]byte(b[16:20]))
	p.Protocol = h.Protocol
	offset := int(fragment&0x1fff) * 8
	p.Fragment = Fragment{Header: h.MF || offset != 0, ID: uint32(h.ID), Offset: offset, More: h.MF}

	if h.HeaderLen < ipv4HeaderLen {
		return p.fail(ReasonBadHeaderLength, LayerIPv4, 0, h.HeaderLen, ipv4HeaderLen)
	}
	if h.HeaderLen > len(b) {
		return p.fail(ReasonBadHeaderLength, LayerIPv4, 0, h.HeaderLen, len(b))
	}
	if h.TotalLen < h.HeaderLen {
		return p.fail(ReasonBadTotalLength, LayerIPv4, 2, h.TotalLen, h.HeaderLen)
	}
	p.Payload = h.HeaderLen
	if received := len(b) + p.Missing; h.TotalLen > received {
		return p.fail(ReasonTruncated, LayerIPv4, 2, h.TotalLen, received)
	}
	p.cut(h.TotalLen)
	if h.MF && (h.TotalLen-h.HeaderLen)%8 != 0 {
		return p.fail(ReasonBadFragment, LayerIPv4, 2, h.TotalLen-h.HeaderLen, 8)
	}
	for off := ipv4HeaderLen; off < h.HeaderLen; {
		o, ok := p.Option(off)
		if !ok {
			return p.fail(ReasonBadOption, LayerIPv4, off+1, o.Len, h.HeaderLen-off)
		}
		if o.Type == OptionEnd {
			break
		}
		off += o.Len
	}
	return true
}

// IPv4 option types (IANA, "IP Option Numbers").
const (
	OptionEnd               = 0
	OptionNop               = 1
	OptionRecordRoute       = 7
	OptionTimestamp         = 68
	OptionLooseSourceRoute  = 131
	OptionRouterAlert       = 148
	OptionStrictSourceRoute = 137
)

// An Option is one IPv4 option: its type, its place in bytes from the packet's
// start, and its length, which counts type and length bytes (RFC 791 §3.1).
type Option struct {
	Type   uint8
	Offset int
	Len    int
}

// Option decodes the IPv4 option at offset. It is not ok if the option's
// length is impossible or runs past the header.
func (p *Packet) Option(offset int) (o Option, ok bool) {
	end := min(p.IPv4.HeaderLen, len(p.Bytes))
	if offset < ipv4HeaderLen || offset >= end {
		return Option{}, false
	}
	o = Option{Type: p.Bytes[offset], Offset: offset, Len: 1}
	if o.Type == OptionEnd || o.Type == OptionNop {
		return o, true
	}
	if offset+1 >= end {
		return o, false
	}
	o.Len = int(p.Bytes[offset+1])
	return o, o.Len >= 2 && offset+o.Len <= end
}
