package byhand_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// add gives a reassembler one fragment.
func add(r *byhand.Reassembler, fragment []byte, now time.Time) ([]byte, byhand.Outcome) {
	var p wire.Packet
	p.Decode(fragment)
	return r.Add(&p, now)
}

// ping4 and ping6 are whole echo requests of n bytes of data.
func ping4(n int) []byte {
	return bt.IPv4{Src: peer4, Dst: host4, ID: 77}.Packet(bt.Echo{ID: 1, Seq: 2, Data: bt.Data(n)}.Request4())
}

func ping6(n int, extensions ...bt.Extension) []byte {
	return bt.IPv6{Src: peer6, Dst: host6, Extensions: extensions}.Packet(bt.Echo{ID: 1, Seq: 2, Data: bt.Data(n)}.Request6(peer6, host6))
}

// permutations calls f with each order of n things.
func permutations(n int, f func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var step func(int)
	step = func(i int) {
		if i == n {
			f(order)
			return
		}
		for j := i; j < n; j++ {
			order[i], order[j] = order[j], order[i]
			step(i + 1)
			order[i], order[j] = order[j], order[i]
		}
	}
	step(0)
}

func TestAllOrders(t *testing.T) {
	for name, whole := range map[string][]byte{"IPv4": ping4(100), "IPv6": ping6(100)} {
		fragments := bt.Split(whole, 77, 16, 48, 96)
		permutations(len(fragments), func(order []int) {
			var r byhand.Reassembler
			for i, at := range order {
				got, outcome := add(&r, fragments[at], epoch)
				// Each comes twice, but for the last: that would begin anew.
				if i < len(order)-1 {
					if again, o := add(&r, fragments[at], epoch); again != nil || o != byhand.Incomplete {
						t.Fatalf("%s, order %v: duplicate of %d: %v", name, order, at, o)
					}
					if got != nil || outcome != byhand.Incomplete {
						t.Fatalf("%s, order %v: after %d: %v", name, order, at, outcome)
					}
				} else if outcome != byhand.Complete || !bytes.Equal(got, whole) {
					t.Fatalf("%s, order %v: %v\n%s", name, order, outcome, cmp.Diff(whole, got))
				}
			}
		})
	}
}

// piece4 and piece6 are fragments with n bytes of data.
func piece4(offset, n int, more bool) []byte {
	return bt.Fragment(ping4(0)[:20], bt.Data(offset + n)[offset:], 77, offset, more)
}

func piece6(offset, n int, more bool) []byte {
	return bt.Fragment(ping6(0)[:40], bt.Data(offset + n)[offset:], 77, offset, more)
}

