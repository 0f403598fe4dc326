package trace

import (
	"fmt"

	"netstackd/hooks/wire"
)

// appendPacket appends a packet as tcpdump would print it, without its time.
func appendPacket(b []byte, p *wire.Packet, length int) []byte {
	if !p.Src.IsValid() {
		b = fmt.Appendf(b, "IP? length %d", length)
		return appendProblem(b, p)
	}
	name, src, dst := "IP", p.Src.String(), p.Dst.String()
	if p.Version == 6 {
		name = "IP6"
	}
	switch p.Upper {
	case wire.LayerTCP:
		b = fmt.Appendf(b, "%s %s.%d > %s.%d: ", name, src, p.TCP.SrcPort, dst, p.TCP.DstPort)
		b = appendTCP(b, p)
	case wire.LayerUDP:
		b = fmt.Appendf(b, "%s %s.%d > %s.%d: UDP, length %d", name, src, p.UDP.SrcPort, dst, p.UDP.DstPort, max(p.UDP.Length-8, 0))
	case wire.LayerICMPv4, wire.LayerICMPv6:
		b = fmt.Appendf(b, "%s %s > %s: ", name, src, dst)
		b = appendICMP(b, p)
	default:
		b = fmt.Appendf(b, "%s %s > %s: %s, length %d", name, src, dst, wire.ProtocolName(p.Protocol), len(p.Data()))
	}
	if f := p.Fragment; f.IsFragment() {
		more := ""
		if f.More {
			more = "+"
		}
		b = fmt.Appendf(b, " (frag %d:%d@%d%s)", f.ID, len(p.Data()), f.Offset, more)
	}
	return appendProblem(b, p)
}

func appendTCP(b []byte, p *wire.Packet) []byte {
	t := &p.TCP
	payload := max(len(p.Data())-t.DataOffset, 0)
	b = fmt.Appendf(b, "Flags [%s], seq %d", wire.TCPFlagString(t.Flags), t.Seq)
	if payload > 0 {
		b = fmt.Appendf(b, ":%d", t.Seq+uint32(payload))
	}
	if t.Flags&wire.TCPAck != 0 {
		b = fmt.Appendf(b, ", ack %d", t.Ack)
	}
	return fmt.Appendf(b, ", win %d, length %d", t.Window, payload)
}

func appendICMP(b []byte, p *wire.Packet) []byte {
	name := "ICMP "
	if p.Version == 6 {
		name = "ICMP6, "
	}
	b = append(b, name...)
	b = append(b, wire.ICMPTypeName(p.Version, p.ICMP.Type, p.ICMP.Code)...)
	if isEcho(p) {
		b = fmt.Appendf(b, ", id %d, seq %d", p.ICMP.ID, p.ICMP.Seq)
	}
	return fmt.Appendf(b, ", length %d", len(p.Data()))
}

func appendProblem(b []byte, p *wire.Packet) []byte {
	if pr := p.Problem; !pr.IsZero() {
		b = fmt.Appendf(b, " (%s: %d at offset %d, against %d)", pr.Reason, pr.Seen, pr.Offset, pr.Limit)
	}
	if p.Trailing > 0 {
		b = fmt.Appendf(b, " (%d bytes behind the packet)", p.Trailing)
	}
	return b
}
