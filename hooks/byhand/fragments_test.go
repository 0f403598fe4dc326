package byhand_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
)

// TestFragmentedRequest: a request in fragments is judged when it is whole,
// and answered as if it had come whole, but for the flags and identification
// of the header, which reassembly sets.
func TestFragmentedRequest(t *testing.T) {
	for _, n := range []int{25, 1473, 4000, 65507} {
		for _, whole := range [][]byte{ping4(n), ping6(n)} {
			h := newHost()
			fragments := bt.Split(whole, 77, bt.Every(1480, n+8)...)
			if len(fragments) == 1 {
				fragments = bt.Split(whole, 77, 16)
			}
			for i, f := range fragments {
				got := inbound(h, f, epoch)
				if i < len(fragments)-1 {
					if verdictOf(got) != held {
						t.Fatalf("fragment %d: %v", i, verdictOf(got))
					}
					continue
				}
				if verdictOf(got) != must || !got.Reassembled || got.Form != byhand.EchoReply || got.Doubt || !bytes.Equal(got.Request.Bytes, whole) {
					t.Errorf("%d bytes: %v", n, verdictOf(got))
				}
				if want := inbound(newHost(), whole, epoch); !bytes.Equal(want.Reply, got.Reply) {
					t.Errorf("%d bytes: another reply than to the whole request", n)
				}
			}
		}
	}
}

// TestFragmentVerdicts has what a host says of fragments before, or instead
// of, a whole datagram.
func TestFragmentVerdicts(t *testing.T) {
	spoiled4 := bt.IPv4{Src: peer4, Dst: host4}.Packet(bt.Echo{Spoil: 1, Data: bt.Data(40)}.Request4())
	unknown := byhand.ReasonUnknownIPv6Option
	badOption := destination(0x5e, 4, 0, 0, 0, 0)
	goodOption := destination(1, 4, 0, 0, 0, 0)
	withBad, withGood := ping6(40, badOption), ping6(40, goodOption)
	odd := bt.Split(ping4(40), 1, 24)[0]
	odd = odd[:len(odd)-1]
	binary.BigEndian.PutUint16(odd[2:], uint16(len(odd)))
	bt.SetHeaderChecksum(odd)
	for _, test := range []struct {
		name      string
		fragments [][]byte
		want      []verdict
	}{
		{"spoiled checksum", bt.Split(spoiled4, 1, 24), []verdict{held, silence(byhand.ReasonBadICMPChecksum)}},
		{"overlap", [][]byte{piece4(0, 16, true), piece4(8, 16, true)}, []verdict{held, silence(byhand.ReasonFragmentOverlap)}},
		{"overlap, IPv6", [][]byte{piece6(0, 16, true), piece6(8, 16, true)}, []verdict{held, silence(byhand.ReasonFragmentOverlap)}},
		{"congestion, and not ECN-capable", [][]byte{piece4(0, 16, true), marked(piece4(16, 16, false), 3)},
			[]verdict{held, silence(byhand.ReasonFragmentCongestion)}},
		{"congestion, and not ECN-capable, IPv6", [][]byte{marked(piece6(0, 16, true), 3), piece6(16, 16, false)},
			[]verdict{held, silence(byhand.ReasonFragmentCongestion)}},
		{"too long", [][]byte{piece4(65528, 16, false)}, []verdict{silence(byhand.ReasonReassemblyTooLong)}},
		{"too long, IPv6", [][]byte{piece6(65528, 16, false)}, []verdict{free(byhand.ReasonReassemblyTooLong)}},
		{"empty", [][]byte{piece4(8, 0, false)}, []verdict{silence("bad-fragment")}},
		{"not a multiple of 8", [][]byte{odd}, []verdict{silence("bad-fragment")}},
		{"to another host", bt.Split(request4(peer4, "172.16.0.3"), 1, 24), []verdict{silence(byhand.ReasonNotOurs), silence(byhand.ReasonNotOurs)}},
		{"bad option before the fragment header", bt.SplitBehind(withBad, 48, 1, 24), []verdict{silence(unknown), silence(unknown)}},
		{"bad option in a later fragment's", [][]byte{
			bt.SplitBehind(withGood, 48, 1, 24)[0], bt.SplitBehind(withBad, 48, 1, 24)[1], bt.SplitBehind(withGood, 48, 1, 24)[1],
		}, []verdict{held, silence(unknown), must}},
		{"good option behind the fragment header", bt.Split(withGood, 1, 24), []verdict{held, must}},
		{"bad option behind the fragment header", bt.Split(withBad, 1, 24), []verdict{silence(unknown), held}},
		{"hop-by-hop behind the fragment header", bt.Split(ping6(40, hopByHop(1, 4, 0, 0, 0, 0)), 1, 24),
			[]verdict{free(byhand.ReasonMisplacedExtension), held}},
		// It may be an error of which the type is not there.
		{"upper layer's header in the second", bt.Split(withGood, 1, 8),
			[]verdict{free(byhand.ReasonHeaderChainCut), silence(byhand.ReasonHeaderChainCut)}},
		{"upper layer's header in the second, backwards", backwards(bt.Split(withGood, 1, 8)),
			[]verdict{held, free(byhand.ReasonHeaderChainCut)}},
		{"a part of TCP's header in the first", bt.Split(bt.TCP{SrcPort: 5, DstPort: 6, Flags: bt.Syn}.Packet(peer6, host6), 1, 16),
			[]verdict{due(byhand.ReasonHeaderChainCut), silence(byhand.ReasonHeaderChainCut)}},
		{"congestion where there is doubt", [][]byte{
			bt.Split(ping6(40, atomic()), 2, 24)[0], marked(piece4(0, 16, true), 3), piece4(16, 16, false),
		}, []verdict{held, held, silence(byhand.ReasonFragmentCongestion)}},
		{"options in a later fragment", [][]byte{
			bt.Split(ping4(40), 1, 24)[0], bt.Split(bt.IPv4{Src: peer4, Dst: host4, Options: []byte{1, 1, 1, 1}}.Packet(ping4(40)[20:]), 1, 24)[1],
		}, []verdict{held, may}},
		{"a fragment within a fragment", bt.Split(ping6(40, atomic()), 1, 24), []verdict{held, held}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost()
			for i, f := range test.fragments {
				if got := verdictOf(inbound(h, f, epoch)); got != test.want[i] {
					t.Errorf("fragment %d: %v, want %v", i, got, test.want[i])
				}
			}
		})
	}
}