func TestOutcomes(t *testing.T) {
	type piece struct {
		offset, n int
		more      bool
	}
	const (
		incomplete = byhand.Incomplete
		complete   = byhand.Complete
		inDoubt    = byhand.CompleteInDoubt
		overlap    = byhand.Overlap
		tooLong    = byhand.TooLong
		empty      = byhand.Empty
	)
	for _, test := range []struct {
		name   string
		pieces []piece
		want   []byhand.Outcome
	}{
		{"two", []piece{{0, 8, true}, {8, 1, false}}, []byhand.Outcome{incomplete, complete}},
		{"one after the other", []piece{{0, 8, true}, {8, 1, false}, {0, 8, true}, {8, 1, false}},
			[]byhand.Outcome{incomplete, complete, incomplete, complete}},
		{"no data", []piece{{0, 8, true}, {8, 0, false}, {8, 1, false}}, []byhand.Outcome{incomplete, empty, complete}},
		{"overlap at the front", []piece{{8, 16, true}, {0, 16, true}}, []byhand.Outcome{incomplete, overlap}},
		{"overlap at the back", []piece{{0, 16, true}, {8, 16, true}}, []byhand.Outcome{incomplete, overlap}},
		{"a subset", []piece{{0, 24, true}, {8, 8, true}}, []byhand.Outcome{incomplete, overlap}},
		{"a subset at the same offset", []piece{{0, 24, true}, {0, 8, true}}, []byhand.Outcome{incomplete, overlap}},
		{"a superset", []piece{{8, 8, true}, {0, 24, true}}, []byhand.Outcome{incomplete, overlap}},
		{"a superset at the same offset", []piece{{8, 8, true}, {8, 16, true}}, []byhand.Outcome{incomplete, overlap}},
		{"over two", []piece{{0, 8, true}, {16, 8, true}, {8, 16, true}}, []byhand.Outcome{incomplete, incomplete, overlap}},
		{"two ends", []piece{{8, 8, false}, {16, 8, false}}, []byhand.Outcome{incomplete, overlap}},
		{"an earlier end", []piece{{16, 8, false}, {8, 8, false}}, []byhand.Outcome{incomplete, overlap}},
		{"behind the end", []piece{{8, 8, false}, {16, 8, true}}, []byhand.Outcome{incomplete, overlap}},
		{"an end before another", []piece{{16, 8, true}, {8, 8, false}}, []byhand.Outcome{incomplete, overlap}},
		{"the end again, now not the end", []piece{{8, 8, false}, {8, 8, true}, {0, 8, true}}, []byhand.Outcome{incomplete, incomplete, complete}},
		{"a middle again, now the end", []piece{{8, 8, true}, {8, 8, false}, {0, 8, true}}, []byhand.Outcome{incomplete, overlap, incomplete}},
		// RFC 8200 §4.5 begins anew, RFC 5722 §4 discards what comes later too.
		{"anew after an overlap", []piece{{0, 16, true}, {8, 16, true}, {0, 8, true}, {8, 8, false}, {0, 8, true}, {8, 8, false}},
			[]byhand.Outcome{incomplete, overlap, incomplete, inDoubt, incomplete, inDoubt}},
		{"past the limit", []piece{{0, 8, true}, {65528, 80, false}, {8, 8, false}}, []byhand.Outcome{incomplete, tooLong, inDoubt}},
	} {
		for version, make := range map[string]func(int, int, bool) []byte{"IPv4": piece4, "IPv6": piece6} {
			t.Run(test.name+", "+version, func(t *testing.T) {
				var r byhand.Reassembler
				var got []byhand.Outcome
				for _, p := range test.pieces {
					whole, o := add(&r, make(p.offset, p.n, p.more), epoch)
					got = append(got, o)
					if (whole != nil) != (o == complete || o == inDoubt) {
						t.Errorf("%v brings %d bytes", o, len(whole))
					}
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestConflictingData: over IPv6 a fragment with other data in the same place
// is no duplicate, and an overlap; over IPv4 either copy may win.
func TestConflictingData(t *testing.T) {
	for _, test := range []struct {
		whole       []byte
		then, after byhand.Outcome
	}{
		{ping4(40), byhand.Incomplete, byhand.CompleteInDoubt},
		{ping6(40), byhand.OverlapDuplicate, byhand.Incomplete},
	} {
		fragments := bt.Split(test.whole, 1, 24)
		other := slices.Clone(fragments[0])
		other[len(other)-1] ^= 1
		var r byhand.Reassembler
		add(&r, fragments[0], epoch)
		if _, got := add(&r, other, epoch); got != test.then {
			t.Errorf("other data: %v, want %v", got, test.then)
		}
		if _, got := add(&r, fragments[1], epoch); got != test.after {
			t.Errorf("the rest: %v, want %v", got, test.after)
		}
	}
}

// TestLimit has the longest datagrams there are, and one byte more.
func TestLimit(t *testing.T) {
	hop := hopByHop(1, 4, 0, 0, 0, 0)
	for _, test := range []struct {
		name   string
		header []byte
		data   int
		want   byhand.Outcome
	}{
		{"IPv4", ping4(0)[:20], 65515, byhand.Complete},
		{"IPv4, one more", ping4(0)[:20], 65516, byhand.TooLong},
		{"IPv4 with options", request4(peer4, host4, 1, 1, 1, 1)[:24], 65511, byhand.Complete},
		{"IPv4 with options, one more", request4(peer4, host4, 1, 1, 1, 1)[:24], 65512, byhand.TooLong},
		{"IPv6", ping6(0)[:40], 65535, byhand.Complete},
		{"IPv6, one more", ping6(0)[:40], 65536, byhand.TooLong},
		{"IPv6 with an extension", ping6(0, hop)[:48], 65527, byhand.Complete},
		{"IPv6 with an extension, one more", ping6(0, hop)[:48], 65528, byhand.TooLong},
	} {
		t.Run(test.name, func(t *testing.T) {
			// Options only in the first fragment: those of the others are free.
			later := test.header
			if test.header[0]>>4 == 4 {
				later = ping4(0)[:20]
			}
			data := bt.Data(test.data)
			copy(data, []byte{8, 0, 0, 0, 0, 0, 0, 0})
			var r byhand.Reassembler
			add(&r, bt.Fragment(test.header, data[:65000], 5, 0, true), epoch)
			whole, got := add(&r, bt.Fragment(later, data[65000:], 5, 65000, false), epoch)
			if got != test.want {
				t.Fatalf("%v, want %v", got, test.want)
			}
			if whole != nil && !bytes.Equal(whole[len(test.header):], data) {
				t.Error("joined to something else")
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	for _, test := range []struct {
		name  string
		whole []byte
		after time.Duration
		want  byhand.Outcome
	}{
		{"IPv4 in time", ping4(40), 28 * time.Second, byhand.Complete},
		{"IPv4 on the edge", ping4(40), 30 * time.Second, byhand.CompleteInDoubt},
		{"IPv4 too late", ping4(40), 32 * time.Second, byhand.Incomplete},
		{"IPv4 long gone", ping4(40), time.Hour, byhand.Incomplete},
		{"IPv6 in time", ping6(40), 58 * time.Second, byhand.Complete},
		{"IPv6 on the edge", ping6(40), 60 * time.Second, byhand.CompleteInDoubt},
		{"IPv6 too late", ping6(40), 62 * time.Second, byhand.Incomplete},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r byhand.Reassembler
			fragments := bt.Split(test.whole, 1, 24)
			add(&r, fragments[0], epoch)
			now := epoch.Add(test.after)
			if _, got := add(&r, fragments[1], now); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
			// A doubt lasts until all that was held then is gone.
			doubt := test.want == byhand.CompleteInDoubt
			if r.Doubtful(now) != doubt || r.Doubtful(now.Add(61*time.Second)) {
				t.Errorf("doubtful: %v, a minute later %v", r.Doubtful(now), r.Doubtful(now.Add(61*time.Second)))
			}
		})
	}
}

// TestRestart forgets one datagram and no other.
func TestRestart(t *testing.T) {
	a, b := bt.Split(ping4(40), 1, 24), bt.Split(ping4(40), 2, 24)
	var r byhand.Reassembler
	add(&r, a[0], epoch)
	add(&r, b[0], epoch)
	var p wire.Packet
	p.Decode(a[0])
	r.Restart(&p)
	if _, got := add(&r, a[1], epoch); got != byhand.Incomplete {
		t.Errorf("restarted: %v", got)
	}
	if _, got := add(&r, b[1], epoch); got != byhand.Complete {
		t.Errorf("the other: %v", got)
	}
}

// TestKeys keeps datagrams apart by addresses, identification and, over IPv4
// alone, protocol.
func TestKeys(t *testing.T) {
	first4, first6 := bt.Split(ping4(40), 1, 24), bt.Split(ping6(40), 1, 24)
	change := func(b []byte, at int) []byte {
		b = slices.Clone(b)
		b[at] ^= 0x10
		if b[0]>>4 == 4 {
			bt.SetHeaderChecksum(b)
		}
		return b
	}
	for _, test := range []struct {
		name      string
		fragments [][]byte
		at        int
		want      byhand.Outcome
	}{
		{"source", first4, 15, byhand.Incomplete},
		{"destination", first4, 19, byhand.Incomplete},
		{"identification", first4, 4, byhand.Incomplete},
		{"protocol", first4, 9, byhand.Incomplete},
		{"time to live", first4, 8, byhand.Complete},
		{"source, IPv6", first6, 23, byhand.Incomplete},
		{"identification, IPv6", first6, 44, byhand.Incomplete},
		{"next header, IPv6", first6, 40, byhand.Complete},
	} {
		var r byhand.Reassembler
		add(&r, test.fragments[0], epoch)
		if _, got := add(&r, change(test.fragments[1], test.at), epoch); got != test.want {
			t.Errorf("other %s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestUnfragmentable: what stands before the fragment header of the first
// fragment stays, and is told what follows (RFC 8200 §4.5).
func TestUnfragmentable(t *testing.T) {
	whole := ping6(100, hopByHop(1, 4, 0, 0, 0, 0), destination(1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), routing(0, 0))
	behind := 40 + 8 + 16 + 8
	for _, fragments := range [][][]byte{
		bt.SplitBehind(whole, behind, 9, 16, 48),
		bt.SplitBehind(whole, 40+8, 9, 64, 80), // the rest of the chain is data
	} {
		slices.Reverse(fragments)
		var r byhand.Reassembler
		var got []byte
		for _, f := range fragments {
			got, _ = add(&r, f, epoch)
		}
		if diff := cmp.Diff(whole, got); diff != "" {
			t.Error(diff)
		}
	}
}
