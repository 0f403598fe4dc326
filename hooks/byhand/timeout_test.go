package byhand_test

import (
	"testing"
	"time"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// TestTimeouts: once, a second before its time, a datagram whose first fragment
// is there is told of, and the error quotes that as it came.
func TestTimeouts(t *testing.T) {
	first4 := bt.Split(datagram(peer4, host4, 81, 2000), 7, 1000)[0]
	first6 := bt.Split(datagram(peer6, host6, 81, 2000), 7, 1400)[0]
	spread := func(packet []byte, src string) []byte {
		return bt.Fragment(bt.IPv4{Src: src, Dst: host4, Protocol: 17}.Packet(nil), packet[20:], 7, 0, true)
	}
	for _, test := range []struct {
		name    string
		packet  []byte
		timeout time.Duration
		want    verdict
		kind    uint8
	}{
		{"IPv4", first4, 30 * time.Second, due(byhand.ReasonReassemblyTimeout), 11},
		{"IPv6", first6, 60 * time.Second, due(byhand.ReasonReassemblyTimeout), 3},
		{"from class E", spread(first4, "240.0.0.1"), 30 * time.Second, noView, 0},
		{"no first", bt.Split(datagram(peer4, host4, 81, 2000), 7, 1000)[1], 30 * time.Second, noView, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := servingHost()
			h.Mark(42)
			inbound(h, test.packet, epoch)
			if got := h.Timeouts(epoch.Add(test.timeout-time.Second-1), nil); len(got) != 0 {
				t.Errorf("too early: %+v", got)
			}
			got := h.Timeouts(epoch.Add(test.timeout-time.Second), nil)
			if again := h.Timeouts(epoch.Add(test.timeout), nil); len(again) != 0 {
				t.Errorf("told again: %+v", again)
			}
			if test.want == noView {
				if len(got) != 0 {
					t.Errorf("%+v", got)
				}
				return
			}
			if len(got) != 1 || verdictOf(got[0].Prediction) != test.want || got[0].Mark != 42 || !got[0].Since.Equal(epoch) {
				t.Fatalf("%+v", got)
			}
			checkPrediction(t, h, got[0].Prediction)
			var reply wire.Packet
			reply.Decode(got[0].Reply)
			if reply.ICMP.Type != test.kind || reply.ICMP.Code != 1 {
				t.Errorf("type %d code %d", reply.ICMP.Type, reply.ICMP.Code)
			}
			quote := reply.Data()[8:]
			if string(quote) != string(test.packet[:len(quote)]) || len(quote) < 500 {
				t.Errorf("quotes %x", quote)
			}
		})
	}
}

// TestDoubtfulTimeouts: what was put off, or is in doubt, is not told of.
func TestDoubtfulTimeouts(t *testing.T) {
	first := bt.Split(datagram(peer4, host4, 81, 2000), 7, 1000)[0]
	h := servingHost()
	inbound(h, first, epoch)
	if got := h.Timeouts(epoch.Add(31*time.Second), nil); len(got) != 0 {
		t.Errorf("too late: %+v", got)
	}
	h = servingHost()
	inbound(h, first, epoch)
	for i := range 3000 {
		inbound(h, bt.Fragment(first[:20], bt.Data(1000), uint32(1000+i), 8, true), epoch)
	}
	if got := h.Timeouts(epoch.Add(30*time.Second), nil); len(got) != 0 {
		t.Errorf("in doubt: %d", len(got))
	}
}
