package compare_test

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/guard"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// A judged netstack is a real one with guard and Comparer in front.
type judged struct {
	*comparetest.Netstack
	comparer *compare.Comparer
	rec      *recorder
	ledger   *hooks.Ledger
}

func newJudged(t *testing.T) *judged {
	t.Helper()
	j := &judged{rec: &recorder{}}
	j.ledger = hooks.NewLedger(hooks.DropReasons(), guard.DropReasons(), byhand.DropReasons())
	j.comparer = compare.New(compare.Config{
		Host: byhand.New(addrs), Ledger: j.ledger, Tracer: j.rec, Responder: "netstack",
	})
	var err error
	if j.Netstack, err = comparetest.New(j.ledger, addrs, guard.New(guard.Config{}), j.comparer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j
}

// ping sends the packets of one request and throws netstack's answer away: the
// Comparer has seen it.
func (j *judged) ping(packets ...[]byte) {
	for _, p := range packets {
		j.Inbound(p)
	}
	j.Outbound()
}

// settle ends the comparison, and checks that every packet has one fate.
func (j *judged) settle(t *testing.T) compare.Counts {
	t.Helper()
	j.comparer.Close()
	var totals hooks.Totals
	var in, out, drops uint64
	// netstack sends again what was not acknowledged: a packet that is on its way
	// just now has its fate in a moment.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		totals, in, out = j.ledger.Totals(), 0, 0
		for _, n := range totals.InFates {
			in += n
		}
		for _, n := range totals.OutFates {
			out += n
		}
		if in == totals.In && out == totals.Out || time.Now().After(deadline) {
			break
		}
	}
	for _, n := range totals.Drops {
		drops += n
	}
	if in != totals.In || out != totals.Out {
		t.Errorf("%d packets in have %d fates, %d out have %d", totals.In, in, totals.Out, out)
	}
	if dropped := totals.InFates[hooks.Dropped] + totals.InFates[hooks.Guarded]; drops != dropped {
		t.Errorf("%d dropped for %d reasons", dropped, drops)
	}
	if n := totals.Drops[hooks.ReasonUnknown]; n != 0 {
		t.Errorf("%d drops without a documented reason", n)
	}
	return j.comparer.Counts()
}

// complain shows what was reported beside matches.
func complain(t *testing.T, events []any) {
	t.Helper()
	shown := 0
	for _, c := range comparisons(events) {
		if c.Result != trace.Match && shown < 5 {
			t.Errorf("%+v", c)
			shown++
		}
	}
}

