package compare_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/guard"
	"netstackd/hooks/trace"
)

// line is an event in short.
type line struct {
	Seq     uint64
	What    string // the packet's direction, or "compare"
	Outcome string // its fate, or the result
	Reason  string
	Request uint64
	Due     string
}

func lines(events []any) []line {
	var out []line
	for _, e := range events {
		switch e := e.(type) {
		case trace.Packet:
			out = append(out, line{Seq: e.Seq, What: string(e.Direction), Outcome: string(e.Fate), Reason: e.Reason})
		case trace.Comparison:
			out = append(out, line{Seq: e.Seq, What: "compare", Outcome: string(e.Result), Reason: e.Reason, Request: e.Request, Due: e.Due})
		}
	}
	return out
}

// A step is one thing that happens.
type step func(*bench)

func in(packets ...[]byte) step {
	return func(b *bench) {
		for _, p := range packets {
			b.in(p)
		}
	}
}

func out(packets ...[]byte) step {
	return func(b *bench) {
		for _, p := range packets {
			b.out(p)
		}
	}
}

func pass(b *bench) { b.pass() }

func TestEvents(t *testing.T) {
	spoiled := echo
	spoiled.Spoil = 1
	second, other := echo, echo
	second.Seq, other.Data = 2, bytes.Repeat([]byte{9}, 56)
	long := echo
	long.Data = bt.Data(100)
	broadcast := bt.IPv4{Src: peer4, Dst: "172.16.0.255"}.Packet(echo.Request4())
	notOurs := bt.IPv4{Src: peer4, Dst: "172.16.0.3"}.Packet(echo.Request4())
	udp := bt.IPv4{Src: peer4, Dst: host4, Protocol: 17}.Packet([]byte{0, 9, 0, 9, 0, 8, 0, 0})
	inFragments := bt.Split(request4(long), 99, 64)
	outFragments := bt.Split(reply4(long), 99, 64)

	for _, test := range []struct {
		name  string
		steps []step
		want  []line
	}{
		{"match", []step{in(request4(echo)), out(reply4(echo))}, []line{
			{1, "in", "answered", "", 0, ""}, {2, "out", "sent", "", 0, ""}, {3, "compare", "match", "", 1, "reply"},
		}},
		{"match, IPv6", []step{in(request6(echo)), out(reply6(echo))}, []line{
			{1, "in", "answered", "", 0, ""}, {2, "out", "sent", "", 0, ""}, {3, "compare", "match", "", 1, "reply"},
		}},
		{"missing", []step{in(request4(echo)), pass}, []line{
			{1, "in", "delivered", "", 0, ""}, {2, "compare", "missing", "", 1, "reply"},
		}},
		{"not yet missing", []step{in(request4(echo)), func(b *bench) { b.comparer.Sweep(b.now.Add(compare.DefaultDeadline / 2)) }}, nil},
		{"unexpected, without a request", []step{out(reply4(echo))}, []line{
			{1, "out", "sent", "", 0, ""}, {2, "compare", "unexpected", "", 0, "silence"},
		}},
		{"unexpected, to a spoiled request", []step{in(request4(spoiled)), out(reply4(echo))}, []line{
			{1, "in", "answered", "", 0, ""}, {2, "out", "sent", "", 0, ""},
			{3, "compare", "unexpected", byhand.ReasonBadICMPChecksum, 1, "silence"},
		}},
		{"silence, due", []step{in(request4(spoiled)), pass}, []line{
			{1, "in", "dropped", byhand.ReasonBadICMPChecksum, 0, ""}, {2, "compare", "match", byhand.ReasonBadICMPChecksum, 1, "silence"},
		}},
		{"silence, another host's", []step{in(notOurs), pass}, []line{
			{1, "in", "dropped", byhand.ReasonNotOurs, 0, ""}, {2, "compare", "match", byhand.ReasonNotOurs, 1, "silence"},
		}},
		{"broadcast, answered", []step{in(broadcast), out(reply4(echo))}, []line{
			{1, "in", "answered", "", 0, ""}, {2, "out", "sent", "", 0, ""}, {3, "compare", "match", "", 1, "either"},
		}},
		{"broadcast, not answered", []step{in(broadcast), pass}, []line{{1, "in", "delivered", "", 0, ""}}},
		{"nothing said of UDP", []step{in(udp), out(udp)}, []line{
			{1, "in", "delivered", "", 0, ""}, {2, "out", "sent", "", 0, ""},
		}},
		{"a second reply", []step{in(request4(echo)), out(reply4(echo), reply4(echo))}, []line{
			{1, "in", "answered", "", 0, ""}, {2, "out", "sent", "", 0, ""}, {3, "compare", "match", "", 1, "reply"},
			{4, "out", "sent", "", 0, ""}, {5, "compare", "unexpected", "", 0, "silence"},
		}},
		{"replies in the other order", []step{in(request4(echo), request4(second)), out(reply4(second), reply4(echo))}, []line{
			{2, "in", "answered", "", 0, ""}, {3, "out", "sent", "", 0, ""}, {4, "compare", "match", "", 2, "reply"},
			{1, "in", "answered", "", 0, ""}, {5, "out", "sent", "", 0, ""}, {6, "compare", "match", "", 1, "reply"},
		}},
		{"a request twice", []step{in(request4(echo), request4(echo)), out(reply4(echo), reply4(echo))}, []line{
			{1, "in", "answered", "", 0, ""}, {3, "out", "sent", "", 0, ""}, {4, "compare", "match", "", 1, "reply"},
			{2, "in", "answered", "", 0, ""}, {5, "out", "sent", "", 0, ""}, {6, "compare", "match", "", 2, "reply"},
		}},
		{"one number, other data", []step{in(request4(echo), request4(other)), out(reply4(other), reply4(echo))}, []line{
			{2, "in", "answered", "", 0, ""}, {3, "out", "sent", "", 0, ""}, {4, "compare", "match", "", 2, "reply"},
			{1, "in", "answered", "", 0, ""}, {5, "out", "sent", "", 0, ""}, {6, "compare", "match", "", 1, "reply"},
		}},
		{"spoiled and sound with one number", []step{in(request4(spoiled), request4(echo)), out(reply4(echo)), pass}, []line{
			{2, "in", "answered", "", 0, ""}, {3, "out", "sent", "", 0, ""}, {4, "compare", "match", "", 2, "reply"},
			{1, "in", "dropped", byhand.ReasonBadICMPChecksum, 0, ""}, {5, "compare", "match", byhand.ReasonBadICMPChecksum, 1, "silence"},
		}},
		{"request in fragments", []step{in(inFragments...), out(reply4(long))}, []line{
			{1, "in", "delivered", "", 0, ""},
			{2, "in", "answered", "", 0, ""}, {3, "out", "sent", "", 0, ""}, {4, "compare", "match", "", 2, "reply"},
		}},
		{"reply in fragments", []step{in(request4(long)), out(outFragments...)}, []line{
			{2, "out", "sent", "", 0, ""},
			{1, "in", "answered", "", 0, ""}, {3, "out", "sent", "", 0, ""}, {4, "compare", "match", "", 1, "reply"},
		}},
		{"both, IPv6", []step{in(bt.Split(request6(long), 1, 64)...), out(bt.Split(reply6(long), 2, 64)...)}, []line{
			{1, "in", "delivered", "", 0, ""}, {3, "out", "sent", "", 0, ""},
			{2, "in", "answered", "", 0, ""}, {4, "out", "sent", "", 0, ""}, {5, "compare", "match", "", 2, "reply"},
		}},
		{"the rest of a fragmented reply never left", []step{in(request4(long)), out(outFragments[0]), pass}, []line{
			{2, "out", "sent", "", 0, ""}, {1, "in", "delivered", "", 0, ""}, {3, "compare", "missing", "", 1, "reply"},
		}},
		{"the fragment lost leaves nothing for the next of its number", []step{
			out(bt.Split(reply4(bt.Echo{ID: 1, Data: bt.Data(100)}), 99, 64)[0]), in(request4(long)), out(outFragments...),
		}, []line{
			{1, "out", "sent", "", 0, ""}, {3, "out", "sent", "", 0, ""},
			{2, "in", "answered", "", 0, ""}, {4, "out", "sent", "", 0, ""}, {5, "compare", "match", "", 2, "reply"},
		}},
		{"a fragment with a bad header arrives nowhere", []step{in(request4(long)), out(outFragments[0], spoilHeader(outFragments[1])), pass}, []line{
			{2, "out", "sent", "", 0, ""}, {3, "out", "sent", "", 0, ""},
			{1, "in", "delivered", "", 0, ""}, {4, "compare", "missing", "", 1, "reply"},
		}},
		{"netstack begins anew: no judgement of what it had, and no fragment is left", []step{
			in(request4(echo), request4(spoiled), inFragments[0]),
			func(b *bench) { b.comparer.Restart() },
			in(inFragments[1]), pass, in(request4(echo)), out(reply4(echo)),
		}, []line{
			{3, "in", "delivered", "", 0, ""},
			{1, "in", "delivered", "", 0, ""}, {2, "in", "dropped", byhand.ReasonBadICMPChecksum, 0, ""},
			{4, "in", "delivered", "", 0, ""},
			{5, "in", "answered", "", 0, ""}, {6, "out", "sent", "", 0, ""}, {7, "compare", "match", "", 5, "reply"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench()
			for _, s := range test.steps {
				s(b)
			}
			if diff := cmp.Diff(test.want, lines(b.rec.take())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func spoilHeader(packet []byte) []byte {
	p := bytes.Clone(packet)
	p[11] ^= 1
	return p
}

// TestComparison has all that a comparison's event says.
func TestComparison(t *testing.T) {
	b := newBench()
	b.rec.bytes = true
	b.in(request4(echo))
	sent := b.now
	b.out(reply4(echo))
	got := comparisons(b.rec.take())
	want := []trace.Comparison{{
		Time: sent, Seq: 3, Request: 1, Reply: 2, Responder: "netstack", Live: true, Result: trace.Match, Due: "reply",
		Requirement: "must", RFC: "RFC 1122 §3.2.2.6", Replied: true, Latency: time.Microsecond,
		RequestBytes: request4(echo), ReplyByHand: reply4(echo),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPacketEvent has what a packet's event says, with and without bytes.
func TestPacketEvent(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		b := newBench()
		b.rec.bytes = wanted
		packet := request4(echo)
		b.in(append(packet, 1, 2, 3))
		b.pass()
		p := b.rec.take()[0].(trace.Packet)
		if p.Len != len(packet)+3 || p.NChecks != 2 || p.Checks[1].Verdict != "ok" || p.Reassembled || p.Packet.ICMP.ID != 13 {
			t.Errorf("%+v", p)
		}
		if wanted != bytes.Equal(p.Packet.Bytes, packet) || !wanted && p.Packet.Bytes != nil {
			t.Errorf("bytes wanted: %v, brought: %x", wanted, p.Packet.Bytes)
		}
	}
}

// TestReassembledCheck: the fragment that completes a datagram shows the
// checksum of the whole, and the ledger counts it, once in each direction.
func TestReassembledCheck(t *testing.T) {
	b := newBench()
	long := bt.Echo{ID: 1, Data: bt.Data(100)}
	in(bt.Split(request4(long), 99, 64)...)(b)
	out(bt.Split(reply4(long), 99, 64)...)(b)
	var got []string
	for _, e := range b.rec.take() {
		if p, ok := e.(trace.Packet); ok && p.Reassembled {
			c := p.Checks[p.NChecks-1]
			got = append(got, string(p.Direction)+" "+string(c.Layer)+" "+string(c.Verdict))
		}
	}
	if diff := cmp.Diff([]string{"in icmpv4 ok", "out icmpv4 ok"}, got); diff != "" {
		t.Error(diff)
	}
	if n := b.ledger.Totals().Verdicts["ok"]; n != 2 {
		t.Errorf("the ledger counts %d", n)
	}
}

// TestClose settles what is open, whatever its age, and may be repeated.
func TestClose(t *testing.T) {
	b := newBench()
	b.in(request4(echo))
	b.in(request4(bt.Echo{Seq: 5, Spoil: 7}))
	b.comparer.Start()
	b.comparer.Close()
	b.comparer.Close()
	want := []line{
		{1, "in", "delivered", "", 0, ""}, {3, "compare", "missing", "", 1, "reply"},
		{2, "in", "dropped", byhand.ReasonBadICMPChecksum, 0, ""}, {4, "compare", "match", byhand.ReasonBadICMPChecksum, 2, "silence"},
	}
	if diff := cmp.Diff(want, lines(b.rec.take())); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(compare.Counts{Match: 1, Missing: 1}, b.comparer.Counts()); diff != "" {
		t.Error(diff)
	}
}

// TestStart: deadlines pass without anyone's help.
func TestStart(t *testing.T) {
	rec := &recorder{}
	c := compare.New(compare.Config{
		Host: byhand.New(addrs), Ledger: hooks.NewLedger(), Tracer: rec, Responder: "netstack", Deadline: 20 * time.Millisecond,
	})
	c.Start()
	defer c.Close()
	var p hooks.Packet
	p.Set(hooks.Inbound, request4(echo), time.Now())
	c.Inbound(&p)
	for end := time.Now().Add(10 * time.Second); c.Counts().Missing == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never missed")
		}
	}
}

// TestGuarded: a packet that another hook dropped is reported and not judged.
func TestGuarded(t *testing.T) {
	b := newBench()
	var p hooks.Packet
	p.Set(hooks.Inbound, bt.Fragment(request4(echo)[:20], bt.Data(1000), 1, 65000, false), b.now)
	guard.New(guard.Config{}).Inbound(&p)
	b.comparer.Inbound(&p)
	want := []line{{1, "in", "guarded", guard.ReasonFragmentTooLong, 0, ""}}
	if diff := cmp.Diff(want, lines(b.rec.take())); diff != "" {
		t.Error(diff)
	}
}

// TestDoubt: where netstack may have forgotten fragments that are there on our
// side, or the reverse, nothing but a match is reported.
func TestDoubt(t *testing.T) {
	press := func(b *bench) {
		header := request4(echo)[:20]
		for i := range 3000 {
			b.in(bt.Fragment(header, bt.Data(1000), uint32(i), 8, true))
		}
		b.rec.take()
	}
	long := bt.Echo{ID: 1, Data: bt.Data(100)}
	other := bt.Echo{ID: 1, Data: bytes.Repeat([]byte{1}, 100)}
	fragments := bt.Split(request4(long), 9999, 64)
	for _, test := range []struct {
		name  string
		steps []step
		want  compare.Counts
	}{
		{"no reply", []step{in(fragments...), pass}, compare.Counts{}},
		{"the reply", []step{in(fragments...), out(reply4(long))}, compare.Counts{Match: 1}},
		{"another reply", []step{in(fragments...), out(reply4(other))}, compare.Counts{Unjudged: 1}},
		{"a reply without a request", []step{out(reply4(long))}, compare.Counts{Unjudged: 1}},
		{"a whole request", []step{in(request4(long)), out(reply4(other))}, compare.Counts{Differ: 1}},
		{"a whole request, unanswered", []step{in(request4(long)), pass}, compare.Counts{Missing: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench()
			press(b)
			for _, s := range test.steps {
				s(b)
			}
			if diff := cmp.Diff(test.want, b.comparer.Counts()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
