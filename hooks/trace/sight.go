package trace

import (
	"slices"

	"netstackd/hooks"
)

// See makes e the event of a packet as it is seen now, with a number of its own.
// The bytes that it brings, if it is to, are a copy. What e was is gone.
func (e *Packet) See(p *hooks.Packet, seq uint64, withBytes bool) {
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
	case !withBytes:
		e.Packet.Bytes = nil
	case e.Packet.Bytes == nil:
		e.Packet.Bytes = slices.Clone(p.All())
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
