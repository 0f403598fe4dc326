package trace

import "netstackd/hooks"

// See makes e the event of a packet as it is seen now, with a number of its own.
// It brings a copy of the packet's first bytes, snap at most; 0 is none. What e was is
// gone.
func (e *Packet) See(p *hooks.Packet, seq uint64, snap int) {
	e.Time, e.Seq, e.Direction, e.Len = p.Time, seq, p.Direction, p.Len
	e.Packet, e.DataLen, e.Segments = p.Packet, p.DataLen(), p.Segments()
	e.NChecks, e.Reassembled = copy(e.Checks[:], p.Checks()), p.Reassembled()
	e.Fate, e.Reason, e.Mended, e.Untraced, e.Followers = p.Fate, p.Reason, p.Mends(), p.Untraced, p.Followers
	if p.Answer != nil && p.Answer.Mend != "" {
		e.Mended = []string{p.Answer.Mend}
	}
	e.Packet.Bytes, e.Packet.Missing = nil, 0
	if instead := p.Instead(); p.Direction == hooks.Outbound && instead != nil {
		e.seeInstead(instead)
	}
	switch {
	case snap == 0:
		e.Packet.Bytes = nil
	case e.Packet.Bytes == nil:
		e.Packet.Bytes = p.Clone(snap)
	}
}

// seeInstead has an event show what is sent in the packet's place.
func (e *Packet) seeInstead(instead []byte) {
	o := e.Packet.Offload
	e.Packet.Decode(instead)
	e.Packet.Offload = o
	e.Len, e.DataLen = len(instead), e.Packet.DataLen()
	e.NChecks = len(e.Packet.Checksums(e.Checks[:0]))
}
