package hostile

import (
	"encoding/binary"
	"net/netip"

	"netstackd/hooks/wire"
)

// fragmentLen is the length of IPv6's fragment header, in bytes.
const fragmentLen = 8

// A piece is what one fragment says of itself, which need not be true.
type piece struct {
	offset int // in bytes
	more   bool
	data   []byte
}

// storm is a datagram in fragments, or two under one identification, of which
// some are missing, come twice, overlap or lie.
func (g *Generator) storm() [][]byte {
	v6 := g.chance(50)
	src, dst := g.peer(v6), g.host(v6)
	if g.chance(4) {
		src, dst = g.addresses(v6)
	}
	protocol, message := g.large(src, dst)
	pieces := g.cut(message)
	g.mix(&pieces)
	s := g.sender(src, dst, protocol)
	var out [][]byte
	for i, p := range pieces {
		out = append(out, g.fragment(&s, p, i == 0))
	}
	if g.chance(10) { // another datagram, in between, that has the same identification
		_, other := g.large(src, dst)
		for _, p := range g.cut(other[:min(len(other), 4000)]) {
			at := g.r.IntN(len(out) + 1)
			out = append(out[:at], append([][]byte{g.fragment(&s, p, false)}, out[at:]...)...)
		}
	}
	if g.chance(15) {
		i := g.r.IntN(len(out))
		out[i] = g.spoil(out[i])
	}
	return out
}

// large is a message that needs fragments, as long as there can be one now and
// then, or longer.
func (g *Generator) large(src, dst netip.Addr) (protocol uint8, message []byte) {
	n := 16 + g.r.IntN(3000)
	switch g.r.IntN(60) {
	case 0, 1: // about as much as a datagram can hold, with the options of its reply or without
		n = 65_400 + g.r.IntN(150)
	case 2:
		n = 3000 + g.r.IntN(62_000)
	}
	data := g.bytes(n)
	switch g.r.IntN(6) {
	case 0:
		// The field has no room for the length of the longest.
		return wire.ProtocolUDP, datagram(src, dst, uint16(1024+g.r.IntN(64512)), g.port(), data)
	case 1:
		s := segment{from: uint16(1024 + g.r.IntN(64512)), to: g.port(), seq: g.r.Uint32(), flags: g.flags(), window: 65535, data: data}
		return wire.ProtocolTCP, s.bytes(src, dst)
	}
	kind := uint8(wire.ICMPv4EchoRequest)
	if src.Is6() {
		kind = wire.ICMPv6EchoRequest
	}
	if g.chance(5) {
		kind = one(g, []uint8{3, 4, 13, 17, neighbourSolicitation, neighbourAdvertiser})
	}
	return protocolICMP(dst), icmpMessage(src, dst, kind, 0, g.number(), data)
}

// cut cuts a message into pieces that are right.
func (g *Generator) cut(message []byte) []piece {
	size := 8 * (1 + g.r.IntN(180))
	if len(message) > 20_000 {
		size = one(g, []int{1448, 1480, 8000, 16_000, 65_504})
	}
	if size < len(message)/64 {
		size = (len(message)/64 + 7) &^ 7
	}
	var pieces []piece
	for at := 0; at < len(message); at += size {
		end := min(at+size, len(message))
		pieces = append(pieces, piece{at, end < len(message), message[at:end]})
	}
	return pieces
}

// mix brings pieces into disorder, and often worse.
func (g *Generator) mix(pieces *[]piece) {
	p := *pieces
	switch g.r.IntN(4) {
	case 0:
		g.r.Shuffle(len(p), func(i, j int) { p[i], p[j] = p[j], p[i] })
	case 1:
		for i, j := 0, len(p)-1; i < j; i, j = i+1, j-1 {
			p[i], p[j] = p[j], p[i]
		}
	}
	if g.chance(35) {
		return
	}
	for n := 1 + g.r.IntN(3); n > 0; n-- {
		i := g.r.IntN(len(p))
		q := p[i]
		switch g.r.IntN(9) {
		case 0: // a hole
			if len(p) > 1 {
				p = append(p[:i], p[i+1:]...)
			}
			continue
		case 1: // once more
			p = append(p, q)
			continue
		case 2: // once more, with other data
			q.data = g.bytes(len(q.data))
			p = append(p, q)
			continue
		case 3: // an overlap
			q.offset = max(0, q.offset-8)
			q.data = g.bytes(len(q.data))
			p = append(p, q)
			continue
		case 4:
			q.more = !q.more
		case 5:
			q.offset = 8 * g.r.IntN(8192)
		case 6: // far out
			q.offset = one(g, []int{65_528, 65_520, 65_496, 65_512})
		case 7: // of a length that no offset can follow
			q.data = q.data[:g.r.IntN(len(q.data)+1)]
		case 8: // longer, into the next
			q.data = append(q.data[:len(q.data):len(q.data)], g.bytes(8)...)
		}
		p[i] = q
	}
	*pieces = p
}

// A sender is what the fragments of a datagram have in common.
type sender struct {
	frame frame
	id    uint32
	// odds are of one fragment being other than those before, in percent.
	traffic, option, unlike int
	ext                     []byte // IPv6 headers in front of the fragment's
	extKind                 uint8
}

func (g *Generator) sender(src, dst netip.Addr, protocol uint8) sender {
	s := sender{frame: g.frame(src, dst, protocol), id: g.number()}
	s.frame.id, s.frame.fragment = uint16(s.id), 0
	if g.chance(30) {
		s.traffic = 30
	}
	if g.chance(25) {
		s.option = 40
	}
	if g.chance(8) {
		s.unlike = 20
	}
	if src.Is6() && g.chance(15) {
		s.extKind, s.ext = g.extension(wire.ProtocolFragment)
	}
	return s
}

// fragment makes a packet of a piece.
func (g *Generator) fragment(s *sender, p piece, first bool) []byte {
	f := s.frame
	if g.chance(s.traffic) {
		f.traffic = f.traffic&^3 | uint8(g.r.IntN(4))
	}
	if g.chance(s.unlike) {
		f.protocol = one(g, []uint8{wire.ProtocolUDP, wire.ProtocolTCP, wire.ProtocolICMPv4, wire.ProtocolICMPv6, wire.ProtocolNoNext, wire.ProtocolFragment, 0})
	}
	more := uint16(0)
	if p.more {
		more = 1
	}
	if !f.src.Is6() {
		f.fragment = more<<13 | uint16(p.offset/8)
		if s.option > 0 && (first || g.chance(s.option)) {
			f.options = g.ipOptions()
		}
		room := mostPacket - header4Len - (len(f.options)+3)&^3
		return f.packet(p.data[:min(len(p.data), room)])
	}
	header := make([]byte, fragmentLen)
	header[0] = f.protocol
	binary.BigEndian.PutUint16(header[2:], uint16(p.offset)&^7|more)
	binary.BigEndian.PutUint32(header[4:], s.id)
	f.protocol = wire.ProtocolFragment
	if s.ext != nil {
		f.protocol = s.extKind
		header = append(s.ext[:len(s.ext):len(s.ext)], header...)
	}
	room := mostPacket - header6Len - len(header)
	return f.packet(append(header, p.data[:min(len(p.data), room)]...))
}
