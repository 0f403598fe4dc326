package faults_test

import (
	"bytes"
	"math/bits"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/faults"
	"netstackd/hooks/wire"
)

// FuzzParse: a rule that is taken is taken again as it is written, and means
// the same. One that is not is quoted, in one line.
func FuzzParse(f *testing.F) {
	for _, rule := range refused {
		f.Add(rule)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		r, err := faults.Parse(rule)
		if err != nil {
			if s := err.Error(); strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) ||
				!strings.HasPrefix(s, "parse inject rule ") || !strings.Contains(s, ": want ") ||
				len(rule) <= 120 && !strings.Contains(s, strconv.Quote(rule)) {
				t.Errorf("%q: the error is %q", rule, s)
			}
			return
		}
		if len(r.Faults) == 0 {
			t.Errorf("%q is taken and does nothing", rule)
		}
		again, err := faults.Parse(r.String())
		if err != nil {
			t.Fatalf("%q is written as %q: %v", rule, r, err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Errorf("%q is written as %q (-meant +read):\n%s", rule, r, diff)
		}
		if again.String() != r.String() {
			t.Errorf("%q is written as %q and then as %q", rule, r, again)
		}
	})
}

// FuzzDamage: whatever the packet, a flip changes one bit, and the hand finds a
// wrong checksum in the layer named that was right before; a cut makes the
// packet shorter than it says. What cannot be damaged stays as it is.
func FuzzDamage(f *testing.F) {
	for _, b := range samples() {
		f.Add(b, uint64(1<<40+12345))
	}
	f.Fuzz(func(t *testing.T, b []byte, random uint64) {
		var before wire.Packet
		sound := before.Decode(b)
		got := bytes.Clone(b)
		fault, ok := faults.Flip(got, random)
		if !ok {
			if !bytes.Equal(b, got) {
				t.Errorf("an unfit packet was changed")
			}
		} else {
			checkFlip(t, b, got, fault)
		}
		n, ok := faults.Cut(b, random)
		if ok != (len(before.Bytes) > 1) {
			t.Errorf("cut: %v, of a packet of %d bytes", ok, len(before.Bytes))
		}
		if !ok {
			return
		}
		if n < 1 || n >= len(before.Bytes) {
			t.Errorf("cut to %d bytes, of %d", n, len(before.Bytes))
		}
		var after wire.Packet
		if after.Decode(b[:n]) && sound {
			t.Errorf("cut from %d bytes to %d, and nothing is wrong", len(b), n)
		}
	})
}

// checkFlip wants after to be before with one bit flipped where the fault says,
// in sight of the layer's checksum.
func checkFlip(t *testing.T, before, after []byte, f faults.Fault) {
	t.Helper()
	flipped := 0
	for i := range before {
		flipped += bits.OnesCount8(before[i] ^ after[i])
	}
	if flipped != 1 || before[f.Offset]^after[f.Offset] != 1<<f.Bit {
		t.Errorf("%d bits flipped, bit %d of byte %d is said to be", flipped, f.Bit, f.Offset)
	}
	was, is := verdicts(before), verdicts(after)
	if was[f.Layer] != wire.OK || is[f.Layer] != wire.Bad {
		t.Errorf("bit %d of byte %d: %s was %q and is %q", f.Bit, f.Offset, f.Layer, was[f.Layer], is[f.Layer])
	}
}

// verdicts are the hand's about a packet.
func verdicts(b []byte) map[wire.Layer]wire.Verdict {
	var p wire.Packet
	p.Decode(b)
	m := map[wire.Layer]wire.Verdict{}
	for _, c := range p.Checksums(nil) {
		m[c.Layer] = c.Verdict
	}
	return m
}