// TestMixedPings: netstack answers whatever ping sends as the RFCs want it,
// and no report says otherwise.
func TestMixedPings(t *testing.T) {
	j := newJudged(t)
	rnd := rand.New(rand.NewSource(1))
	sizes := []int{0, 1, 7, 8, 55, 56, 1472, 1473, 1480, 4000, 65507}
	options := map[string][]byte{
		"none": nil, "ping -R": append([]byte{1, 7, 39, 4}, make([]byte, 36)...),
		"ping -R, full":       append([]byte{1, 7, 39, 40}, make([]byte, 36)...),
		"ping -T tsonly":      append([]byte{68, 36, 5, 0}, make([]byte, 32)...),
		"ping -T tsandaddr":   append([]byte{68, 36, 5, 1}, make([]byte, 32)...),
		"ping -T tsprespec":   {68, 12, 5, 3, 172, 16, 0, 2, 0, 0, 0, 0},
		"ping -T tsprespec b": {68, 12, 5, 3, 172, 16, 0, 9, 0, 0, 0, 0},
	}
	var names []string
	for name := range options {
		names = append(names, name)
	}
	slices.Sort(names)
	const pings = 2000
	for i := range pings {
		e := bt.Echo{ID: uint16(rnd.Intn(3)), Seq: uint16(i), Data: bt.Data(sizes[rnd.Intn(len(sizes))])}
		if rnd.Intn(10) > 0 {
			e.Data = bt.Data(rnd.Intn(1400))
		}
		var whole []byte
		dst, room := host4, comparetest.MTU-20
		if rnd.Intn(2) == 0 {
			ip := bt.IPv4{Src: peer4, Dst: host4, ID: uint16(i), TOS: uint8(rnd.Intn(256)), DF: rnd.Intn(2) == 0, TTL: uint8(rnd.Intn(256))}
			if rnd.Intn(20) == 0 {
				ip.Dst = []string{"172.16.0.255", "255.255.255.255", "224.0.0.1"}[rnd.Intn(3)]
			}
			if len(e.Data) < 1400 {
				ip.Options = options[names[rnd.Intn(len(names))]]
			}
			dst, whole = ip.Dst, ip.Packet(e.Request4())
		} else {
			ip := bt.IPv6{Src: peer6, Dst: host6, TrafficClass: uint8(rnd.Intn(256)), FlowLabel: uint32(rnd.Intn(1 << 20))}
			if rnd.Intn(20) == 0 {
				ip.Dst = "ff02::1"
			}
			dst, whole, room = ip.Dst, ip.Packet(e.Request6(peer6, ip.Dst)), comparetest.MTU-48
		}
		packets := [][]byte{whole}
		if len(e.Data) > 1400 {
			packets = bt.Split(whole, uint32(i), bt.Every(room&^7, len(e.Data)+8)...)
			if rnd.Intn(2) == 0 {
				rnd.Shuffle(len(packets), func(a, b int) { packets[a], packets[b] = packets[b], packets[a] })
			}
			if rnd.Intn(2) == 0 {
				// Each twice, but for the last, which would begin anew.
				last := len(packets) - 1
				packets = append(slices.Clone(packets[:last]), packets...)
			}
		}
		j.ping(packets...)
		if rnd.Intn(20) == 0 && dst == host4 {
			j.ping(packets...) // the whole of it again
		}
	}
	got := j.settle(t)
	complain(t, j.rec.take())
	if got.Match < pings || got.Differ+got.Missing+got.Unexpected+got.Unjudged > 0 {
		t.Errorf("%+v", got)
	}
}

// TestLostFragments: a flood of large pings that loses fragments, with
// identifications that come round while the rest of their last use is still
// there, makes no report but matches.
func TestLostFragments(t *testing.T) {
	for name, data := range map[string]func(i int) []byte{
		"pattern of ping": func(i int) []byte {
			b := bt.Data(4000)
			binary.BigEndian.PutUint64(b, uint64(i)) // the time it was sent
			return b
		},
		"other data each": func(i int) []byte { return bt.Data(4000 + i)[i:] },
	} {
		for _, lose := range []int{20, 200} {
			t.Run(fmt.Sprintf("%s, 1 of %d", name, lose), func(t *testing.T) {
				j := newJudged(t)
				rnd := rand.New(rand.NewSource(2))
				lost := 0
				for i := range 1000 {
					e := bt.Echo{ID: 1, Seq: uint16(i), Data: data(i)}
					packets := bt.Split(request4(e), uint32(i%100), bt.Every(1480, 4008)...)
					if i%2 == 0 {
						packets = bt.Split(request6(e), uint32(i), bt.Every(1448, 4008)...)
					}
					packets = slices.DeleteFunc(packets, func([]byte) bool {
						gone := rnd.Intn(lose) == 0
						if gone {
							lost++
						}
						return gone
					})
					j.ping(packets...)
				}
				got := j.settle(t)
				complain(t, j.rec.take())
				if got.Differ+got.Missing+got.Unexpected > 0 || got.Match == 0 || lost == 0 {
					t.Errorf("%d fragments lost: %+v", lost, got)
				}
			})
		}
	}
}

// TestSpoiled: netstack is silent where the hand says that it must be.
func TestSpoiled(t *testing.T) {
	j := newJudged(t)
	spoiled := bt.Echo{ID: 1, Spoil: 1, Data: bt.Data(100)}
	j.ping(request4(spoiled))
	j.ping(request6(spoiled))
	j.ping(bt.Split(request4(spoiled), 5, 64)...)
	j.ping(bt.IPv4{Src: peer4, Dst: "172.16.0.3"}.Packet(echo.Request4()))
	j.ping(bt.IPv4{Src: "127.0.0.1", Dst: host4}.Packet(echo.Request4()))
	j.ping(bt.IPv6{Src: "ff02::9", Dst: host6}.Packet(echo.Request6("ff02::9", host6)))
	got := j.settle(t)
	complain(t, j.rec.take())
	if diff := cmp.Diff(compare.Counts{Match: 6}, got); diff != "" {
		t.Error(diff)
	}
	want := map[string]uint64{byhand.ReasonBadICMPChecksum: 3, byhand.ReasonNotOurs: 1, byhand.ReasonMartianSource: 2}
	if diff := cmp.Diff(want, j.ledger.Totals().Drops); diff != "" {
		t.Error(diff)
	}
}

