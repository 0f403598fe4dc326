package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// left returns a sample with o, and v in its transport checksum's field.
func left(t testing.TB, name string, o Offload, v uint16) (*Packet, []byte) {
	t.Helper()
	b := slices.Clone(sample(t, name))
	p := decoded(t, b)
	at := p.Payload + 16
	if p.Upper == LayerUDP {
		at = p.Payload + 6
	}
	binary.BigEndian.PutUint16(b[at:], v)
	p = decoded(t, b)
	p.Offload = o
	return p, b
}

func TestPartialVerdict(t *testing.T) {
	partial := Offload{Partial: true}
	for _, test := range []struct {
		name string
		o    Offload
		v    uint16
		want Check
	}{
		{"offloaded", partial, 0x5842, Check{LayerTCP, 36, 0x5842, 0x5842, Partial}},
		{"offloaded", Offload{Partial: true, Validated: true}, 0x5842, Check{LayerTCP, 36, 0x5842, 0x5842, Partial}},
		{"offloaded", Offload{}, 0x5842, Check{LayerTCP, 36, 0x5842, 0xbc99, Bad}},
		// A bit off, complemented, and finished already.
		{"offloaded", partial, 0x5843, Check{LayerTCP, 36, 0x5843, 0x5842, Bad}},
		{"offloaded", partial, ^uint16(0x5842), Check{LayerTCP, 36, 0xa7bd, 0x5842, Bad}},
		{"offloaded", partial, 0xbc99, Check{LayerTCP, 36, 0xbc99, 0x5842, Bad}},
		// Who vouches does not make it right.
		{"offloaded", Offload{Validated: true}, 0x5842, Check{LayerTCP, 36, 0x5842, 0xbc99, Bad}},
		{"offloaded", Offload{Validated: true}, 0xbc99, Check{LayerTCP, 36, 0xbc99, 0xbc99, OK}},
		// Of UDP 0 is neither absent nor right.
		{"udp-no-checksum", partial, 0, Check{LayerUDP, 26, 0, partialSum(t, "udp-no-checksum"), Bad}},
		{"udp-no-checksum", partial, partialSum(t, "udp-no-checksum"),
			Check{LayerUDP, 26, partialSum(t, "udp-no-checksum"), partialSum(t, "udp-no-checksum"), Partial}},
		{"udp6", partial, partialSum(t, "udp6"), Check{LayerUDP, 46, partialSum(t, "udp6"), partialSum(t, "udp6"), Partial}},
		{"routing6", partial, partialSum(t, "routing6"), Check{LayerUDP, 70, partialSum(t, "routing6"), partialSum(t, "routing6"), Partial}},
	} {
		t.Run(fmt.Sprintf("%s %+v %#04x", test.name, test.o, test.v), func(t *testing.T) {
			p, _ := left(t, test.name, test.o, test.v)
			checks := p.Checksums(nil)
			if diff := cmp.Diff(test.want, checks[len(checks)-1]); diff != "" {
				t.Errorf("Checksums (-want +got):\n%s", diff)
			}
		})
	}
}

// partialSum is what the field of a sample holds whose checksum is left to
// hardware, added up word by word.
func partialSum(t testing.TB, name string) uint16 {
	t.Helper()
	p := decoded(t, sample(t, name))
	n := len(p.Data())
	if p.Upper == LayerUDP {
		n = p.UDP.Length
	}
	pseudo := append(p.Src.AsSlice(), p.FinalDst().AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(n))
	return naiveSum(append(pseudo, 0, 0, 0, p.Protocol), 0)
}

// TestPartialOfOthers: the mark means nothing where there is no whole TCP or UDP
// header's checksum.
func TestPartialOfOthers(t *testing.T) {
	for _, name := range []string{"echo-request", "echo6-request", "fragment-first", "fragment6-first", "esp", "bad-option", "truncated"} {
		var p Packet
		p.Decode(sample(t, name))
		want := p.Checksums(nil)
		p.Offload = Offload{Partial: true, SegmentSize: 1}
		if diff := cmp.Diff(want, p.Checksums(nil)); diff != "" {
			t.Errorf("%s (-unmarked +marked):\n%s", name, diff)
		}
		if n := p.Segments(); n != 1 {
			t.Errorf("%s: %d segments", name, n)
		}
	}
}

// TestComplete: what offload makes of a partial checksum is right for the whole
// packet, of any sample.
func TestComplete(t *testing.T) {
	judged := 0
	for name, b := range samples(t) {
		p := new(Packet)
		if !p.Decode(b) || p.Upper != LayerTCP && p.Upper != LayerUDP || p.check(p.Upper) == nil {
			continue
		}
		p, b = left(t, name, Offload{Partial: true}, partialSum(t, name))
		c := p.check(p.Upper)
		if c.Verdict != Partial {
			t.Errorf("%s: %+v", name, c)
			continue
		}
		binary.BigEndian.PutUint16(b[c.Offset:], p.Complete(*c))
		if c := decoded(t, b).check(p.Upper); c.Verdict != OK || c.Seen != c.Hand {
			t.Errorf("%s: completed, %+v", name, c)
		}
		judged++
	}
	if judged < 10 {
		t.Errorf("only %d packets were completed", judged)
	}
}

