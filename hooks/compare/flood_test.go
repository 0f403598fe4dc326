package compare_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
)

// TestFlood: requests that nobody answers stay within bounds, of number and of
// bytes, are all settled, and cost no more the more there are, even under one
// key. What had to be forgotten is not judged.
func TestFlood(t *testing.T) {
	const n = 70_000
	large := request4(bt.Echo{Data: make([]byte, 60_000)})
	for _, test := range []struct {
		name    string
		n       int
		request func(i int) []byte
		want    compare.Counts
	}{
		{"sound", n, func(i int) []byte { return request4(bt.Echo{ID: uint16(i >> 16), Seq: uint16(i)}) },
			compare.Counts{Missing: 1 << 16, Unjudged: n - 1<<16}},
		{"sound, under one key", n, func(int) []byte { return request4(bt.Echo{}) },
			compare.Counts{Missing: 1 << 16, Unjudged: n - 1<<16}},
		{"spoiled, under one key", n, func(i int) []byte { return request4(bt.Echo{Spoil: uint16(1 + i%1000)}) },
			compare.Counts{Match: 1 << 16, Unjudged: n - 1<<16}},
		{"large", 1500, func(int) []byte { return large },
			compare.Counts{Missing: 64 << 20 / 60_028, Unjudged: 1500 - 64<<20/60_028}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench()
			start := time.Now()
			for i := range test.n {
				b.in(test.request(i))
			}
			b.pass()
			if spent := time.Since(start); spent > 30*time.Second {
				t.Errorf("took %v", spent)
			}
			if diff := cmp.Diff(test.want, b.comparer.Counts()); diff != "" {
				t.Error(diff)
			}
			settled := uint64(0)
			for _, n := range b.ledger.Totals().InFates {
				settled += n
			}
			if settled != uint64(test.n) {
				t.Errorf("%d of %d settled", settled, test.n)
			}
		})
	}
}

// TestForgottenReply: the reply to a request that was forgotten for lack of
// room is not held against anyone.
func TestForgottenReply(t *testing.T) {
	b := newBench()
	b.in(request4(echo))
	for i := range 1 << 16 {
		b.in(request4(bt.Echo{ID: 2, Seq: uint16(i)}))
	}
	b.out(reply4(echo))
	if diff := cmp.Diff(compare.Counts{Unjudged: 2}, b.comparer.Counts()); diff != "" {
		t.Error(diff)
	}
	b.pass()
	b.out(reply4(echo))
	if got := b.comparer.Counts().Unexpected; got != 1 {
		t.Errorf("later: %d unexpected", got)
	}
}

// TestConcurrency has several pingers at once, each answered at once.
func TestConcurrency(t *testing.T) {
	rec := &recorder{}
	c := compare.New(compare.Config{Host: byhand.New(addrs), Ledger: hooks.NewLedger(), Tracer: rec, Responder: "netstack"})
	c.Start()
	const pingers, pings = 4, 500
	var all sync.WaitGroup
	for i := range pingers {
		all.Go(func() {
			peer := fmt.Sprintf("172.16.0.%d", 10+i)
			var p hooks.Packet
			for seq := range pings {
				e := bt.Echo{Seq: uint16(seq), Data: bt.Data(seq)}
				for _, f := range bt.Split(bt.IPv4{Src: peer, Dst: host4}.Packet(e.Request4()), uint32(seq), bt.Every(104, seq+8)...) {
					p.Set(hooks.Inbound, f, time.Now())
					c.Inbound(&p)
				}
				p.Set(hooks.Outbound, bt.IPv4{Src: host4, Dst: peer}.Packet(e.Reply4()), time.Now())
				c.Outbound(&p)
				c.Counts()
			}
		})
	}
	all.Wait()
	c.Close()
	if diff := cmp.Diff(compare.Counts{Match: pingers * pings}, c.Counts()); diff != "" {
		t.Error(diff)
	}
	seen := map[uint64]bool{}
	for _, l := range lines(rec.take()) {
		if seen[l.Seq] {
			t.Fatalf("number %d twice", l.Seq)
		}
		seen[l.Seq] = true
	}
	for i := range uint64(len(seen)) {
		if !seen[i+1] {
			t.Fatalf("no number %d among %d", i+1, len(seen))
		}
	}
}
