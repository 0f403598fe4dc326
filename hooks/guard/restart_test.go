package guard_test

import (
	"testing"
	"time"

	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/guard"
	"netstackd/hooks/wire"
)

// begun are the two ways on from what a guard has seen: netstack stays, or begins anew.
var begun = map[string]func(*guard.Guard){"stays": func(*guard.Guard) {}, "anew": (*guard.Guard).Restart}

// TestRestartFragments: a netstack that begins anew has no fragment for another to
// complete, and tells of none when its time is up.
func TestRestartFragments(t *testing.T) {
	for name, begin := range begun {
		g := strict(t)
		n, _ := newNetstack(t, g, g.Answer())
		g.Connect(n.Chain())
		now := time.Now()
		for _, b := range [][]byte{fragment(header4(1, 10), 0, 1440, true), byhandtest.Split(ping4(byhandtest.IPv4{}), 2, 16)[0]} {
			if got := verdict(g, b, now); got != delivered {
				t.Errorf("%s, at first: %v", name, got)
			}
		}
		begin(g)
		want, told := delivered, 0
		if name == "stays" {
			want, told = replyLong, 2
		}
		g.Sweep(now.Add(30*time.Second + 100*time.Millisecond))
		if got := len(n.Outbound()); got != told {
			t.Errorf("%s: %d are told of, want %d", name, got, told)
		}
		if got := verdict(g, fragment(header4(1, 0), 65464, 12, false), now); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestRestartConnections: what comes of a connection that a netstack had which begins
// anew is not mended: it is reset, straight.
func TestRestartConnections(t *testing.T) {
	route := []byte{131, 7, 8, 10, 0, 0, 2, 0}
	for name, begin := range begun {
		g := strict(t)
		before, _ := newNetstack(t, g)
		if err := before.Listen([]uint16{7}, nil); err != nil {
			t.Fatal(err)
		}
		p := &peer{t: t, n: before, src: peer4, dst: host4, seq: 1000, options: route}
		p.send(byhandtest.Syn, stamped(byhandtest.TCP{}, 1000, 0).Options, nil)
		p.wait(func(s *wire.Packet) bool { return s.TCP.Flags&wire.TCPSyn != 0 })
		begin(g)
		after, ledger := newNetstack(t, g)
		p.n, p.options = after, nil
		p.seq++
		p.send(byhandtest.Ack, stamped(byhandtest.TCP{}, 999, 0).Options, byhandtest.Data(5))
		var resets []wire.Packet
		for deadline := time.Now().Add(patience); len(resets) == 0 && time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
			for _, b := range after.Outbound() {
				var s wire.Packet
				if s.Decode(b) && s.Upper == wire.LayerTCP && s.TCP.Flags&wire.TCPRst != 0 {
					resets = append(resets, s)
				}
			}
		}
		if len(resets) != 1 {
			t.Fatalf("%s: %d resets", name, len(resets))
		}
		straight := !resets[0].IPv4.HasOptions()
		mends := ledger.Totals().Mends
		if stale := name == "stays"; straight == stale || (mends["old-timestamp"] == 1) != stale || (mends["tcp-source-route"] == 1) != stale {
			t.Errorf("%s: reset straight: %v, mends %v", name, straight, mends)
		}
	}
}
