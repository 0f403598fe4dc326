package hostile

import (
	"bytes"
	"net/netip"
	"testing"

	"netstackd/hooks/wire"
)

func config(seed, part uint64) Config {
	return Config{
		Seed: seed, Part: part, Host4: netip.MustParseAddr("172.16.0.2"), Host6: netip.MustParseAddr("fd00:172::2"),
		Open: []uint16{7, 9, 80},
	}
}

// many makes the packets of n groups, those behind an answered SYN among them.
func many(c Config, n int) (all []Packet) {
	g := New(c)
	for range n {
		group := g.Next()
		all = append(all, group.Packets...)
		if o := group.Opening; o != nil {
			all = append(all, o.Follow(12345)...)
		}
	}
	return all
}

// TestSame: a seed makes the same packets again, and another seed or part others.
func TestSame(t *testing.T) {
	const n = 3000
	first := many(config(7, 1), n)
	for _, test := range []struct {
		c    Config
		same bool
	}{{config(7, 1), true}, {config(8, 1), false}, {config(7, 2), false}} {
		again := many(test.c, n)
		same := len(first) == len(again)
		for i := 0; same && i < len(first); i++ {
			same = bytes.Equal(first[i].Bytes, again[i].Bytes) && first[i].Header == again[i].Header && first[i].Kind == again[i].Kind
		}
		if same != test.same {
			t.Errorf("seed %d part %d: same %v", test.c.Seed, test.c.Part, same)
		}
	}
}

// TestUnanswered: what comes after a SYN that nobody answers is the same as after
// one that is.
func TestUnanswered(t *testing.T) {
	a, b := New(config(1, 1)), New(config(1, 1))
	for range 2000 {
		x, y := a.Next(), b.Next()
		if x.Opening != nil {
			x.Opening.Follow(1)
		}
		if !bytes.Equal(x.Packets[0].Bytes, y.Packets[0].Bytes) {
			t.Fatalf("%x, and %x", x.Packets[0].Bytes, y.Packets[0].Bytes)
		}
	}
}

// TestKinds: each kind is made, right and wrong, none longer than a device takes, and
// the checksums of what is right are right.
func TestKinds(t *testing.T) {
	sound, spoiled := map[Kind]int{}, map[Kind]int{}
	for _, p := range many(config(1, 1), 20_000) {
		if len(p.Bytes) == 0 || len(p.Bytes) > mostPacket {
			t.Fatalf("%s: %d bytes", p.Kind, len(p.Bytes))
		}
		var d wire.Packet
		ok := d.Decode(p.Bytes) && d.Trailing == 0
		for _, c := range d.Checksums(nil) {
			ok = ok && (c.Verdict == wire.OK || p.Kind == Super)
		}
		if ok {
			sound[p.Kind]++
		} else {
			spoiled[p.Kind]++
		}
	}
	for _, k := range Kinds() {
		if sound[k] == 0 && k != Noise || spoiled[k] == 0 {
			t.Errorf("%s: %d sound, %d spoiled", k, sound[k], spoiled[k])
		}
	}
}
