package suite

import (
	"fmt"

	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// Segment fits a segment between the ports of the first one sent, with exactly
// these of the flags FIN, SYN, RST and ACK.
func Segment(flags uint8) Match {
	const told = byhandtest.Fin | byhandtest.Syn | byhandtest.Rst | byhandtest.Ack
	return Match{"TCP " + wire.TCPFlagNames(uint16(flags)), func(x *Exchange, p *wire.Packet) string {
		switch {
		case p.Upper != wire.LayerTCP:
			return "not a segment"
		case toPeer(x, p) != "":
			return toPeer(x, p)
		case p.TCP.DstPort != x.Port:
			return fmt.Sprintf("it goes to port %d", p.TCP.DstPort)
		case uint8(p.TCP.Flags)&told != flags:
			return "other flags"
		}
		return ""
	}}
}

// Seq fits a segment with this sequence number.
func Seq(seq uint32) Match {
	return Match{fmt.Sprintf("seq %d", seq), func(_ *Exchange, p *wire.Packet) string {
		if p.TCP.Seq != seq {
			return fmt.Sprintf("its sequence number is %d, not %d", p.TCP.Seq, seq)
		}
		return ""
	}}
}

// AckNumber fits a segment that acknowledges up to this number.
func AckNumber(ack uint32) Match {
	return Match{fmt.Sprintf("ack %d", ack), func(_ *Exchange, p *wire.Packet) string {
		if p.TCP.Ack != ack {
			return fmt.Sprintf("it acknowledges %d, not %d", p.TCP.Ack, ack)
		}
		return ""
	}}
}