// TestHostileFragments: neither time nor memory grows with what an enemy
// sends, and doubt is admitted where a smaller host may have forgotten.
func TestHostileFragments(t *testing.T) {
	const n = 100_000
	for name, fragment := range map[string]func(i int) []byte{
		"many datagrams": func(i int) []byte { return hostile(i, uint32(i), 8, 8, true) },
		"large pieces":   func(i int) []byte { return hostile(i, uint32(i), 8, 1200, true) },
		"one datagram, backwards": func(i int) []byte {
			return hostile(0, uint32(i/8000), 8*(8000-i%8000), 8, true)
		},
		"nothing but overlaps": func(i int) []byte { return hostile(0, uint32(i/2), 8*(i%2), 16, true) },
		"whole ones behind an old one": func(i int) []byte {
			return hostile(0, uint32((i+1)/2), 8*(i%2), 8, i%2 == 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost()
			start := time.Now()
			for i := range n {
				inbound(h, fragment(i), epoch.Add(time.Duration(i)*10*time.Microsecond))
			}
			if spent := time.Since(start); spent > 20*time.Second {
				t.Errorf("took %v", spent)
			}
			held, pending, order := h.Bounds()
			if held > 16<<20 || pending > 8192 || order != pending {
				t.Errorf("%d bytes in %d datagrams, %d in the order", held, pending, order)
			}
		})
	}
}

