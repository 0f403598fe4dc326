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
		// The field holds the sum of the pseudo-header, so that what offload
		// does is to sum from the upper layer's first byte on (virtio 1.3
		// §5.1.6.2).
		sum := ^wire.Sum(whole[begin:end], 0)
		if sum == 0 && c.Layer == wire.LayerUDP {
			sum = 0xffff // RFC 768
		}
		binary.BigEndian.PutUint16(whole[c.Offset:], sum)
		return whole, c.Layer
	}
	return b, ""
}
