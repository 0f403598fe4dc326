package capture

import (
	"encoding/binary"

	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// complete returns a packet's bytes with the checksum that was left to the
// hardware completed, in a copy in *scratch, and the layer it is of; or the
// bytes as they are, and no layer.
func complete(scratch *[]byte, p *trace.Packet) ([]byte, wire.Layer) {
	b, begin := p.Packet.Bytes, p.Packet.Payload
	if len(b) < p.Len {
		return b, "" // the sum is over bytes that are not there
	}
	for i, c := range p.Checks[:p.NChecks] {
		if c.Verdict != wire.Partial || p.Reassembled && i == p.NChecks-1 {
			continue
		}
		end := len(b)
		if c.Layer == wire.LayerUDP {
			end = min(end, begin+p.Packet.UDP.Length)
		}
		if begin < 0 || c.Offset < begin || c.Offset+2 > end {
			continue // not a packet that came with its bytes
		}
		*scratch = append((*scratch)[:0], b...)
		whole := *scratch
		binary.BigEndian.PutUint16(whole[c.Offset:], p.Packet.Complete(c))
		return whole, c.Layer
	}
	return b, ""
}
