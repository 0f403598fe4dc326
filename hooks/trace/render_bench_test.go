package trace

import (
	"encoding/binary"
	"testing"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// BenchmarkRender is what the writer does for each segment of a bulk transfer:
// it has to keep up with the packets, on the other core.
func BenchmarkRender(b *testing.B) {
	segment := make([]byte, 1500)
	copy(segment, []byte{0x45, 0, 0x05, 0xdc, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2, 0xc0, 0, 0, 9})
	segment[32], segment[33] = 0x80, 0x10
	binary.BigEndian.PutUint16(segment[10:], wire.Checksum(segment[:20]))
	var p hooks.Packet
	p.Set(hooks.Inbound, segment, time.Unix(0, 0))
	e := Packet{Time: time.Now(), Seq: 123456, Direction: hooks.Inbound, Len: 1500, Packet: p.Packet, DataLen: 1480, Fate: hooks.Delivered}
	e.NChecks = copy(e.Checks[:], p.Checks())
	e.Packet.Bytes = nil
	for name, r := range map[string]renderer{"text": &textRenderer{level: Compare}, "json": &jsonRenderer{level: Compare}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				buf = r.packet(buf[:0], &e)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
