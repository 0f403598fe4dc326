package guard

import (
	"encoding/binary"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// mendSegment mends an acknowledgment that netstack would not take for what it is.
func (g *mender) mendSegment(p *hooks.Packet) {
	seq, ack, window := p.TCP.Seq, p.TCP.Ack, uint32(p.TCP.Window)
	length := uint32(max(p.DataLen()-p.TCP.DataOffset, 0))
	var mend Mends
	var told uint32
	now := uint32(p.Time.Unix())
	g.flows.with(p.Dst, p.Src, p.TCP.DstPort, p.TCP.SrcPort, now, false, func(f *flow) {
		told = f.told
		if f.stamped && g.mends.has(mendOldTimestamp) {
			if stamp, ok := stampOf(p); ok && f.old(stamp, seq, now) {
				mend = mendOldTimestamp
				return
			}
		}
		switch {
		case before(f.next, ack):
			if f.open { // else netstack resets it, as it should
				mend = mendUnsentAck
			}
			return
		case f.shuts(seq, length) && (!f.ahead || before(f.aheadAck, ack) || f.aheadAck == ack && f.aheadWidth != window):
			mend = mendShutWindow
		}
		f.open = true
	})
	if mend == 0 || !g.mends.has(mend) || !sound(p) {
		return
	}
	if mend != mendShutWindow {
		shiftOut(p, mend, told, length)
		return
	}
	p.Precede(nameOf(mend), acknowledgment(p, told))
	g.flows.with(p.Dst, p.Src, p.TCP.DstPort, p.TCP.SrcPort, now, false, func(f *flow) {
		f.ahead, f.aheadAck, f.aheadWidth = true, ack, window
	})
}

// stampOf returns the timestamp of a segment, which stands at the same place in
// nearly all (RFC 7323 appendix A).
func stampOf(p *hooks.Packet) (stamp uint32, ok bool) {
	if p.TCP.DataOffset == tcpHeader+12 {
		if o := p.Bytes[p.Payload+tcpHeader:]; binary.BigEndian.Uint32(o) == tcpOptionNop<<24|tcpOptionNop<<16|byhand.TCPOptionTimestamps<<8|10 {
			return binary.BigEndian.Uint32(o[4:]), true
		}
	}
	o, ok := byhand.TCPOption(&p.Packet, byhand.TCPOptionTimestamps)
	if !ok || len(o) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint32(o), true
}

// sound reports whether no checksum of a packet is known to be wrong.
func sound(p *hooks.Packet) bool {
	for _, c := range p.Checks() {
		vouched := c.Layer == wire.LayerTCP && p.Offload.Validated && !p.Offload.Partial
		if c.Verdict == wire.Bad && !vouched {
			return false
		}
	}
	return true
}

// shiftOut moves a segment of so many bytes in sequence to where it is before all
// that netstack waits for, since told: netstack answers it with an acknowledgment,
// and drops it.
func shiftOut(p *hooks.Packet, mend Mends, told, length uint32) {
	tcp := p.Edit(nameOf(mend))[p.Payload:]
	to := told - max(length, 1)
	for i, after := range [2]uint16{uint16(to >> 16), uint16(to)} {
		word := tcp[tcpSeq+2*i:]
		before := binary.BigEndian.Uint16(word)
		binary.BigEndian.PutUint16(word, after)
		if !p.Offload.Partial { // a partial sum is that of the pseudo-header alone
			adjust(tcp[tcpChecksum:], before, after)
		}
	}
}

// acknowledgment returns a segment that acknowledges what p does, with its window and
// its options, and has nothing else, at a place in sequence.
func acknowledgment(p *hooks.Packet, seq uint32) []byte {
	headers := p.Payload + p.TCP.DataOffset
	b := make([]byte, headers)
	copy(b, p.Bytes)
	tcp := b[p.Payload:]
	binary.BigEndian.PutUint32(tcp[tcpSeq:], seq)
	binary.BigEndian.PutUint16(tcp[tcpFlags:], uint16(p.TCP.DataOffset/4)<<12|wire.TCPAck)
	tcp[tcpChecksum], tcp[tcpChecksum+1], tcp[tcpUrgent], tcp[tcpUrgent+1] = 0, 0, 0, 0
	binary.BigEndian.PutUint16(tcp[tcpChecksum:], ^wire.Sum(tcp, wire.PseudoHeader(p.Src, p.Dst, wire.ProtocolTCP, len(tcp))))
	if p.Version == 6 {
		binary.BigEndian.PutUint16(b[4:], uint16(headers-header6))
		return b
	}
	binary.BigEndian.PutUint16(b[2:], uint16(headers))
	setHeaderChecksum(b)
	return b
}
