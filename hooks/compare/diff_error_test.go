package compare_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// byHand returns the reply that the hand makes to a packet.
func byHand(t *testing.T, packet []byte) []byte {
	t.Helper()
	h := byhand.NewHost(byhand.Config{Addresses: addrs, TCPPorts: openPorts, UDPPorts: openPorts})
	var p wire.Packet
	p.Decode(packet)
	got := h.Inbound(&p, p.Checksums(nil), time.Unix(0, 0))
	if got.Reply == nil {
		t.Fatalf("no reply: %+v", got)
	}
	return got.Reply
}

// mended returns a reply with bytes changed and its checksums right again.
func mended(packet []byte, changes map[int]byte) []byte {
	b := slices.Clone(packet)
	for at, v := range changes {
		b[at] = v
	}
	var p wire.Packet
	p.Decode(b)
	for range 2 { // the header's first: the other may be judged after it
		for _, c := range p.Checksums(nil) {
			b[c.Offset], b[c.Offset+1] = byte(c.Hand>>8), byte(c.Hand)
		}
		p.Decode(b)
	}
	return b
}

// cut returns an IPv4 or IPv6 packet with n bytes less.
func cut(packet []byte, n int) []byte {
	b := slices.Clone(packet[:len(packet)-n])
	if b[0]>>4 == 4 {
		b[2], b[3] = byte(len(b)>>8), byte(len(b))
	} else {
		b[4], b[5] = byte((len(b)-40)>>8), byte(len(b)-40)
	}
	return mended(b, nil)
}