// super is a segment of n bytes of data to be cut into pieces of 1,448.
func super(t testing.TB, n int) (*Packet, []byte) {
	t.Helper()
	b := slices.Clone(sample(t, "offloaded"))[:40]
	for i := range n {
		b = append(b, byte(i*7))
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], ^naiveSum(b[:20], 0))
	pseudo := append(append([]byte(nil), b[12:20]...), 0, 6)
	binary.BigEndian.PutUint16(b[36:], naiveSum(binary.BigEndian.AppendUint16(pseudo, uint16(len(b)-20)), 0))
	p := decoded(t, b)
	p.Offload = Offload{Partial: true, SegmentSize: 1448}
	return p, b
}

func TestSegments(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 1, 1448: 1, 1449: 2, 2896: 2, 2897: 3, 65495: 46} {
		p, _ := super(t, n)
		if got := p.Segments(); got != want {
			t.Errorf("%d bytes are %d segments, want %d", n, got, want)
		}
		if c := p.check(LayerTCP); c.Verdict != Partial {
			t.Errorf("%d bytes: %+v", n, c)
		}
	}
}

func TestExplainOffloadedGolden(t *testing.T) {
	tcp, udp := Offload{Partial: true}, partialSum(t, "udp6")
	_, small := super(t, 100)
	_, large := super(t, 65495)
	of := func(name string, v uint16) []byte { _, b := left(t, name, tcp, v); return b }
	for _, test := range []struct {
		name string
		b    []byte
		o    Offload
	}{
		{"partial", sample(t, "offloaded"), tcp},
		{"partial-udp6", of("udp6", udp), tcp},
		{"partial-zero", of("udp-no-checksum", 0), tcp},
		{"partial-finished", of("offloaded", 0xbc99), tcp},
		{"partial-short", small, tcp},
		{"super-segment", large, Offload{Partial: true, SegmentSize: 1448}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := ExplainOffloaded(&out, test.b, test.o); err != nil {
				t.Fatal(err)
			}
			if out.Len() > 32<<10 {
				t.Errorf("%d bytes of explanation", out.Len())
			}
			golden(t, "explain/"+test.name+".txt", out.Bytes())
		})
	}
}

// checkOffloaded holds ExplainOffloaded, and what it rests on, to what is true of
// all bytes.
func checkOffloaded(t *testing.T, b []byte) {
	t.Helper()
	for _, o := range []Offload{{Partial: true}, {Partial: true, Validated: true, SegmentSize: 1}, {SegmentSize: 1448}} {
		var out bytes.Buffer
		if err := ExplainOffloaded(&out, b, o); err != nil {
			t.Fatal(err)
		}
		if limit := min(256<<10, 16<<10+512*len(b)); out.Len() > limit {
			t.Fatalf("%d bytes make a page of %d, over %d", len(b), out.Len(), limit)
		}
		var p Packet
		p.Decode(b)
		p.Offload = o
		for _, c := range p.Checksums(nil) {
			if c.Verdict == Partial && !o.Partial {
				t.Fatalf("partial without the mark: %+v", c)
			}
			conclusion := fmt.Sprintf("\n  %s: by hand 0x%04x, in the packet 0x%04x: %s\n", checksumName(c.Layer), c.Hand, c.Seen, c.Verdict)
			if !strings.Contains(out.String(), conclusion) {
				t.Fatalf("the page lacks %q", conclusion)
			}
		}
	}
}

// TestDecodeHead: the headers alone tell all but the data: of every sound TCP
// sample, cut anywhere behind its headers.
func TestDecodeHead(t *testing.T) {
	cuts := 0
	for name, b := range samples(t) {
		var whole Packet
		if !whole.Decode(b) || whole.Upper != LayerTCP || whole.Fragment.IsFragment() {
			continue
		}
		whole.Offload = Offload{Partial: true, SegmentSize: 3}
		for n := whole.Payload + whole.TCP.DataOffset; n <= len(b); n++ {
			var p Packet
			if !p.DecodeHead(b[:n], len(b)-n) {
				t.Fatalf("%s, %d bytes: %v", name, n, p.Problem)
			}
			p.Offload = whole.Offload
			if got, want := len(p.Bytes)+p.Missing, len(whole.Bytes); got != want {
				t.Errorf("%s, %d bytes: %d in all, want %d", name, n, got, want)
			}
			if p.DataLen() != whole.DataLen() || p.DataLen() != len(whole.Data()) || p.Segments() != whole.Segments() {
				t.Errorf("%s, %d bytes: data %d, segments %d, want %d, %d", name, n, p.DataLen(), p.Segments(), len(whole.Data()), whole.Segments())
			}
			if diff := cmp.Diff(whole.Checksums(nil), p.Checksums(nil)); diff != "" {
				t.Errorf("%s, %d bytes (-want +got):\n%s", name, n, diff)
			}
			p.Bytes, p.Missing = whole.Bytes, 0
			if diff := cmp.Diff(whole, p, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("%s, %d bytes (-want +got):\n%s", name, n, diff)
			}
			cuts++
		}
	}
	if cuts < 100 {
		t.Errorf("only %d cuts", cuts)
	}
	// What is said to be there counts, and what is not there is missed.
	b := sample(t, "tcp-data")
	var p Packet
	if p.DecodeHead(b[:40], len(b)-41); p.Problem.Reason != ReasonTruncated || p.Problem.Limit != len(b)-1 {
		t.Errorf("one byte short: %v", p.Problem)
	}
	if !p.DecodeHead(b[:60], len(b)-50) || p.Trailing != 10 || p.DataLen() != len(b)-20 {
		t.Errorf("ten bytes more: %v, trailing %d, data %d", p.Problem, p.Trailing, p.DataLen())
	}
	if p.DecodeHead(b[:30], len(b)-30) {
		t.Error("half a header is no problem")
	}
}
