package torture

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"netstackd/cmd/netstackconform/internal/catalogue"
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// TestShort is the short form: a few thousand packets each way, always the same.
func TestShort(t *testing.T) {
	for i, guard := range []string{"on", "strict"} {
		for j, offload := range []bool{true, false} {
			c := Config{Seed: 1, Part: uint64(2*i + j), Packets: 8_000, Guard: guard, Offload: offload}
			t.Run(c.Name(), func(t *testing.T) {
				log, _ := logtest.NewNullLogger()
				o, err := Run(t.Context(), c, log)
				if err != nil {
					t.Error(err)
				}
				for _, wrong := range o.Wrong {
					t.Error(wrong)
				}
				for _, f := range o.Findings {
					t.Errorf("no case lists %d differences: %s: %s\nasked  %s\nsaid   %s\nby hand %s", f.Count, f.Name, f.Detail, f.Request, f.Reply, f.Hand)
				}
				if m := o.Counts.Compare.Match; m < o.Sent/10 {
					t.Errorf("%d matches of %d packets: little was compared", m, o.Sent)
				}
				if len(o.Listed) < 3 || len(o.Kinds) < 12 {
					t.Errorf("only %v of %v", o.Listed, o.Kinds)
				}
			})
		}
	}
}

// TestListed: each difference that is put up with is one that a case of the catalogue
// shows, at which netstack is known to deviate.
func TestListed(t *testing.T) {
	places := map[string]string{}
	for _, c := range catalogue.All() {
		places[c.ID] = c.Place
	}
	seen := map[string]bool{}
	for _, l := range List() {
		if place, ok := places[l.Case]; !ok || place == "" {
			t.Errorf("%s: there is no such case, or netstack passes it", l.Case)
		}
		if seen[l.Case] {
			t.Errorf("%s: twice", l.Case)
		}
		seen[l.Case] = true
	}
	// A difference that says nothing of itself is nobody's.
	if c := listedBy(&Difference{}); c != "" {
		t.Errorf("nothing is listed by %s", c)
	}
}

// TestIgnored: a solicitation that goes without is put down to the one that netstack
// ignores only if one advertisement answers both.
func TestIgnored(t *testing.T) {
	decode := func(n byhandtest.Neighbour, src, dst string) *wire.Packet {
		p := new(wire.Packet)
		p.Decode(n.Packet(src, dst))
		return p
	}
	const many = "ff02::1:ff00:2"
	link := []byte{1, 1, 2, 0, 0, 0, 0, 1}
	bare, named := byhandtest.Neighbour{Target: suite.Host6}, byhandtest.Neighbour{Target: suite.Host6, Options: link}
	for _, test := range []struct {
		name          string
		before, asked *wire.Packet
		want          string
	}{
		{"bare, to many", decode(bare, suite.Near6, many), decode(bare, suite.Near6, suite.Host6), "solicitation-multicast-bare"},
		{"of another's option", decode(byhandtest.Neighbour{Target: suite.Host6, Options: []byte{3, 1, 0, 0, 0, 0, 0, 0}}, suite.Near6, suite.Host6),
			decode(named, suite.Near6, many), "solicitation-option-other"},
		{"that is answered", decode(named, suite.Near6, many), decode(bare, suite.Near6, suite.Host6), ""},
		{"from elsewhere", decode(bare, "fd00:172::77", many), decode(bare, suite.Near6, suite.Host6), ""},
		{"for another", decode(byhandtest.Neighbour{Target: "fd00:172::77"}, suite.Near6, many), decode(bare, suite.Near6, suite.Host6), ""},
	} {
		var i ignored
		i.note(test.before)
		for n := range mostIgnored { // others push nothing out yet
			i.note(decode(bare, fmt.Sprintf("fd00:173::%x:%x", n>>12, n&0xfff), many))
		}
		if got := i.instead(test.asked); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestSettle: what does not add up is told.
func TestSettle(t *testing.T) {
	right := func() *Outcome {
		return &Outcome{Sent: 9, Pings: 1, Counts: Counts{
			In: 10, Out: 2, LinkIn: 10, Fates: map[string]uint64{"delivered": 6, "dropped": 3, "guarded": 1}, FatesOut: map[string]uint64{"sent": 2},
			Drops: map[string]uint64{"bad-option": 3, "guard-reply-too-long": 1}, Kept: 1, Netstack: 9,
		}}
	}
	for i, change := range []func(o *Outcome){
		func(o *Outcome) {},
		func(o *Outcome) { o.Counts.Fates["delivered"]++ },
		func(o *Outcome) { o.Counts.FatesOut["sent"] = 1 },
		func(o *Outcome) { o.Counts.Drops["bad-option"]-- },
		func(o *Outcome) { o.Counts.Netstack-- },
		func(o *Outcome) { o.Counts.LinkIn++ },
		func(o *Outcome) { o.Sent++ },
		func(o *Outcome) { o.Samples, o.After = []Sample{{Goroutines: 10}}, Sample{Goroutines: 20} },
		func(o *Outcome) { o.Samples, o.After = []Sample{{Heap: 1 << 20}}, Sample{Heap: 1 << 30} },
	} {
		o := right()
		change(o)
		o.settle()
		o.accountFor()
		o.flat()
		if o.OK() != (i == 0) || len(o.Wrong) > 1 {
			t.Errorf("change %d: %q", i, fmt.Sprint(o.Wrong))
		}
	}
}

// TestDuplicates: only a fragment with the place of another, and other data, makes its
// sender one who is known for it.
func TestDuplicates(t *testing.T) {
	whole := byhandtest.IPv6{Src: suite.Near6, Dst: suite.Host6}.Packet(byhandtest.Data(64))
	f := byhandtest.Split(whole, 1, 24)
	other := bytes.Clone(f[1])
	other[len(other)-1]++
	sender := netip.MustParseAddr(suite.Near6)
	for _, test := range []struct {
		name      string
		fragments [][]byte
		want      bool
	}{
		{"all of them", f, false},
		{"one again", [][]byte{f[1], f[1], f[0]}, false},
		{"another part", [][]byte{f[1], byhandtest.Split(whole, 1, 32)[1]}, false},
		{"of another datagram", [][]byte{f[1], byhandtest.Split(whole, 2, 24)[1]}, false},
		{"with other data", [][]byte{f[1], other, f[0]}, true},
	} {
		var s duplicates
		for _, b := range test.fragments {
			var p wire.Packet
			p.Decode(b)
			s.note(&p)
		}
		if got := s.of(sender); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestIgnoredPing: so is a ping that is not answered, put down to the same one with bytes
// behind it, which netstack drops.
func TestIgnoredPing(t *testing.T) {
	ping := func(seq uint16) []byte {
		h := byhandtest.IPv6{Src: suite.Near6, Dst: suite.Host6, Extensions: []byhandtest.Extension{{Protocol: 60, Body: []byte{0, 1, 4, 0, 0, 0, 0}}}}
		return h.Packet(byhandtest.Echo{ID: 1, Seq: seq, Data: byhandtest.Data(8)}.Request6(suite.Near6, suite.Host6))
	}
	var i ignored
	for _, b := range [][]byte{append(ping(1), 1, 2, 3), ping(2)} {
		var p wire.Packet
		p.Decode(b)
		i.note(&p)
	}
	for seq, want := range map[uint16]string{1: "v6-trailing-bytes-extension", 2: ""} {
		var p wire.Packet
		p.Decode(ping(seq))
		if got := i.instead(&p); got != want {
			t.Errorf("ping %d: %q, want %q", seq, got, want)
		}
	}
}