// TestDiffForms changes one field at a time of the hand's errors, segments and
// advertisements.
func TestDiffForms(t *testing.T) {
	port4, port6 := byHand(t, datagram(peer4, host4, 81, 300)), byHand(t, datagram(peer6, host6, 81, 300))
	option4 := byHand(t, bt.IPv4{Src: peer4, Dst: host4, Options: []byte{1, 7, 1, 0}}.Packet(echo.Request4()))
	option := byHand(t, next6(17, option6(wire.ProtocolDestination, 0x9e)))
	rst4, rst6 := byHand(t, segment(81, bt.Syn)), byHand(t, segment6(81, bt.Ack))
	syn := byHand(t, segment(7, bt.Syn, 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7))
	neighbour := byHand(t, bt.Neighbour{Target: host6}.Packet(peer6, host6))
	for _, test := range []struct {
		name        string
		hand, reply []byte
		field       string // empty: no difference
		class       trace.Class
	}{
		{"the same", port4, port4, "", ""},
		{"TOS", port4, mended(port4, map[int]byte{1: 0xc0}), "TOS", trace.May},
		{"identification", port4, mended(port4, map[int]byte{4: 1}), "", ""},
		{"don't fragment", port4, mended(port4, map[int]byte{6: 0x40}), "don't fragment", trace.May},
		{"reserved flag", port4, mended(port4, map[int]byte{6: 0x80}), "reserved flag", trace.Must},
		{"TTL", port4, mended(port4, map[int]byte{8: 255}), "time to live", trace.May},
		{"source", port4, mended(port4, map[int]byte{15: 9}), "source", trace.Must},
		{"destination", port4, mended(port4, map[int]byte{19: 9}), "destination", trace.Must},
		{"type", port4, mended(port4, map[int]byte{20: 11}), "type", trace.Must},
		{"code", port4, mended(port4, map[int]byte{21: 2}), "code", trace.Must},
		{"code, IPv6", port6, mended(port6, map[int]byte{41: 3}), "code", trace.Must},
		{"unused", port4, mended(port4, map[int]byte{27: 1}), "unused field", trace.May},
		{"quoted header", port4, mended(port4, map[int]byte{28 + 8: 63}), "quote", trace.Must},
		{"quoted data", port4, mended(port4, map[int]byte{len(port4) - 1: 1}), "quote", trace.Must},
		{"quoted, IPv6", port6, mended(port6, map[int]byte{48 + 7: 63}), "quote", trace.Must},
		{"short quote", port4, cut(port4, 300), "quote length", trace.May},
		{"too short a quote", port4, cut(port4, 301), "quote length", trace.Must},
		{"short quote, IPv6", port6, cut(port6, 1), "quote length", trace.Must},
		{"checksum", port4, changed(port4, true, map[int]byte{22: 0x12}), "icmpv4 checksum", trace.Must},
		{"flow label", port6, mended(port6, map[int]byte{3: 1}), "flow label", trace.May},
		{"hop limit", port6, mended(port6, map[int]byte{7: 255}), "hop limit", trace.May},
		{"pointer", option, mended(option, map[int]byte{47: 9}), "pointer", trace.Must},
		{"pointer, IPv4", option4, mended(option4, map[int]byte{24: 9}), "pointer", trace.Must},
		{"pointer to the option", option4, mended(option4, map[int]byte{24: 21}), "pointer", trace.May},

		{"reset, the same", rst4, rst4, "", ""},
		{"reset, sequence", rst4, mended(rst4, map[int]byte{24: 1}), "sequence number", trace.Must},
		{"reset, acknowledgement", rst4, mended(rst4, map[int]byte{28: 1}), "acknowledgement number", trace.Must},
		{"reset, acknowledgement that says nothing", rst6, mended(rst6, map[int]byte{48: 1}), "acknowledgement number", trace.May},
		{"reset, window", rst4, mended(rst4, map[int]byte{34: 1}), "", ""},
		{"reset, port", rst4, mended(rst4, map[int]byte{23: 1}), "destination port", trace.Must},
		{"reset, flags", rst4, mended(rst4, map[int]byte{33: bt.Rst | bt.Ack | bt.Psh}), "flags", trace.Must},
		{"reset, congestion", rst4, mended(rst4, map[int]byte{33: bt.Rst | bt.Ack | 0x40}), "other flags", trace.May},
		{"reset, source", rst4, mended(rst4, map[int]byte{15: 9}), "source", trace.Must},
		{"SYN-ACK, sequence and window", syn, mended(syn, map[int]byte{24: 1, 34: 1}), "", ""},
		{"SYN-ACK, time", syn, mended(syn, map[int]byte{20 + 20 + 4 + 4 + 2 + 2: 1}), "", ""},
		{"SYN-ACK, no MSS", syn, mended(syn, map[int]byte{40: 30}), "maximum segment size option", trace.Must},
		{"SYN-ACK, no scaling", syn, mended(syn, map[int]byte{45: 30}), "window scale option", trace.May},
		{"SYN-ACK, echo of the time", syn, mended(syn, map[int]byte{len(syn) - 1: 9}), "timestamp echo", trace.Must},

		{"advertisement, the same", neighbour, neighbour, "", ""},
		{"advertisement, hop limit", neighbour, mended(neighbour, map[int]byte{7: 64}), "hop limit", trace.Must},
		{"advertisement, source", neighbour, mended(neighbour, map[int]byte{23: 9}), "source", trace.May},
		{"advertisement, code", neighbour, mended(neighbour, map[int]byte{41: 1}), "code", trace.Must},
		{"advertisement, not solicited", neighbour, mended(neighbour, map[int]byte{44: 0}), "router and solicited flags", trace.Must},
		{"advertisement, from a router", neighbour, mended(neighbour, map[int]byte{44: 0xc0}), "router and solicited flags", trace.Must},
		{"advertisement, override", neighbour, mended(neighbour, map[int]byte{44: 0x60}), "override flag", trace.May},
		{"advertisement, target", neighbour, mended(neighbour, map[int]byte{63: 9}), "target", trace.Must},

		{"an error for a reset", rst4, port4, "message", trace.Must},
	} {
		t.Run(test.name, func(t *testing.T) {
			var reply, hand wire.Packet
			reply.Decode(test.reply)
			hand.Decode(test.hand)
			type difference struct {
				Field string
				Class trace.Class
			}
			var got, want []difference
			for _, d := range compare.Diff(&reply, &hand, compare.Freedoms{}) {
				got = append(got, difference{d.Field, d.Class})
				if d.RFC == "" {
					t.Errorf("%s cites nothing", d.Field)
				}
			}
			if test.field != "" {
				want = []difference{{test.field, test.class}}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
