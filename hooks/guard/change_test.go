package guard_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/guard"
)

// become has a guard do what is written so.
func become(t *testing.T, g *guard.Guard, s string) {
	t.Helper()
	m, err := guard.ParseMode(s)
	if err != nil {
		t.Fatal(err)
	}
	g.Change(m)
}

// mendedIn shows a guard a packet that comes, and returns what it mends of it.
func mendedIn(g *guard.Guard, b []byte, now time.Time) []string {
	var p hooks.Packet
	p.Set(hooks.Inbound, b, now)
	g.Inbound(&p)
	return slices.Clone(p.Mends())
}

// TestChangeConnections: of a connection only that is mended for which the guard has known
// it from its beginning; never by what it knew once.
func TestChangeConnections(t *testing.T) {
	acknowledges := func(ack uint32) []byte {
		return byhandtest.TCP{SrcPort: 1, DstPort: 7, Seq: 1, Ack: ack, Flags: byhandtest.Ack}.Packet(peer4, host4)
	}
	for _, test := range []struct {
		name string
		// before are the modes until the connection begins, after those that follow.
		before, after []string
		mended        bool
	}{
		{"strict", []string{"strict"}, nil, true},
		{"strict in time", []string{"on", "strict"}, nil, true},
		{"strict too late", []string{"on"}, []string{"strict"}, false},
		{"no more", []string{"strict"}, []string{"on"}, false},
		{"off", []string{"strict"}, []string{"off"}, false},
		{"strict again", []string{"strict"}, []string{"on", "strict"}, false},
		{"strict after off", []string{"strict"}, []string{"off", "strict"}, false},
		{"strict but for another", []string{"strict"}, []string{"strict,-reserved-flag", "strict"}, true},
		{"strict but for that", []string{"strict"}, []string{"strict,-unsent-ack"}, false},
		{"that again", []string{"strict"}, []string{"strict,-unsent-ack", "strict"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, now := guard.New(guard.Config{Addresses: addrs}), time.Now()
			for _, s := range test.before {
				become(t, g, s)
			}
			establish(g, now) // netstack sends 0 next
			if got := mendedIn(g, acknowledges(0), now); len(got) > 0 {
				t.Errorf("what acknowledges all is mended: %v", got)
			}
			for _, s := range test.after {
				become(t, g, s)
			}
			var want []string
			if test.mended {
				want = []string{"unsent-ack"}
			}
			if got := mendedIn(g, acknowledges(1000), now); !slices.Equal(got, want) {
				t.Errorf("what acknowledges what was not sent: %v, want %v", got, want)
			}
		})
	}
}

// TestChangeFragments: what a guard has not seen of a datagram it knows nothing of, and
// tells nobody of what it is to tell no more.
func TestChangeFragments(t *testing.T) {
	for _, test := range []struct {
		after []string
		// last is what becomes of a fragment that makes a reply too long, told whether a
		// datagram is told of that does not become whole.
		last fate
		told int
	}{
		{nil, replyLong, 1},
		{[]string{"strict,-reserved-flag"}, replyLong, 1},
		{[]string{"on"}, replyLong, 0},
		{[]string{"on", "strict"}, replyLong, 0},
		{[]string{"strict,-icmp-reassembly-timeout"}, replyLong, 0},
		{[]string{"off"}, delivered, 0},
		{[]string{"off", "strict"}, delivered, 0},
	} {
		g := strict(t)
		n, _ := newNetstack(t, g, g.Answer())
		g.Connect(n.Chain())
		now := time.Now()
		if got := verdict(g, fragment(header4(1, 10), 0, 1440, true), now); got != delivered {
			t.Errorf("%v, at first: %v", test.after, got)
		}
		for _, s := range test.after {
			become(t, g, s)
		}
		g.Sweep(now.Add(30*time.Second + 100*time.Millisecond))
		if got := len(n.Outbound()); got != test.told {
			t.Errorf("%v: %d are told of, want %d", test.after, got, test.told)
		}
		if got := verdict(g, fragment(header4(1, 0), 65464, 12, false), now); got != test.last {
			t.Errorf("%v: %v, want %v", test.after, got, test.last)
		}
	}
}

// TestChangeStorm: what needs no mend passes untouched, whatever changes meanwhile.
func TestChangeStorm(t *testing.T) {
	g, now := strict(t), time.Now()
	establish(g, now)
	done := make(chan struct{})
	var changing, sending sync.WaitGroup
	changing.Go(func() {
		for {
			for _, s := range []string{"off", "strict", "strict,-unsent-ack,-tcp-source-route", "on", "strict,-icmp-reassembly-timeout"} {
				select {
				case <-done:
					return
				default:
					become(t, g, s)
				}
			}
			g.Restart()
		}
	})
	for range 2 {
		sending.Go(func() {
			var p hooks.Packet
			for range 100 {
				for name, b := range conforming() {
					for _, d := range []hooks.Direction{hooks.Inbound, hooks.Outbound} {
						p.Set(d, b, now)
						if d == hooks.Inbound {
							g.Inbound(&p)
						} else {
							g.Outbound(&p)
						}
						if p.Stopped() || p.Instead() != nil || len(p.Mends()) > 0 {
							t.Errorf("%s %s: fate %s %s, mends %v", name, d, p.Fate, p.Reason, p.Mends())
							return
						}
					}
				}
			}
		})
	}
	sending.Wait()
	close(done)
	changing.Wait()
}
