package wire

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// naiveSum is RFC 1071 §4.1 word by word, with nothing clever in it.
func naiveSum(data []byte, initial uint16) uint16 {
	sum := uint32(initial)
	for i, b := range data {
		if i%2 == 0 {
			sum += uint32(b) << 8
		} else {
			sum += uint32(b)
		}
		if sum > 0xffff {
			sum -= 0xffff
		}
	}
	return uint16(sum)
}

func TestSumAgainstNaive(t *testing.T) {
	const longest, alignments = 4096, 8
	rng := rand.New(rand.NewPCG(1071, 1624))
	random := make([]byte, longest+alignments)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	ones := make([]byte, longest+alignments)
	for i := range ones {
		ones[i] = 0xff
	}
	for name, buf := range map[string][]byte{"random": random, "ones": ones} {
		for alignment := range alignments {
			b := buf[alignment:]
			// want grows with the length instead of being computed anew.
			for _, initial := range []uint16{0, 0xfffe} {
				even := uint32(initial)
				for n := 0; n <= longest; n++ {
					want := even
					if n%2 == 1 {
						want = end(even + uint32(b[n-1])<<8)
					} else if n > 0 {
						even = end(even + uint32(binary.BigEndian.Uint16(b[n-2:])))
						want = even
					}
					if got := Sum(b[:n], initial); got != uint16(want) {
						t.Fatalf("%s: Sum of %d bytes at alignment %d from %#04x = %#04x, want %#04x", name, n, alignment, initial, got, want)
					}
				}
			}
		}
	}
}

// end brings a carry round.
func end(sum uint32) uint32 {
	if sum > 0xffff {
		sum -= 0xffff
	}
	return sum
}

func TestSumCarriesOfSuccessiveWords(t *testing.T) {
	// The carry out of the last 64-bit addition, and the one that folding it
	// in makes again.
	for _, n := range []int{8, 16, 56, 64, 72, 128} {
		b := make([]byte, n)
		for i := range b {
			b[i] = 0xff
		}
		if got := Sum(b, 0xffff); got != 0xffff {
			t.Errorf("Sum of %d bytes ff from ffff = %#04x, want 0xffff", n, got)
		}
		b[n-1] = 0
		if got, want := Sum(b, 1), naiveSum(b, 1); got != want {
			t.Errorf("Sum of %d bytes = %#04x, want %#04x", n, got, want)
		}
	}
}

func TestSumOfRFC1071(t *testing.T) {
	// RFC 1071 §3, numerical examples.
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := Sum(b, 0); got != 0xddf2 {
		t.Errorf("Sum = %#04x, want 0xddf2", got)
	}
	if got := Checksum(b); got != 0x220d {
		t.Errorf("Checksum = %#04x, want 0x220d", got)
	}
}

func TestPseudoHeader(t *testing.T) {
	for _, test := range []struct {
		src, dst string
		protocol uint8
		length   int
		bytes    []byte
	}{
		{"172.16.0.1", "172.16.0.2", 6, 40, []byte{172, 16, 0, 1, 172, 16, 0, 2, 0, 6, 0, 40}},
		{"255.255.255.255", "0.0.0.0", 17, 65515, []byte{255, 255, 255, 255, 0, 0, 0, 0, 0, 17, 0xff, 0xeb}},
		{
			"fd00:172::1", "ff02::1:ff00:2", 58, 0x12345,
			[]byte{
				0xfd, 0, 1, 0x72, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
				0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2,
				0, 1, 0x23, 0x45, 0, 0, 0, 58,
			},
		},
	} {
		got := PseudoHeader(netip.MustParseAddr(test.src), netip.MustParseAddr(test.dst), test.protocol, test.length)
		if want := naiveSum(test.bytes, 0); got != want {
			t.Errorf("PseudoHeader(%s, %s, %d, %d) = %#04x, want %#04x", test.src, test.dst, test.protocol, test.length, got, want)
		}
	}
}

func FuzzSum(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, initial, split uint16) {
		want := naiveSum(data, initial)
		if got := Sum(data, initial); got != want {
			t.Fatalf("Sum = %#04x, want %#04x", got, want)
		}
		at := min(int(split)&^1, len(data)&^1)
		if got := Sum(data[at:], Sum(data[:at], initial)); got != want {
			t.Fatalf("Sum chained at %d = %#04x, want %#04x", at, got, want)
		}
		// The order of the summands makes no difference (RFC 1071 §2 (A)).
		if got := Sum(data[:at], Sum(data[at:], initial)); got != want {
			t.Fatalf("Sum of swapped halves at %d = %#04x, want %#04x", at, got, want)
		}
		if len(data)%2 == 0 {
			// A message with its checksum behind it sums to all ones, unless
			// it is nothing but zeros, whose other zero that is as well.
			c := Checksum(data)
			if got := Sum(data, c); got != 0xffff {
				t.Fatalf("Sum with the checksum = %#04x, want 0xffff", got)
			}
		}
	})
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{20, 64, 1500, 65535} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(i)
			}
			b.SetBytes(int64(n))
			b.ReportAllocs()
			sum := uint16(0)
			for b.Loop() {
				sum = Sum(data, sum)
			}
		})
	}
}