// TestDeviations has netstack's known deviations from the RFCs about echo, and
// how they are reported. A case that fails may well be one that was mended.
func TestDeviations(t *testing.T) {
	option4 := func(options ...byte) []byte {
		return bt.IPv4{Src: peer4, Dst: host4, Options: options}.Packet(echo.Request4())
	}
	padding := bt.Extension{Protocol: wire.ProtocolDestination, Body: []byte{0, 1, 4, 0, 0, 0, 0}}
	extended := bt.IPv6{Src: peer6, Dst: host6, Extensions: []bt.Extension{padding}}.Packet(echo.Request6(peer6, host6))
	hop := padding
	hop.Protocol = wire.ProtocolHopByHop
	hopped := bt.IPv6{Src: peer6, Dst: host6, Extensions: []bt.Extension{hop}}.Packet(echo.Request6(peer6, host6))
	conflict := bt.Split(request6(echo), 5, 16)
	other := slices.Clone(conflict[0])
	other[len(other)-1] ^= 1
	for _, test := range []struct {
		name    string
		packets [][]byte
		result  trace.Result
		fields  []string
	}{
		{"reserved flag comes back (RFC 791 §3.1)",
			[][]byte{bt.IPv4{Src: peer4, Dst: host4, Reserved: true}.Packet(echo.Request4())}, trace.Differ, []string{"reserved flag"}},
		{"source route is not reversed (RFC 1122 §3.2.2.6)",
			[][]byte{option4(131, 7, 8, 10, 0, 0, 1, 0)}, trace.Differ, []string{"loose source route option", "destination"}},
		{"router alert with a value (RFC 2113 §2.1)", [][]byte{option4(148, 4, 0, 1)}, trace.Differ, []string{"message"}},
		{"an unknown option twice (RFC 1122 §3.2.1.8)", [][]byte{option4(94, 4, 0, 0, 94, 4, 0, 0)}, trace.Differ, []string{"message"}},
		{"from 0.0.0.0 (RFC 1122 §3.2.1.3)",
			[][]byte{bt.IPv4{Src: "0.0.0.0", Dst: host4}.Packet(echo.Request4())}, trace.Unexpected, nil},
		{"from :: (RFC 4291 §2.5.2)",
			[][]byte{bt.IPv6{Src: "::", Dst: host6}.Packet(echo.Request6("::", host6))}, trace.Unexpected, nil},
		{"bytes behind the payload count with extension headers (RFC 8200 §3)", [][]byte{append(extended, 1, 2, 3)}, trace.Missing, nil},
		{"hop-by-hop behind the fragment header (RFC 8200 §4.1)", bt.Split(hopped, 7, 16), trace.Unexpected, nil},
		{"other data in the same place is no duplicate (RFC 5722 §4)", [][]byte{conflict[0], other, conflict[1]}, trace.Unexpected, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := newJudged(t)
			j.ping(test.packets...)
			j.settle(t)
			got := comparisons(j.rec.take())
			if len(got) != 1 || got[0].Result != test.result {
				t.Fatalf("%+v", got)
			}
			var fields []string
			for _, d := range got[0].Diffs {
				if d.Class == trace.Must {
					fields = append(fields, d.Field)
				}
			}
			if diff := cmp.Diff(test.fields, fields); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLatency: a real reply takes some time, and less than a second.
func TestLatency(t *testing.T) {
	j := newJudged(t)
	j.ping(request4(echo))
	for _, c := range comparisons(j.rec.take()) {
		if c.Latency <= 0 || c.Latency > time.Second {
			t.Errorf("took %v", c.Latency)
		}
	}
}
