package hooks_test

import (
	"bytes"
	"slices"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// keeper copies the bytes that it sees.
type keeper struct{ seen []hooks.Packet }

func (k *keeper) Inbound(p *hooks.Packet) { k.Outbound(p) }
func (k *keeper) Outbound(p *hooks.Packet) {
	own := *p
	own.Bytes = slices.Clone(p.Bytes)
	k.seen = append(k.seen, own)
}

// TestPayload: a super-segment in several views is seen at its length and judged
// by its headers, and its data is there if a hook reads it; a packet with a whole
// checksum is always there in full.
func TestPayload(t *testing.T) {
	whole := bt.TCP{SrcPort: 7, DstPort: 4000, Flags: bt.Ack, Data: bt.Data(60000)}.Packet("172.16.0.2", "172.16.0.1")
	for _, tt := range []struct {
		name             string
		partial, payload bool
		verdict          wire.Verdict
		same             int // bytes that must be right
	}{
		{"headers", true, false, wire.Partial, 40},
		{"payload", true, true, wire.Partial, len(whole)},
		{"whole checksum", false, false, wire.OK, len(whole)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := slices.Clone(whole)
			if tt.partial {
				b = bt.Partial(b)
			}
			k := &keeper{}
			e := hooks.New(newChild(), hooks.NewLedger(), hooks.Options{Payload: tt.payload}, k)
			for range 2 { // the second uses memory of the first
				payload := buffer.MakeWithData(b[:40])
				for part := range slices.Chunk(b[40:], 20000) {
					if err := payload.Append(buffer.NewViewWithData(part)); err != nil {
						t.Fatal(err)
					}
				}
				pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: payload})
				pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
				if tt.partial {
					pkt.GSOOptions = stack.GSO{Type: stack.GSOTCPv4, NeedsCsum: true, CsumOffset: 16, MSS: 1448, L3HdrLen: 20}
				}
				var list stack.PacketBufferList
				list.PushBack(pkt)
				if n, err := e.WritePackets(list); n != 1 || err != nil {
					t.Fatalf("WritePackets = %d, %v", n, err)
				}
				list.DecRef()
			}
			for _, p := range k.seen {
				checks := p.Checks()
				if len(p.Bytes) != len(b) || p.Len != len(b) || len(checks) != 2 || checks[1].Verdict != tt.verdict {
					t.Errorf("%d bytes, length %d, checks %+v; want %d bytes and %s", len(p.Bytes), p.Len, checks, len(b), tt.verdict)
				}
				if !bytes.Equal(p.Bytes[:tt.same], b[:tt.same]) {
					t.Errorf("the first %d bytes are not those of the packet", tt.same)
				}
				if tt.partial && p.Segments() != 42 {
					t.Errorf("%d segments, want 42", p.Segments())
				}
			}
		})
	}
}