// hostile is an IPv4 fragment from one of many sources.
func hostile(source int, id uint32, offset, n int, more bool) []byte {
	header := ping4(0)[:20]
	header[13] = byte(source >> 8)
	header[14] = byte(source)
	header[15] = 1
	return bt.Fragment(header, bt.Data(n), id, offset, more)
}

// TestPressure: a host with smaller buffers may not answer, and is not blamed.
func TestPressure(t *testing.T) {
	h := newHost()
	whole := bt.Split(ping4(40), 9, 24)
	for i := range 3000 {
		inbound(h, hostile(i, uint32(i), 8, 1000, true), epoch)
	}
	if !h.Doubts(epoch) {
		t.Fatal("no doubt")
	}
	inbound(h, whole[0], epoch)
	got := inbound(h, whole[1], epoch)
	if verdictOf(got) != may || !got.Doubt {
		t.Errorf("%v, doubt %v", verdictOf(got), got.Doubt)
	}
	later := epoch.Add(2 * time.Minute)
	inbound(h, whole[0], later)
	if got := inbound(h, whole[1], later); verdictOf(got) != must || got.Doubt || h.Doubts(later) {
		t.Errorf("two minutes later: %v, doubt %v", verdictOf(got), got.Doubt)
	}
}

// TestNothingKept: what is answered leaves nothing behind, even while an older
// datagram waits for a fragment that was lost.
func TestNothingKept(t *testing.T) {
	h := newHost()
	lost := bt.Split(ping4(1000), 1, 504)[0]
	inbound(h, lost, epoch)
	before, _, _ := h.Bounds()
	for i := range 1000 {
		for _, f := range bt.Split(ping4(10000), uint32(2+i), bt.Every(1480, 10008)...) {
			inbound(h, f, epoch)
		}
	}
	if held, pending, order := h.Bounds(); held != before || pending != 1 || order != 1 {
		t.Errorf("%d bytes in %d datagrams, %d in the order; %d bytes before", held, pending, order, before)
	}
}

// TestBorrowed: the host keeps nothing of the packet's bytes.
func TestBorrowed(t *testing.T) {
	h := newHost()
	fragments := bt.Split(ping4(40), 77, 24)
	want := inbound(newHost(), ping4(40), epoch).Reply
	first := slices.Clone(fragments[0])
	inbound(h, first, epoch)
	clear(first)
	if got := inbound(h, fragments[1], epoch).Reply; !bytes.Equal(got, want) {
		t.Error("the reply changed with the fragment's bytes")
	}
}

// TestHeadersCount: what is kept of a first fragment's headers counts, too.
func TestHeadersCount(t *testing.T) {
	padding := destination(append([]byte{1, 252}, make([]byte, 252)...)...)
	whole := ping6(40, padding, padding, padding, padding)
	behind := 40 + 4*256
	h := newHost()
	for i := range 100 {
		inbound(h, bt.SplitBehind(whole, behind, uint32(i), 24)[0], epoch)
	}
	if held, pending, _ := h.Bounds(); pending != 100 || held < 100*(behind+24) {
		t.Errorf("%d datagrams with headers of %d bytes count for %d", pending, behind, held)
	}
}

func backwards(fragments [][]byte) [][]byte {
	slices.Reverse(fragments)
	return fragments
}

// TestExpire: what waits too long is forgotten without another fragment, and not
// before.
func TestExpire(t *testing.T) {
	h := newHost()
	inbound(h, bt.Split(ping4(1000), 1, 504)[0], epoch)
	inbound(h, bt.Split(ping6(1000), 1, 504)[0], epoch.Add(time.Second))
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{60 * time.Second, 2}, {61 * time.Second, 1}, {62 * time.Second, 0}} {
		h.Expire(epoch.Add(tt.after))
		held, pending, order := h.Bounds()
		if pending != tt.want || order != tt.want || (held == 0) != (tt.want == 0) {
			t.Errorf("after %v: %d bytes of %d datagrams, want %d", tt.after, held, pending, tt.want)
		}
	}
}
