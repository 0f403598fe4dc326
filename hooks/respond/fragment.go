package respond

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"

	"netstackd/hooks/wire"
)

// numbers are the identifications of fragmented replies. None may come again
// while the fragments of another by it are under way (RFC 6864 §4.3, RFC 8200
// §4.5), so it is not that of the reply, which is for the answerer to choose.
type numbers struct{ last atomic.Uint32 }

func (n *numbers) begin()       { n.last.Store(rand.Uint32()) }
func (n *numbers) next() uint32 { return n.last.Add(1) }

// split makes fragments no longer than mtu bytes of a whole packet that is longer
// (RFC 791 §3.2, RFC 8200 §4.5). What the packet says of fragments itself it loses:
// one that is to be sent in fragments cannot ask not to be.
func split(packet []byte, mtu int, id uint32) [][]byte {
	var p wire.Packet
	p.Decode(packet)
	if p.Version == 6 {
		return split6(&p, mtu, id)
	}
	return split4(&p, mtu, uint16(id))
}

func split4(p *wire.Packet, mtu int, id uint16) (fragments [][]byte) {
	first, later := p.Bytes[:p.IPv4.HeaderLen], copied(p)
	data := p.Bytes[p.IPv4.HeaderLen:]
	for at := 0; at < len(data); {
		header := first
		if at > 0 {
			header = later
		}
		n := min((mtu-len(header))&^7, len(data)-at)
		if len(data)-at <= mtu-len(header) {
			n = len(data) - at
		}
		b := append(append(make([]byte, 0, len(header)+n), header...), data[at:at+n]...)
		place := uint16(at / 8)
		if at+n < len(data) {
			place |= 0x2000 // more fragments
		}
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		binary.BigEndian.PutUint16(b[4:], id)
		binary.BigEndian.PutUint16(b[6:], place)
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:len(header)]))
		fragments = append(fragments, b)
		at += n
	}
	return fragments
}

// copied returns the header that the fragments but the first have: of its options
// those that say so (RFC 791 §3.1).
func copied(p *wire.Packet) []byte {
	const copyFlag = 0x80
	h := append([]byte(nil), p.Bytes[:20]...)
	for at := 20; at < p.IPv4.HeaderLen; {
		o, ok := p.Option(at)
		if !ok || o.Type == wire.OptionEnd {
			break
		}
		if o.Type&copyFlag != 0 {
			h = append(h, p.Bytes[o.Offset:o.Offset+o.Len]...)
		}
		at += o.Len
	}
	for len(h)%4 != 0 {
		h = append(h, wire.OptionEnd)
	}
	h[0] = 4<<4 | byte(len(h)/4)
	return h
}

func split6(p *wire.Packet, mtu int, id uint32) (fragments [][]byte) {
	const fixed, header = 40, 8
	// Only a hop-by-hop header has to come before that of the fragment: no reply
	// has a route to go.
	ahead, nextAt := fixed, 6
	if p.Bytes[6] == wire.ProtocolHopByHop {
		ahead, nextAt = fixed+8*(int(p.Bytes[fixed+1])+1), fixed
	}
	data := p.Bytes[ahead:]
	for at := 0; at < len(data); {
		n := min((mtu-ahead-header)&^7, len(data)-at)
		if len(data)-at <= mtu-ahead-header {
			n = len(data) - at
		}
		b := append(make([]byte, 0, ahead+header+n), p.Bytes[:ahead]...)
		b[nextAt] = wire.ProtocolFragment
		place := uint16(at)
		if at+n < len(data) {
			place |= 1 // more fragments
		}
		b = append(b, p.Bytes[nextAt], 0)
		b = binary.BigEndian.AppendUint16(b, place)
		b = binary.BigEndian.AppendUint32(b, id)
		b = append(b, data[at:at+n]...)
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-fixed))
		fragments = append(fragments, b)
		at += n
	}
	return fragments
}
