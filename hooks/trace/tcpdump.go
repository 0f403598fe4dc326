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
	name, src, dst := "IP", p.Src.String(), p.Dst.String()
	if p.Version == 6 {
		name = "IP6"
	}
	switch p.Upper {
	case wire.LayerTCP:
		b = fmt.Appendf(b, "%s %s.%d > %s.%d: ", name, src, p.TCP.SrcPort, dst, p.TCP.DstPort)
		b = appendTCP(b, &p.TCP, e.DataLen)
	case wire.LayerUDP:
		b = fmt.Appendf(b, "%s %s.%d > %s.%d: UDP, length %d", name, src, p.UDP.SrcPort, dst, p.UDP.DstPort, max(p.UDP.Length-8, 0))
	case wire.LayerICMPv4, wire.LayerICMPv6:
		b = fmt.Appendf(b, "%s %s > %s: ", name, src, dst)
		b = appendICMP(b, p, e.DataLen)
	default:
		b = fmt.Appendf(b, "%s %s > %s: %s, length %d", name, src, dst, wire.ProtocolName(p.Protocol), e.DataLen)
	}
	if f := p.Fragment; f.IsFragment() {
		more := ""
		if f.More {
			more = "+"
		}
		b = fmt.Appendf(b, " (frag %d:%d@%d%s)", f.ID, e.DataLen, f.Offset, more)
	}
	return appendProblem(b, p)
}

func appendTCP(b []byte, t *wire.TCP, length int) []byte {
	payload := max(length-t.DataOffset, 0)
	b = fmt.Appendf(b, "Flags [%s], seq %d", wire.TCPFlagString(t.Flags), t.Seq)
	if payload > 0 {
		b = fmt.Appendf(b, ":%d", t.Seq+uint32(payload))
	}
	if t.Flags&wire.TCPAck != 0 {
		b = fmt.Appendf(b, ", ack %d", t.Ack)
	}
	return fmt.Appendf(b, ", win %d, length %d", t.Window, payload)
}

func appendICMP(b []byte, p *wire.Packet, length int) []byte {
	name := "ICMP "
	if p.Version == 6 {
		name = "ICMP6, "
	}
	b = append(b, name...)
	b = append(b, wire.ICMPTypeName(p.Version, p.ICMP.Type, p.ICMP.Code)...)
	if isEcho(p) {
		b = fmt.Appendf(b, ", id %d, seq %d", p.ICMP.ID, p.ICMP.Seq)
	}
	return fmt.Appendf(b, ", length %d", length)
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
