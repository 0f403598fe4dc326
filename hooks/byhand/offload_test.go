package byhand_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// TestOffloaded: the host answers what checksum and segmentation offload leave
// undone as if it had been done, and what somebody vouches for as if it were
// right, except ICMP.
func TestOffloaded(t *testing.T) {
	h := servingHost()
	tcp := bt.TCP{SrcPort: 4000, DstPort: 81, Seq: 1000, Data: bt.Data(65495)}
	udp := bt.UDP{SrcPort: 4000, DstPort: 81, Data: bt.Data(9)}
	spoiled, echo := tcp, bt.Echo{Spoil: 1}
	spoiled.Spoil = 1
	partial, super := wire.Offload{Partial: true}, wire.Offload{Partial: true, SegmentSize: 1448}
	vouched, reset := wire.Offload{Validated: true}, "R. seq 0 ack 66495"
	for _, test := range []struct {
		name   string
		packet []byte
		o      wire.Offload
		want   byhand.Expectation
		reason string
		reply  string
	}{
		{"partial UDP", bt.Partial(udp.Packet(peer4, host4)), partial, byhand.MustReply, byhand.ReasonClosedPort, ""},
		{"partial UDP over IPv6", bt.Partial(udp.Packet(peer6, host6)), partial, byhand.MustReply, byhand.ReasonClosedPort, ""},
		{"super-segment", bt.Partial(tcp.Packet(peer4, host4)), super, byhand.MustReply, byhand.ReasonClosedPort, reset},
		{"super-segment over IPv6", bt.Partial(tcp.Packet(peer6, host6)), super, byhand.MustReply, byhand.ReasonClosedPort, reset},
		{"partial, not marked", bt.Partial(tcp.Packet(peer4, host4)), wire.Offload{}, byhand.Silence, byhand.ReasonBadTCPChecksum, reset},
		{"wrong, marked", spoiled.Packet(peer4, host4), partial, byhand.Silence, byhand.ReasonBadTCPChecksum, reset},
		{"wrong, marked, vouched for", spoiled.Packet(peer4, host4), wire.Offload{Partial: true, Validated: true}, byhand.Silence, byhand.ReasonBadTCPChecksum, reset},
		{"wrong, vouched for", spoiled.Packet(peer4, host4), vouched, byhand.MustReply, byhand.ReasonClosedPort, reset},
		{"wrong echo, vouched for", bt.IPv4{Src: peer4, Dst: host4}.Packet(echo.Request4()), vouched, byhand.Silence, byhand.ReasonBadICMPChecksum, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p wire.Packet
			head := len(test.packet)
			if test.o.SegmentSize > 0 {
				head = 128 // the rest lies elsewhere
			}
			if !p.DecodeHead(test.packet[:head], len(test.packet)-head) {
				t.Fatal(p.Problem)
			}
			p.Offload = test.o
			pr := h.Inbound(&p, p.Checksums(nil), epoch)
			if pr.Expect != test.want || pr.Reason != test.reason {
				t.Errorf("expected %v, %s, want %v, %s", pr.Expect, pr.Reason, test.want, test.reason)
			}
			if test.reply == "" {
				return
			}
			reply := pr.Reply
			if reply == nil {
				reply = pr.Forbidden
			}
			var r wire.Packet
			r.Decode(reply)
			if diff := cmp.Diff(test.reply, segmentWords(&r)); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
		})
	}
}
