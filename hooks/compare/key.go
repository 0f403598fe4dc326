package compare

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"

	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// A key is what a reply shares with what it replies to, and whether a reply is
// predicted. Of an echo that is the requester, identifier and sequence number;
// of an error the sender of what it quotes, and the first four bytes behind
// that one's IP headers, where the ports are; of a segment both addresses and
// ports; of an advertisement where it goes and its target.
type key struct {
	form    byhand.Form
	peer    netip.Addr
	local   netip.Addr
	word    uint32
	replied bool
}

// A dataKey is a key with what tells apart those who share it: the hash of the
// data that an echo brings back, or of the headers that an error quotes; the
// sequence and acknowledgement number of a reset, or the latter of a SYN-ACK.
type dataKey struct {
	key
	sum uint64
}

// formOf returns what form of reply a packet is.
func formOf(p *wire.Packet) byhand.Form {
	switch {
	case p.Upper == wire.LayerICMPv4 && p.ICMP.Type == wire.ICMPv4EchoReply,
		p.Upper == wire.LayerICMPv6 && p.ICMP.Type == wire.ICMPv6EchoReply:
		return byhand.EchoReply
	case byhand.IsError(p):
		return byhand.ICMPError
	case p.Upper == wire.LayerTCP && p.TCP.Flags&wire.TCPRst != 0:
		return byhand.Reset
	case p.Upper == wire.LayerTCP && p.TCP.Flags&(wire.TCPSyn|wire.TCPAck) == wire.TCPSyn|wire.TCPAck:
		return byhand.SynAck
	case byhand.IsAdvertisement(p):
		return byhand.Advertisement
	}
	return byhand.NoForm
}

// segment returns the key of a segment that the host sends, or would.
func segment(form byhand.Form, p *wire.Packet) dataKey {
	// With a source route the peer is where the route ends.
	k := key{form: form, peer: p.FinalDst(), local: p.Src, word: uint32(p.TCP.SrcPort)<<16 | uint32(p.TCP.DstPort)}
	if form == byhand.SynAck {
		return dataKey{k, uint64(p.TCP.Ack)}
	}
	sum := uint64(p.TCP.Seq)
	if p.TCP.Flags&wire.TCPAck != 0 {
		// Without the flag the number says nothing.
		sum = sum<<32 | uint64(p.TCP.Ack)
	}
	return dataKey{k, sum}
}

// asked returns the key of a request, whose reply has a form. expected is that
// reply, if it is made by hand.
func asked(form byhand.Form, whole *wire.Packet, expected []byte, seed maphash.Seed) dataKey {
	k := key{form: form, peer: whole.Src}
	switch form {
	case byhand.Reset, byhand.SynAck:
		var p wire.Packet
		p.Decode(expected)
		return segment(form, &p)
	case byhand.Advertisement:
		k.peer, k.local = byhand.Advertised(whole), byhand.NeighbourTarget(whole)
	case byhand.EchoReply:
		d := whole.Data()
		k.word = binary.BigEndian.Uint32(d[4:])
		return dataKey{k, maphash.Bytes(seed, d[8:])}
	case byhand.ICMPError:
		k.word = firstWord(whole)
		return dataKey{k, maphash.Bytes(seed, head(whole))}
	}
	return dataKey{key: k}
}

// head is what an error has to quote at least (RFC 1122 §3.2.2).
func head(p *wire.Packet) []byte { return p.Bytes[:min(len(p.Bytes), carried(p)+8)] }

// firstWord is that of what the IP headers carry, if there is so much, or else what
// the header says of its packet's length.
func firstWord(p *wire.Packet) uint32 {
	if at := carried(p); at != 0 && at+4 <= len(p.Bytes) {
		return binary.BigEndian.Uint32(p.Bytes[at:])
	}
	return uint32(p.IPv4.TotalLen + p.IPv6.PayloadLen)
}

// carried is the offset of what the IP headers carry, or 0. Behind the header of an IPv6
// fragment whose length is no multiple of 8 nothing is decoded, which of one that is
// quoted in part only its length tells.
func carried(p *wire.Packet) int {
	if p.Version == 6 && p.Fragment.More {
		for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
			if end := int(e.Offset + e.Len); e.Protocol == wire.ProtocolFragment && (40+int(p.IPv6.PayloadLen)-end)%8 != 0 {
				return end
			}
		}
	}
	return p.Payload
}

// quoted decodes what an error quotes, as far as that is there.
func quoted(p *wire.Packet) *wire.Packet {
	q := new(wire.Packet)
	q.Decode(p.Data()[8:])
	return q
}

// isEcho reports whether a quoted packet, of which the end may be missing, is
// an echo request.
func isEcho(q *wire.Packet) bool {
	d := q.Data()
	return len(d) >= 8 && q.Fragment.Offset == 0 &&
		(q.Version == 4 && q.Protocol == wire.ProtocolICMPv4 && d[0] == wire.ICMPv4EchoRequest ||
			q.Version == 6 && q.Protocol == wire.ProtocolICMPv6 && d[0] == wire.ICMPv6EchoRequest)
}
