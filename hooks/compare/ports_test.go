package compare_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
)

// TestChangePorts: what the ports decide while they change goes unjudged; before and
// after that it is judged by what is open.
func TestChangePorts(t *testing.T) {
	mss := []byte{2, 4, 5, 180}
	reply := func(port uint16, seq, ack uint32, flags uint8, options ...byte) []byte {
		return bt.TCP{SrcPort: port, DstPort: 4000, Seq: seq, Ack: ack, Flags: flags, Options: options}.Packet(host4, peer4)
	}
	refused, taken := reply(81, 0, 1001, bt.Rst|bt.Ack), reply(81, 99, 1001, bt.Syn|bt.Ack, mss...)
	change := func(port uint16, err error, meanwhile ...step) step {
		return func(b *bench) {
			got := b.comparer.ChangePorts([]uint16{port}, []uint16{port}, func() error {
				for _, s := range meanwhile {
					s(b)
				}
				return err
			})
			if !errors.Is(got, err) {
				panic(got)
			}
		}
	}
	failed := errors.New("failed")
	for _, test := range []struct {
		name  string
		steps []step
		want  compare.Counts
	}{
		{"opened", []step{change(81, nil), in(segment(81, bt.Syn)), out(taken)}, compare.Counts{Match: 1}},
		{"opened, and refused", []step{change(81, nil), in(segment(81, bt.Syn)), out(refused), pass}, compare.Counts{Missing: 1}},
		{"closed", []step{change(81, nil), in(segment(7, bt.Syn)), out(reply(7, 0, 1001, bt.Rst|bt.Ack))}, compare.Counts{Match: 1}},
		{"closed, and taken", []step{change(81, nil), in(segment(7, bt.Syn)), out(reply(7, 99, 1001, bt.Syn|bt.Ack, mss...)), pass}, compare.Counts{Missing: 1}},
		{"opened before the answer", []step{in(segment(81, bt.Syn)), change(81, nil), out(taken), in(segment(81, bt.Ack)), out(reply(81, 100, 1001, bt.Ack)), pass},
			compare.Counts{Unjudged: 1}},
		{"opened after the refusal", []step{in(segment(81, bt.Syn)), out(refused), change(81, nil), in(segment(81, bt.Syn)), out(taken)}, compare.Counts{Match: 1}},
		{"closed before the answer", []step{in(segment(7, bt.Syn)), change(81, nil), out(reply(7, 0, 1001, bt.Rst|bt.Ack)), pass}, compare.Counts{Unjudged: 1}},
		{"meanwhile", []step{change(81, nil, in(segment(81, bt.Syn), segment(7, bt.Syn)), out(taken, reply(7, 0, 1001, bt.Rst|bt.Ack))), pass}, compare.Counts{}},
		{"meanwhile, the other way", []step{change(81, nil, in(segment(81, bt.Syn), segment(7, bt.Syn)), out(refused, reply(7, 99, 1001, bt.Syn|bt.Ack, mss...))), pass}, compare.Counts{}},
		{"a connection made meanwhile", []step{change(81, nil, in(segment(81, bt.Syn))), out(taken), in(segment(81, bt.Ack)), pass}, compare.Counts{}},
		{"what is left of a connection", []step{in(segment(7, bt.Syn)), out(reply(7, 99, 1001, bt.Syn|bt.Ack, mss...)), change(81, nil), in(segment(7, bt.Ack|bt.Fin)), pass},
			compare.Counts{Match: 1}},
		{"another port meanwhile", []step{change(81, nil, in(segment(82, bt.Syn)), out(reply(82, 0, 1001, bt.Rst|bt.Ack)))}, compare.Counts{Match: 1}},
		{"a ping meanwhile", []step{change(81, nil, in(request4(echo)), out(reply4(echo)))}, compare.Counts{Match: 1}},
		{"a ping before", []step{in(request4(echo)), change(81, nil), out(reply4(echo))}, compare.Counts{Match: 1}},
		{"a datagram before", []step{in(datagram(peer4, host4, 81, 10)), change(81, nil), pass}, compare.Counts{Unjudged: 1}},
		{"a datagram meanwhile", []step{change(81, nil, in(datagram(peer4, host4, 81, 10), datagram(peer4, host4, 7, 10))), pass}, compare.Counts{}},
		{"a datagram to an open port", []step{change(81, nil), in(datagram(peer4, host4, 81, 10)), pass}, compare.Counts{}},
		{"a datagram to a closed port", []step{change(81, nil), in(datagram(peer4, host4, 7, 10)), pass}, compare.Counts{Missing: 1}},
		{"failed", []step{change(81, failed), in(segment(81, bt.Syn)), out(refused)}, compare.Counts{Match: 1}},
		{"failed, another flow", []step{change(82, failed), in(segment(81, bt.Syn)), out(refused)}, compare.Counts{Match: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newServingBench()
			for _, s := range test.steps {
				s(b)
			}
			if diff := cmp.Diff(test.want, b.comparer.Counts()); diff != "" {
				t.Error(diff)
			}
			b.comparer.Close()
		})
	}
}

// TestChangePortsCrowd: as many as may wait are settled, each once, while packets come.
func TestChangePortsCrowd(t *testing.T) {
	b := newServingBench()
	const crowd = 2000
	for range crowd {
		b.in(datagram(peer4, host4, 83, 10))
	}
	if err := b.comparer.ChangePorts([]uint16{81}, []uint16{81}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(compare.Counts{Unjudged: crowd}, b.comparer.Counts()); diff != "" {
		t.Error(diff)
	}
	if n := b.ledger.Totals().InFates[hooks.Dropped]; n != crowd {
		t.Errorf("%d packets have their fate, want %d", n, crowd)
	}
}

// TestChangePortsNoOpinion: a host without an opinion of ports has none afterwards.
func TestChangePortsNoOpinion(t *testing.T) {
	h := byhand.New(addrs)
	h.Change([]uint16{7}, nil)(true)
	b := newBench()
	b.comparer = compare.New(compare.Config{Host: h, Ledger: b.ledger, Tracer: b.rec, Responder: "netstack", Now: b.clock})
	b.in(segment(7, bt.Syn))
	pass(b)
	if diff := cmp.Diff(compare.Counts{}, b.comparer.Counts()); diff != "" {
		t.Error(diff)
	}
}
