package faults_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/faults"
	"netstackd/hooks/wire"
)

// numbered returns n echo replies that can be told apart, from number 0.
func numbered(n int) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, v4(uint16(i), 1).Packet(bt.Echo{Seq: uint16(i), Data: bt.Data(40)}.Reply4()))
	}
	return out
}

// numbers tells which of numbered packets are, in order.
func numbers(t *testing.T, packets [][]byte) (s []int) {
	t.Helper()
	for _, b := range packets {
		p := decoded(b)
		if !p.Problem.IsZero() || judge(b) != "" || len(b) != 68 {
			t.Errorf("packet %d is damaged", p.ICMP.Seq)
		}
		s = append(s, int(p.ICMP.Seq))
	}
	return s
}

// bothWays runs a test for each direction, on a clock of its own.
func bothWays(t *testing.T, test func(*testing.T, hooks.Direction)) {
	for _, d := range []hooks.Direction{hooks.Inbound, hooks.Outbound} {
		t.Run(string(d), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, d) })
		})
	}
}

// want compares the numbers of what has come out.
func (r *rig) want(t *testing.T, d hooks.Direction, want ...int) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, numbers(t, r.take(d))); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
}

func TestDrop(t *testing.T) {
	bothWays(t, func(t *testing.T, d hooks.Direction) {
		r := newRig(t, faults.Options{}, "drop=50%,duplicate=100%,delay=100%")
		packets := numbered(100)
		r.send(t, d, packets...)
		time.Sleep(time.Second)
		synctest.Wait()
		lost := map[int]bool{}
		for _, f := range r.log.take() {
			if f.Kind != faults.Drop {
				continue
			}
			i := int(f.Packet) - 1
			lost[i] = true
			want := faults.Fault{
				Kind: faults.Drop, Direction: d, Packet: f.Packet, Key: faults.Key(packets[i]),
				Protocols: faults.ICMPv4 | faults.IPv4, Len: 68, Reason: faults.ReasonDrop,
			}
			if diff := cmp.Diff(want, f); diff != "" {
				t.Errorf("fault (-want +got):\n%s", diff)
			}
		}
		if len(lost) < 30 || len(lost) > 70 {
			t.Errorf("%d of 100 packets were lost", len(lost))
		}
		seen := map[int]int{}
		for _, i := range numbers(t, r.take(d)) {
			seen[i]++
		}
		for i := range packets {
			if want := map[bool]int{true: 0, false: 2}[lost[i]]; seen[i] != want {
				t.Errorf("packet %d came %d times, want %d", i, seen[i], want)
			}
		}
		n := uint64(len(lost))
		want := faults.Counts{
			Packets: 100, Drops: map[string]uint64{faults.ReasonDrop: n},
			Faults: map[faults.Kind]uint64{
				faults.Drop: n, faults.Duplicate: 100 - n, faults.Delay: 100 - n,
				faults.Corrupt: 0, faults.Reorder: 0, faults.Truncate: 0,
			},
		}
		if diff := cmp.Diff(want, r.counts(d)); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
	})
}

func TestDuplicate(t *testing.T) {
	bothWays(t, func(t *testing.T, d hooks.Direction) {
		r := newRig(t, faults.Options{}, "duplicate=100%", "duplicate=100%")
		r.send(t, d, numbered(3)...)
		r.want(t, d, 0, 0, 1, 1, 2, 2)
		if n := len(r.log.take()); n != 3 {
			t.Errorf("%d faults are told of, want 3", n)
		}
	})
}

