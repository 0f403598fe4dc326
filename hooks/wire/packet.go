package wire

import (
	"net/netip"
)

// Protocol numbers of the IPv4 protocol and IPv6 next header fields (IANA,
// "Protocol Numbers").
const (
	ProtocolHopByHop    = 0
	ProtocolICMPv4      = 1
	ProtocolTCP         = 6
	ProtocolUDP         = 17
	ProtocolRouting     = 43
	ProtocolFragment    = 44
	ProtocolAH          = 51
	ProtocolICMPv6      = 58
	ProtocolNoNext      = 59
	ProtocolDestination = 60
	ProtocolMobility    = 135
	ProtocolHIP         = 139
	ProtocolShim6       = 140
)

// A Packet is one IP packet, decoded. It borrows the bytes it was decoded
// from. A field is meaningful only as far as the packet was decoded: Problem
// says where decoding stopped, if it did.
type Packet struct {
	// Bytes is the packet as long as it says it is: bytes received after its
	// total length are cut (RFC 791 §3.1). If it claims more than was
	// received, it is all that was received.
	Bytes []byte
	// Missing counts the bytes of the packet's end that Bytes lacks, though they
	// are there: DecodeHead was not given them.
	Missing int
	// Trailing counts the bytes cut.
	Trailing int

	// Version is 4, 6, or whatever else the first four bits said.
	Version uint8
	IPv4    IPv4 // if Version is 4
	IPv6    IPv6 // if Version is 6

	Src, Dst netip.Addr

	// Fragment is what the packet says about being one of several.
	Fragment Fragment

	// Protocol is that of the upper layer, after all extension headers.
	Protocol uint8
	// Payload is the offset in Bytes where the upper layer begins.
	Payload int

	// Upper names the upper-layer header that was decoded, and with it which
	// of ICMP, TCP and UDP is meaningful; empty if none, as in any fragment
	// but the first, and in a first one too short for the header.
	Upper Layer
	ICMP  ICMP
	TCP   TCP
	UDP   UDP

	// Problem is the first thing wrong with the packet's shape.
	Problem Problem

	// Offload is what came with the packet about work left undone. Decode
	// clears it, for no byte of the packet tells: whoever knows sets it then.
	Offload Offload
}

// A Fragment is a packet's place in a fragmented datagram (RFC 791 §3.2, RFC
// 8200 §4.5).
type Fragment struct {
	// Header says that an IPv6 fragment header is there, or that an IPv4
	// packet is a fragment.
	Header bool
	ID     uint32
	// Offset of this fragment's data, in bytes.
	Offset int
	More   bool
}

// IsFragment reports whether the packet is part of a larger datagram. An IPv6
// atomic fragment, which has a fragment header but is whole, is not (RFC 6946).
func (f Fragment) IsFragment() bool { return f.More || f.Offset != 0 }

// Decode sets p from the bytes of one IP packet as received, which it borrows.
// It decodes as far as it can and leaves what stopped it in p.Problem, which
// it also reports as ok == false. It never panics and allocates nothing.
func (p *Packet) Decode(b []byte) (ok bool) { return p.DecodeHead(b, 0) }

// DecodeHead is Decode for a packet of which b is the beginning and missing bytes
// more are elsewhere. All headers must be in b: if one goes on behind it there is
// a Problem that the whole packet need not have.
func (p *Packet) DecodeHead(b []byte, missing int) (ok bool) {
	*p = Packet{Bytes: b, Missing: missing}
	if len(b) == 0 {
		return p.fail(ReasonTooShort, LayerIPv4, 0, 0, ipv4HeaderLen)
	}
	p.Version = b[0] >> 4
	switch p.Version {
	case 4:
		ok = p.decodeIPv4()
	case 6:
		ok = p.decodeIPv6()
	default:
		return p.fail(ReasonBadVersion, LayerIPv4, 0, int(p.Version), 4)
	}
	if !ok || p.Fragment.Offset != 0 {
		return ok
	}
	if !p.decodeUpper() && p.Fragment.More {
		// A first fragment may end within the upper-layer header: that is
		// for the reassembled datagram to judge.
		p.Problem = Problem{}
	}
	return p.Problem.IsZero()
}

// fail records the first problem and returns false.
func (p *Packet) fail(reason string, layer Layer, offset, seen, limit int) bool {
	if p.Problem.IsZero() {
		p.Problem = Problem{Reason: reason, Layer: layer, Offset: offset, Seen: seen, Limit: limit}
	}
	return false
}

// cut sets where the packet ends, by its own length. There are so many bytes.
func (p *Packet) cut(length int) {
	p.Trailing = len(p.Bytes) + p.Missing - length
	if length <= len(p.Bytes) {
		p.Bytes, p.Missing = p.Bytes[:length:length], 0
		return
	}
	p.Missing = length - len(p.Bytes)
}

// DataLen returns the length of the upper layer's bytes, those that are missing
// among them; 0 if decoding did not get that far.
func (p *Packet) DataLen() int {
	if p.Payload == 0 || p.Payload > len(p.Bytes) {
		return 0
	}
	return len(p.Bytes) - p.Payload + p.Missing
}

// Data returns the upper layer's bytes, header included. It is nil if decoding
// did not get that far.
func (p *Packet) Data() []byte {
	if p.Payload == 0 || p.Payload > len(p.Bytes) {
		return nil
	}
	return p.Bytes[p.Payload:]
}
