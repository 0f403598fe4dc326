package guard_test

import (
	"encoding/binary"
	"testing"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/guard"
)

// A flood are fragments of many datagrams.
type flood struct {
	g      *guard.Guard
	packet hooks.Packet
	// first and last are the two that kill together.
	first, last []byte
}

func newFlood() *flood {
	f := &flood{g: guard.New(guard.Config{})}
	f.first = fragment(headerWith(1, recordRoute), 0, 8, true)
	f.last = fragment(header4(1, 0), 65512, 3, false)
	return f
}

// send sends a fragment of datagram n.
func (f *flood) send(b []byte, n int, now time.Time) fate {
	b[14], b[15] = byte(n>>24), byte(n>>16)
	binary.BigEndian.PutUint16(b[4:], uint16(n))
	byhandtest.SetHeaderChecksum(b)
	f.packet.Set(hooks.Inbound, b, now)
	f.g.Inbound(&f.packet)
	return fate{f.packet.Fate, f.packet.Reason}
}

// TestFloodHidesNoKiller: however many datagrams are remembered, of each that
// kills the fragment that comes second is dropped.
func TestFloodHidesNoKiller(t *testing.T) {
	const many = 1 << 20 // of 1 << 18 that there is room for
	for name, order := range map[string]func(*flood) (a, b []byte){
		"options first": func(f *flood) (a, b []byte) { return f.first, f.last },
		"end first":     func(f *flood) (a, b []byte) { return f.last, f.first },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFlood()
			a, b := order(f)
			begin := time.Now()
			when := func(n int) time.Time { return begin.Add(time.Duration(n) * 30 * time.Second / many) }
			for n := range many {
				f.send(a, n, when(n))
			}
			reasons := map[string]int{}
			for n := range many {
				got := f.send(b, n, when(many))
				if got.Fate != hooks.Guarded {
					t.Fatalf("datagram %d: %v", n, got)
				}
				reasons[got.Reason]++
			}
			if reasons[guard.ReasonFragmentInDoubt] == 0 || reasons[guard.ReasonReplyTooLong] == 0 {
				t.Errorf("reasons: %v", reasons)
			}
		})
	}
}

// TestFloodIsDear: a thousand datagrams a second with options, for a minute, cost
// hardly one conforming ping of the greatest length.
func TestFloodIsDear(t *testing.T) {
	f := newFlood()
	begin := time.Now()
	const each = time.Second / 1000
	n := 0
	for ; n < 60_000; n++ {
		f.send(f.first, n, begin.Add(time.Duration(n)*each))
	}
	lost := 0
	for range 10_000 {
		n++
		switch f.send(f.last, n, begin.Add(time.Minute)) {
		case delivered:
		case inDoubt:
			lost++
		default:
			t.Fatal("dropped for what it is not")
		}
	}
	if lost > 100 {
		t.Errorf("%d of 10,000 conforming pings lost", lost)
	}
}

// TestRemembered: a fragment is remembered for longer than netstack keeps it, 30 s,
// and not much longer, and a process that stood still forgets nothing for that.
func TestRemembered(t *testing.T) {
	begin := time.Now()
	for _, test := range []struct {
		name string
		// other are the times at which other datagrams come, and last that of the
		// fragment that kills.
		other []time.Duration
		last  time.Duration
		want  fate
	}{
		{"at once", nil, 0, replyLong},
		{"after 30 s", []time.Duration{0, 10, 20, 29}, 30, replyLong},
		{"after 45 s", []time.Duration{1, 12, 24, 36}, 45, replyLong},
		{"after 90 s", []time.Duration{13, 26, 39, 52, 65, 78}, 90, delivered},
		{"after an hour without others", nil, 3600, replyLong},
		{"after an hour in which the process stood still", []time.Duration{0, 1, 3599}, 3600, replyLong},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFlood()
			f.send(f.first, 1, begin)
			for i, at := range test.other {
				f.send(f.first, 2+i, begin.Add(at*time.Second))
			}
			if got := f.send(f.last, 1, begin.Add(test.last*time.Second)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