// TestDuplicateIsWhole: what is done to a packet is not done to its copy.
func TestDuplicateIsWhole(t *testing.T) {
	bothWays(t, func(t *testing.T, d hooks.Direction) {
		r := newRig(t, faults.Options{}, "corrupt=100%,delay=100%:1s,duplicate=100%")
		r.send(t, d, numbered(1)...)
		r.want(t, d, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := r.take(d); len(got) != 1 || judge(got[0]) == "" {
			t.Errorf("then came %x, want one bad packet", got)
		}
	})
}

func TestReorder(t *testing.T) {
	bothWays(t, func(t *testing.T, d hooks.Direction) {
		r := newRig(t, faults.Options{}, "icmp reorder=100%:2", "tcp drop=100%")
		other := samples()["udp"]
		packets := numbered(3)
		r.send(t, d, packets...)
		// What is lost passes nothing.
		r.send(t, d, samples()["tcp"], samples()["tcp6"])
		if got := r.take(d); len(got) != 0 {
			t.Fatalf("%d packets came, want them held", len(got))
		}
		// The first that passes, then a held one that is held behind it.
		r.send(t, d, other, numbered(4)[3], other)
		got := r.take(d)
		if len(got) != 5 || !bytes.Equal(got[0], other) || !bytes.Equal(got[1], other) {
			t.Fatalf("%d packets came, want two that pass and three that follow", len(got))
		}
		if diff := cmp.Diff([]int{0, 1, 2}, numbers(t, got[2:])); diff != "" {
			t.Errorf("packets (-want +got):\n%s", diff)
		}
		time.Sleep(faults.DefaultPatience - time.Millisecond)
		r.want(t, d)
		time.Sleep(2 * time.Millisecond)
		r.want(t, d, 3)
		if n := r.counts(d).Faults[faults.Reorder]; n != 4 {
			t.Errorf("%d counted, want 4", n)
		}
	})
}

func TestDelay(t *testing.T) {
	bothWays(t, func(t *testing.T, d hooks.Direction) {
		r := newRig(t, faults.Options{}, "icmp delay=100%:30ms", "udp delay=100%")
		start := time.Now()
		r.send(t, d, numbered(2)...)
		time.Sleep(5 * time.Millisecond)
		// Due before the others, so the timer has to be set anew.
		r.send(t, d, samples()["udp"])
		time.Sleep(9 * time.Millisecond)
		r.want(t, d)
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if got := r.take(d); len(got) != 1 || !bytes.Equal(got[0], samples()["udp"]) {
			t.Errorf("after %v: %x, want the datagram", time.Since(start), got)
		}
		r.send(t, d, numbered(3)[2]) // due 46 ms after the start
		time.Sleep(13 * time.Millisecond)
		r.want(t, d)
		time.Sleep(2 * time.Millisecond)
		r.want(t, d, 0, 1)
		time.Sleep(14 * time.Millisecond)
		r.want(t, d)
		time.Sleep(2 * time.Millisecond)
		r.want(t, d, 2)
	})
}

func TestTruncate(t *testing.T) {
	bothWays(t, func(t *testing.T, d hooks.Direction) {
		r := newRig(t, faults.Options{}, "truncate=100%")
		packets := numbered(300)
		r.send(t, d, packets...)
		got, lengths := r.take(d), map[int]bool{}
		for i, f := range r.log.take() {
			want := packets[i][:f.Len]
			if !bytes.Equal(got[i], want) || f.Key != faults.Key(want) || f.Packet != uint64(i+1) {
				t.Errorf("packet %d is %x, fault %+v", i, got[i], f)
			}
			if f.Len < 20 || f.Len > 67 || decoded(got[i]).Problem.Reason != wire.ReasonTruncated {
				t.Errorf("cut to %d bytes: %s", f.Len, decoded(got[i]).Problem.Reason)
			}
			lengths[f.Len] = true
		}
		if len(got) != 300 || len(lengths) < 30 {
			t.Errorf("%d packets of %d lengths", len(got), len(lengths))
		}
		// Nothing to be cut off.
		r.send(t, d, []byte{0x45}, nil)
		if n := r.counts(d); n.Unfit != 2 || n.Faults[faults.Truncate] != 300 {
			t.Errorf("counted %+v", n)
		}
	})
}

func TestCorrupt(t *testing.T) {
	bothWays(t, func(t *testing.T, d hooks.Direction) {
		r := newRig(t, faults.Options{}, "corrupt=100%", "truncate=100%")
		unfit := uint64(0)
		for name, b := range samples() {
			r.send(t, d, b)
			got, told := r.take(d), r.log.take()
			if len(got) != 1 {
				t.Fatalf("%s: %d packets", name, len(got))
			}
			if faults.Reach(b) == 0 {
				unfit++
				if !bytes.Equal(got[0], b) || len(told) != 0 {
					t.Errorf("%s: has no checksum, and %+v", name, told)
				}
				continue
			}
			checkFlip(t, b, got[0], told[0])
			if told[0].Key != faults.Key(got[0]) || told[0].Len != len(b) {
				t.Errorf("%s: %+v", name, told[0])
			}
		}
		if n := r.counts(d); unfit == 0 || n.Unfit != unfit || n.Faults[faults.Corrupt] != n.Packets-unfit {
			t.Errorf("counted %+v, want %d unfit", n, unfit)
		}
	})
}

// TestChoice: a rule is about the packets that it names, and about no other.
func TestChoice(t *testing.T) {
	long := v6(17)
	for range 3 {
		// 400 bytes of extension headers, which hide the protocol at first.
		long.Extensions = append(long.Extensions, bt.Extension{Protocol: 60, Body: append([]byte{16, 1, 132}, make([]byte, 132)...)})
	}
	packets := samples()
	packets["udp6-long-chain"] = long.Packet(udp(host6, peer6, bt.Data(20)))
	packets["udp6-long"] = v6(17).Packet(udp(host6, peer6, bt.Data(1000)))
	for rule, want := range map[string][]string{
		"icmp":       {"icmp"},
		"icmp6":      {"icmp6"},
		"udp":        {"udp", "udp6"},
		"tcp":        {"tcp", "tcp6"},
		"icmp6 tcp":  {"icmp6", "tcp", "tcp6"},
		"ip":         {"icmp", "udp", "tcp", "other"},
		"ip6":        {"icmp6", "udp6", "tcp6", "other6"},
		"ip ip6":     {"icmp", "udp", "tcp", "other", "icmp6", "udp6", "tcp6", "other6"},
		"any":        {"icmp", "udp", "tcp", "other", "icmp6", "udp6", "tcp6", "other6", "none", "version"},
		"outbound":   {"icmp", "udp", "tcp", "other", "icmp6", "udp6", "tcp6", "other6", "none", "version"},
		"inbound ip": nil,
	} {
		r := newRig(t, faults.Options{}, rule+" drop=100%")
		for name, b := range packets {
			r.send(t, hooks.Outbound, b)
			kind, _, _ := bytes.Cut([]byte(name), []byte("-"))
			if lost := len(r.take(hooks.Outbound)) == 0; lost != slices.Contains(want, string(kind)) {
				t.Errorf("%s: %s is lost: %v", rule, name, lost)
			}
		}
	}
}

// TestSeed: the same packets meet the same faults, whatever is sent the other
// way, and another seed means others, as does the other way.
func TestSeed(t *testing.T) {
	packets := numbered(500)
	run := func(seed uint64, rules ...string) string {
		r := newRig(t, faults.Options{Seed: seed}, rules...)
		for i, b := range packets {
			r.send(t, hooks.Outbound, b)
			if i%3 == 0 {
				r.send(t, hooks.Inbound, b)
			}
		}
		return fmt.Sprint(slices.DeleteFunc(r.log.take(), func(f faults.Fault) bool { return f.Direction == hooks.Inbound }))
	}
	const rule = "corrupt=10%,drop=10%,truncate=10%,duplicate=10%,reorder=10%,delay=10%"
	first := run(1, rule)
	for name, same := range map[string]string{
		"again":              run(1, rule),
		"in the rule":        run(7, rule+",seed=1"),
		"in a later rule":    run(1, rule, "icmp6 corrupt=1%"),
		"in one direction":   run(1, "outbound "+rule),
		"of those it names":  run(1, "icmp "+rule),
		"beside another way": run(1, rule, "inbound drop=50%"),
	} {
		if same != first {
			t.Errorf("%s: other faults", name)
		}
	}
	for name, other := range map[string]string{
		"seed":      run(2, rule),
		"rule seed": run(1, rule+",seed=2"),
		"place":     run(1, "icmp6 drop=1%", rule),
	} {
		if other == first {
			t.Errorf("another %s: the same faults", name)
		}
	}
	r := newRig(t, faults.Options{}, "drop=50%")
	r.send(t, hooks.Outbound, packets[:100]...)
	r.send(t, hooks.Inbound, packets[:100]...)
	if cmp.Equal(r.take(hooks.Outbound), r.take(hooks.Inbound)) {
		t.Error("the same packets were lost both ways")
	}
}
