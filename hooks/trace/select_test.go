package trace_test

import (
	"testing"
	"time"

	"netstackd/hooks"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/filter"
	"netstackd/hooks/trace"
)

// TestSelector: a filter selects super-segments by their headers, their whole
// length and their last byte, like any packet.
func TestSelector(t *testing.T) {
	small := bt.Partial(bt.TCP{SrcPort: 49152, DstPort: 80, Flags: bt.Ack, Data: bt.Data(100)}.Packet(peer4, host4))
	for expression, want := range map[string][3]bool{ // super-segment, the same over IPv6, a small one
		"tcp port 80":     {true, true, true},
		"host " + peer4:   {true, false, true},
		"greater 65535":   {true, true, false},
		"less 65535":      {true, false, true},
		"ip[65534] = 217": {true, false, false},
		"udp":             {false, false, false},
	} {
		f, err := filter.Compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		s := trace.NewSelector(f, 1)
		for i, b := range [][]byte{super(peer4, host4), super(peer6, host6), small} {
			for _, d := range []hooks.Direction{hooks.Inbound, hooks.Outbound} {
				var p hooks.Packet
				p.SetOffloaded(d, b, superSegment, time.Now())
				if d == hooks.Inbound {
					s.Inbound(&p)
				} else {
					s.Outbound(&p)
				}
				if p.Untraced == want[i] {
					t.Errorf("%s, packet %d, %s: selected %v, want %v", expression, i, d, !p.Untraced, want[i])
				}
			}
		}
	}
}
