package byhand_test

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// said is what the host says of a segment: the verdict, the rule, and the reply
// that is due, or must not come, in short.
type said struct {
	verdict
	RFC   string
	Form  byhand.Form
	Reply string
}

func sayOf(t *testing.T, h *byhand.Host, packet []byte) said {
	t.Helper()
	p := inbound(h, packet, epoch)
	checkPrediction(t, h, p)
	s := said{verdict: verdictOf(p), RFC: p.RFC, Form: p.Form}
	reply := p.Reply
	if reply == nil {
		reply = p.Forbidden
	}
	if reply != nil {
		var r wire.Packet
		r.Decode(reply)
		s.Reply = segmentWords(&r)
	}
	return s
}

func segmentWords(p *wire.Packet) string {
	return fmt.Sprintf("%s seq %d ack %d", wire.TCPFlagString(p.TCP.Flags), p.TCP.Seq, p.TCP.Ack)
}

// TestSegments has each rule about segments that belong to no connection.
func TestSegments(t *testing.T) {
	const closed, listen, many = "RFC 9293 §3.10.7.1", "RFC 9293 §3.10.7.2", "RFC 9293 §3.9.2.3"
	seg := func(port uint16, flags uint8, n int) []byte {
		return bt.TCP{SrcPort: 4000, DstPort: port, Seq: 1000, Ack: 5000, Flags: flags, Data: bt.Data(n)}.Packet(peer4, host4)
	}
	to := func(src, dst string) []byte {
		return bt.TCP{SrcPort: 4000, DstPort: 7, Seq: 1000, Flags: bt.Syn}.Packet(src, dst)
	}
	spoiled := func(port uint16, flags uint8) []byte {
		return bt.TCP{SrcPort: 4000, DstPort: port, Seq: 1000, Ack: 5000, Flags: flags, Spoil: 1}.Packet(peer4, host4)
	}
	wrapped := bt.TCP{SrcPort: 4000, DstPort: 81, Seq: 0xffffffff, Flags: bt.Syn}.Packet(peer4, host4)
	badSum := byhand.ReasonBadTCPChecksum
	for _, test := range []struct {
		name   string
		packet []byte
		want   said
	}{
		{"SYN to a closed port", seg(81, bt.Syn, 0), said{due(byhand.ReasonClosedPort), closed, byhand.Reset, "R. seq 0 ack 1001"}},
		{"SYN with data", seg(81, bt.Syn, 9), said{due(byhand.ReasonClosedPort), closed, byhand.Reset, "R. seq 0 ack 1010"}},
		{"SYN with FIN", seg(81, bt.Syn|bt.Fin, 9), said{due(byhand.ReasonClosedPort), closed, byhand.Reset, "R. seq 0 ack 1011"}},
		{"SYN at the end of the numbers", wrapped, said{due(byhand.ReasonClosedPort), closed, byhand.Reset, "R. seq 0 ack 0"}},
		{"no flags", seg(81, 0, 9), said{due(byhand.ReasonClosedPort), closed, byhand.Reset, "R. seq 0 ack 1009"}},
		{"ACK", seg(81, bt.Ack, 9), said{due(byhand.ReasonClosedPort), closed, byhand.Reset, "R seq 5000 ack 0"}},
		{"SYN and ACK", seg(81, bt.Syn|bt.Ack, 0), said{due(byhand.ReasonClosedPort), closed, byhand.Reset, "R seq 5000 ack 0"}},
		{"RST", seg(81, bt.Rst, 0), said{silence(byhand.ReasonClosedPort), closed, byhand.Reset, "R. seq 0 ack 1000"}},
		{"RST and ACK", seg(81, bt.Rst|bt.Ack, 0), said{silence(byhand.ReasonClosedPort), closed, byhand.Reset, "R seq 5000 ack 0"}},

		{"SYN to a listener", seg(7, bt.Syn, 0), said{must, listen, byhand.SynAck, "S. seq 0 ack 1001"}},
		{"SYN with data to a listener", seg(7, bt.Syn, 9), said{must, listen, byhand.SynAck, "S. seq 0 ack 1001"}},
		{"SYN with FIN to a listener", seg(7, bt.Syn|bt.Fin, 0), said{must, listen, byhand.SynAck, "S. seq 0 ack 1001"}},
		{"ACK to a listener", seg(7, bt.Ack, 9), said{due(byhand.ReasonNoConnection), listen, byhand.Reset, "R seq 5000 ack 0"}},
		{"SYN and ACK to a listener", seg(7, bt.Syn|bt.Ack, 0), said{due(byhand.ReasonNoConnection), listen, byhand.Reset, "R seq 5000 ack 0"}},
		{"RST to a listener", seg(7, bt.Rst, 0), said{silence(byhand.ReasonNoConnection), listen, byhand.Reset, "R. seq 0 ack 1000"}},
		{"SYN, ACK and RST to a listener", seg(7, bt.Syn|bt.Ack|bt.Rst, 0), said{silence(byhand.ReasonNoConnection), listen, byhand.Reset, "R seq 5000 ack 0"}},
		{"no flags to a listener", seg(7, 0, 9), said{silence(byhand.ReasonNoConnection), listen, byhand.Reset, "R. seq 0 ack 1009"}},
		{"FIN to a listener", seg(7, bt.Fin, 0), said{silence(byhand.ReasonNoConnection), listen, byhand.Reset, "R. seq 0 ack 1001"}},

		{"bad checksum", spoiled(81, bt.Syn), said{silence(badSum), "RFC 9293 §3.1", byhand.Reset, "R. seq 0 ack 1001"}},
		{"bad checksum, listener", spoiled(7, bt.Syn), said{silence(badSum), "RFC 9293 §3.1", byhand.SynAck, "S. seq 0 ack 1001"}},
		{"bad checksum, ACK to a listener", spoiled(7, bt.Ack), said{silence(badSum), "RFC 9293 §3.1", byhand.Reset, "R seq 5000 ack 0"}},

		{"to the broadcast", to(peer4, "172.16.0.255"), said{silence(byhand.ReasonSegmentToMany), many, byhand.Reset, "R. seq 0 ack 1001"}},
		{"to a group", to(peer4, "224.0.0.1"), said{silence(byhand.ReasonSegmentToMany), many, byhand.Reset, "R. seq 0 ack 1001"}},
		{"to all nodes", to(peer6, "ff02::1"), said{silence(byhand.ReasonSegmentToMany), many, byhand.Reset, "R. seq 0 ack 1001"}},
		{"from 0.0.0.0", to("0.0.0.0", host4), said{silence(byhand.ReasonUnspecifiedRequester), many, byhand.Reset, "R. seq 0 ack 1001"}},
		{"from itself", to(host4, host4), said{may, listen, byhand.SynAck, "S. seq 0 ack 1001"}},
		{"IPv6", to(peer6, host6), said{must, listen, byhand.SynAck, "S. seq 0 ack 1001"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, sayOf(t, servingHost(), test.packet), cmp.AllowUnexported(said{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestFlows: once a SYN has come there is no opinion of what else is between
// the two, and none of anyone with a listener once fragments were in doubt.
func TestFlows(t *testing.T) {
	seg := func(src uint16, flags uint8, spoil uint16) []byte {
		return bt.TCP{SrcPort: src, DstPort: 7, Seq: 1000, Ack: 5000, Flags: flags, Spoil: spoil}.Packet(peer4, host4)
	}
	h := servingHost()
	inbound(h, seg(4000, bt.Syn, 0), epoch)
	for _, flags := range []uint8{bt.Syn, bt.Ack, bt.Rst, bt.Fin, 0} {
		if got := verdictOf(inbound(h, seg(4000, flags, 0), epoch)); got != noView {
			t.Errorf("flags %#x of a known flow: %v", flags, got)
		}
		if got := inbound(h, seg(4000, flags, 1), epoch); got.Form != byhand.NoForm {
			t.Errorf("flags %#x of a known flow, spoiled: %v", flags, got.Form)
		}
	}
	for _, spoil := range []uint16{1, 0} { // a spoiled SYN begins nothing
		want := map[uint16]verdict{1: silence(byhand.ReasonBadTCPChecksum), 0: must}[spoil]
		if got := verdictOf(inbound(h, seg(4001, bt.Syn, spoil), epoch)); got != want {
			t.Errorf("SYN of another flow, spoiled by %d: %v", spoil, got)
		}
	}
	var out wire.Packet
	for port, want := range map[uint16]bool{4000: true, 4002: false} {
		out.Decode(bt.TCP{SrcPort: 7, DstPort: port, Flags: bt.Rst}.Packet(host4, peer4))
		if got := h.MayHold(&out); got != want {
			t.Errorf("a connection with port %d: %v", port, got)
		}
	}
	overlap := bt.Fragment(seg(4000, bt.Syn, 0)[:20], bt.Data(16), 9, 8, true)
	inbound(h, overlap, epoch)
	inbound(h, bt.Fragment(seg(4000, bt.Syn, 0)[:20], bt.Data(16), 9, 16, true), epoch)
	if got := verdictOf(inbound(h, seg(4003, bt.Ack, 0), epoch)); got != noView {
		t.Errorf("in doubt: %v", got)
	}
}

// TestManyFlows: a memory that fills up takes new flows for known ones, never
// the other way round.
func TestManyFlows(t *testing.T) {
	h := servingHost()
	syn := func(i int) []byte {
		return bt.TCP{SrcPort: uint16(i), DstPort: 7, Flags: bt.Syn}.Packet(fmt.Sprintf("10.%d.0.1", i>>16), host4)
	}
	unknown := 0
	const n = 200_000
	for i := range n {
		if verdictOf(inbound(h, syn(i), epoch)) == must {
			unknown++
		}
	}
	for i := 0; i < n; i += 97 {
		if got := verdictOf(inbound(h, syn(i), epoch)); got != noView {
			t.Fatalf("flow %d is forgotten: %v", i, got)
		}
	}
	if unknown < n*99/100 {
		t.Errorf("only %d of %d new flows were certainly new", unknown, n)
	}
}

// TestSynOptions: the SYN-ACK by hand has what was offered, whatever else the
// options are.
func TestSynOptions(t *testing.T) {
	for _, test := range []struct {
		name    string
		options []byte
		want    []uint8
	}{
		{"none", nil, []uint8{2}},
		{"MSS", []byte{2, 4, 5, 180}, []uint8{2}},
		{"all", []byte{2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}, []uint8{2, 3, 4, 8}},
		{"behind the end", []byte{0, 3, 3, 7}, []uint8{2}},
		{"behind a length of 0", []byte{9, 0, 0, 0, 1, 3, 3, 7}, []uint8{2}},
		{"past the header", []byte{1, 1, 3, 4}, []uint8{2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := inbound(servingHost(), bt.TCP{SrcPort: 1, DstPort: 7, Flags: bt.Syn, Options: test.options}.Packet(peer4, host4), epoch)
			var reply wire.Packet
			if !reply.Decode(got.Reply) {
				t.Fatal(reply.Problem)
			}
			var kinds []uint8
			for kind := range uint8(255) {
				if _, ok := byhand.TCPOption(&reply, kind); ok {
					kinds = append(kinds, kind)
				}
			}
			if diff := cmp.Diff(test.want, kinds); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTransportAllocs: of what moves in bulk nothing is allocated for.
func TestTransportAllocs(t *testing.T) {
	h := servingHost()
	inbound(h, bt.TCP{SrcPort: 1, DstPort: 7, Flags: bt.Syn}.Packet(peer4, host4), epoch)
	for name, packet := range bulk() {
		var p wire.Packet
		p.Decode(packet)
		checks := p.Checksums(nil)
		if n := testing.AllocsPerRun(100, func() { h.Inbound(&p, checks, epoch) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func bulk() map[string][]byte {
	return map[string][]byte{
		"TCP":  bt.TCP{SrcPort: 1, DstPort: 7, Flags: bt.Ack, Data: bt.Data(1400)}.Packet(peer4, host4),
		"UDP":  datagram(peer4, host4, 7, 1400),
		"UDP6": datagram(peer6, host6, 7, 1400),
	}
}

func BenchmarkInbound(b *testing.B) {
	h := servingHost()
	inbound(h, bt.TCP{SrcPort: 1, DstPort: 7, Flags: bt.Syn}.Packet(peer4, host4), epoch)
	for name, packet := range bulk() {
		b.Run(name, func(b *testing.B) {
			var p wire.Packet
			p.Decode(packet)
			checks := p.Checksums(nil)
			b.ReportAllocs()
			for b.Loop() {
				h.Inbound(&p, checks, epoch)
			}
		})
	}
}

// TestSynAckReturns wants the answer to a SYN that came by a source route to go
// back by it (RFC 9293 §3.9.2.1), with a checksum over where that ends.
func TestSynAckReturns(t *testing.T) {
	segment := bt.TCP{SrcPort: 4000, DstPort: 7, Seq: 1000, Flags: bt.Syn}.Packet(peer4, host4)[20:]
	for _, test := range []struct{ options, reply, to string }{
		{"01010100", "", peer4},
		{"830b0c0a0000010a00000200", "830b040a000001ac10000100", "10.0.0.2"},
		{"018907080a000001", "890704ac10000100", "10.0.0.1"},
		{"8307080a0000018907080a0000020000", "", peer4},
	} {
		p := inbound(servingHost(), bt.IPv4{Src: peer4, Dst: host4, Protocol: 6, Options: bits(t, test.options)}.Packet(segment), epoch)
		var reply wire.Packet
		if p.Form != byhand.SynAck || !reply.Decode(p.Reply) {
			t.Fatalf("%s: %v, reply %x", test.options, verdictOf(p), p.Reply)
		}
		if got := hex.EncodeToString(p.Reply[20:reply.IPv4.HeaderLen]); got != test.reply || reply.Dst.String() != test.to {
			t.Errorf("%s: back by %s to %v, want %s to %s", test.options, got, reply.Dst, test.reply, test.to)
		}
		for _, c := range reply.Checksums(nil) {
			if c.Verdict != wire.OK {
				t.Errorf("%s: the %s checksum is %s", test.options, c.Layer, c.Verdict)
			}
		}
	}
}
