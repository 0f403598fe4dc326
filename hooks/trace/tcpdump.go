package trace

import (
	"fmt"

	"netstackd/hooks/wire"
)

// appendPacket appends a packet as tcpdump would print it, without its time.
func appendPacket(b []byte, e *Packet) []byte {
	p := &e.Packet
	if !p.Src.IsValid() {
		b = fmt.Appendf(b, "IP?, length %d", e.Len)
		return appendProblem(b, p)
	}
	if p.Version == 6 {
		b = append(b, "IP6 "...)
	} else {
		b = append(b, "IP "...)
	}
	switch p.Upper {
	case wire.LayerTCP:
		b = appendNumber(p.Src.AppendTo(b), ".", p.TCP.SrcPort)
		b = appendNumber(p.Dst.AppendTo(append(b, " > "...)), ".", p.TCP.DstPort)
		b = appendTCP(b, &p.TCP, e.DataLen)
		if gso := e.GSO(); gso != "" {
			b = append(append(b, " (gso "...), gso...)
			b = appendNumber(b, ": ", e.Segments)
			b = append(appendNumber(b, " segments of ", p.Offload.SegmentSize), ')')
		}
	case wire.LayerUDP:
		b = appendNumber(p.Src.AppendTo(b), ".", p.UDP.SrcPort)
		b = appendNumber(p.Dst.AppendTo(append(b, " > "...)), ".", p.UDP.DstPort)
		b = appendNumber(b, ": UDP, length ", max(p.UDP.Length-8, 0))
	default:
		b = p.Dst.AppendTo(append(p.Src.AppendTo(b), " > "...))
		b = append(b, ": "...)
		if p.Upper == "" {
			b = append(b, wire.ProtocolName(p.Protocol)...)
		} else {
			b = appendICMP(b, p)
		}
		b = appendNumber(b, ", length ", e.DataLen)
	}
	if f := p.Fragment; f.IsFragment() {
		b = appendNumber(b, " (frag ", f.ID)
		b = appendNumber(b, ":", e.DataLen)
		b = appendNumber(b, "@", f.Offset)
		if f.More {
			b = append(b, '+')
		}
		b = append(b, ')')
	}
	return appendProblem(b, p)
}

func appendTCP(b []byte, t *wire.TCP, length int) []byte {
	payload := max(length-t.DataOffset, 0)
	b = append(append(b, ": Flags ["...), wire.TCPFlagString(t.Flags)...)
	b = appendNumber(b, "], seq ", t.Seq)
	if payload > 0 {
		b = appendNumber(b, ":", t.Seq+uint32(payload))
	}
	if t.Flags&wire.TCPAck != 0 {
		b = appendNumber(b, ", ack ", t.Ack)
	}
	b = appendNumber(b, ", win ", t.Window)
	return appendNumber(b, ", length ", payload)
}

func appendICMP(b []byte, p *wire.Packet) []byte {
	name := "ICMP "
	if p.Version == 6 {
		name = "ICMP6, "
	}
	b = append(b, name...)
	b = append(b, wire.ICMPTypeName(p.Version, p.ICMP.Type, p.ICMP.Code)...)
	if isEcho(p) {
		b = appendNumber(b, ", id ", p.ICMP.ID)
		b = appendNumber(b, ", seq ", p.ICMP.Seq)
	}
	return b
}

// appendProblem appends what is wrong with a packet's shape: the name of it,
// the offending value against the one that bounds it, and the byte at which the
// field begins.
func appendProblem(b []byte, p *wire.Packet) []byte {
	if pr := p.Problem; !pr.IsZero() {
		b = fmt.Appendf(b, " (%s: %s at byte %d)", pr.Reason, offence(pr), pr.Offset)
	}
	if p.Trailing > 0 {
		b = fmt.Appendf(b, " (%d bytes behind the packet)", p.Trailing)
	}
	return b
}

// offence puts the value seen into relation with the limit.
func offence(pr wire.Problem) string {
	switch {
	case pr.Reason == wire.ReasonBadVersion:
		return fmt.Sprint(pr.Seen)
	case pr.Reason == wire.ReasonBadFragment:
		return fmt.Sprintf("%d is no multiple of %d", pr.Seen, pr.Limit)
	case pr.Reason == wire.ReasonBadOption && pr.Seen < 2:
		// Its type and length take two; the limit is what the header has left.
		return fmt.Sprintf("%d < 2", pr.Seen)
	case pr.Seen < pr.Limit:
		return fmt.Sprintf("%d < %d", pr.Seen, pr.Limit)
	}
	return fmt.Sprintf("%d > %d", pr.Seen, pr.Limit)
}
