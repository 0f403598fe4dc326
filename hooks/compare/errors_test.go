package compare_test

import (
	"math/rand"
	"testing"

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

// openPorts are those of a serving netstack, TCP and UDP.
var openPorts = []uint16{7, 9}

// newServing is newJudged with open ports, and a hand that knows them.
func newServing(t testing.TB, limited bool) *judged {
	t.Helper()
	j := &judged{rec: &recorder{}}
	j.ledger = hooks.NewLedger(hooks.DropReasons(), guard.DropReasons(), byhand.DropReasons())
	j.comparer = compare.New(compare.Config{
		Host:   byhand.NewHost(byhand.Config{Addresses: addrs, TCPPorts: openPorts, UDPPorts: openPorts}),
		Ledger: j.ledger, Tracer: j.rec, Responder: "netstack",
		RateLimited: func() uint64 { return j.RateLimited() },
		Refused:     func() uint64 { return j.Refused() },
	})
	var err error
	if j.Netstack, err = comparetest.New(j.ledger, addrs, guard.New(guard.Config{}), j.comparer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	if err := j.Listen(openPorts, openPorts); err != nil {
		t.Fatal(err)
	}
	if !limited {
		j.Unlimited()
	}
	return j
}

func datagram(src, dst string, port uint16, n int) []byte {
	return bt.UDP{SrcPort: 4000, DstPort: port, Data: bt.Data(n)}.Packet(src, dst)
}

func next6(protocol uint8, extensions ...bt.Extension) []byte {
	return bt.IPv6{Src: peer6, Dst: host6, Protocol: protocol, Extensions: extensions}.Packet([]byte{1, 2, 3, 4, 5, 6, 7, 8})
}

func option6(protocol, kind uint8) bt.Extension {
	return bt.Extension{Protocol: protocol, Body: []byte{0, kind, 4, 0, 0, 0, 0}}
}

// TestErrors: netstack sends the errors that the hand predicts, and none where
// none may be sent.
func TestErrors(t *testing.T) {
	spoiled := bt.UDP{SrcPort: 4000, DstPort: 81, Spoil: 1}
	icmpError := append([]byte{3, 3, 0xff, 0xff, 0, 0, 0, 0}, datagram(host4, peer4, 9, 0)...)
	for _, test := range []struct {
		name    string
		packets [][]byte
		fate    hooks.Fate
		reason  string
		want    compare.Counts
	}{
		{"closed port", [][]byte{datagram(peer4, host4, 81, 100)}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"closed port, IPv6", [][]byte{datagram(peer6, host6, 81, 100)}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"a long datagram", [][]byte{datagram(peer4, host4, 81, 1400)}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"a long datagram, IPv6", [][]byte{datagram(peer6, host6, 81, 1400)}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"in fragments", bt.Split(datagram(peer4, host4, 81, 3000), 5, 1000), hooks.Answered, "", compare.Counts{Match: 1}},
		{"open port", [][]byte{datagram(peer4, host4, 7, 100)}, hooks.Delivered, "", compare.Counts{}},
		{"bad checksum", [][]byte{spoiled.Packet(peer4, host4)}, hooks.Dropped, byhand.ReasonBadUDPChecksum, compare.Counts{Match: 1}},
		{"bad checksum, IPv6", [][]byte{spoiled.Packet(peer6, host6)}, hooks.Dropped, byhand.ReasonBadUDPChecksum, compare.Counts{Match: 1}},
		{"to the broadcast", [][]byte{datagram(peer4, "172.16.0.255", 81, 1)}, hooks.Dropped, byhand.ReasonClosedPort, compare.Counts{Match: 1}},
		{"to all nodes", [][]byte{datagram(peer6, "ff02::1", 81, 1)}, hooks.Dropped, byhand.ReasonClosedPort, compare.Counts{Match: 1}},
		{"protocol", [][]byte{bt.IPv4{Src: peer4, Dst: host4, Protocol: 99}.Packet(bt.Data(9))}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"short, of a protocol", [][]byte{bt.IPv4{Src: peer4, Dst: host4, Protocol: 99}.Packet(bt.Data(2))}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"next header", [][]byte{next6(99)}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"next header behind options", [][]byte{next6(99, option6(wire.ProtocolDestination, 0x1e))}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"option length", [][]byte{bt.IPv4{Src: peer4, Dst: host4, Options: []byte{1, 7, 1, 0}}.Packet(echo.Request4())}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"an error about an error", [][]byte{bt.IPv4{Src: peer4, Dst: host4, Protocol: 1, Options: []byte{7, 1, 0, 0}}.Packet(icmpError)},
			hooks.Dropped, wire.ReasonBadOption, compare.Counts{Match: 1}},
		{"option 01", [][]byte{next6(17, option6(wire.ProtocolDestination, 0x7e))}, hooks.Dropped, byhand.ReasonUnknownIPv6Option, compare.Counts{Match: 1}},
		{"option 10", [][]byte{next6(17, option6(wire.ProtocolDestination, 0x9e))}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"option 11", [][]byte{next6(17, option6(wire.ProtocolHopByHop, 0xde))}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"routing header", [][]byte{next6(17, bt.Extension{Protocol: wire.ProtocolRouting, Body: []byte{0, 9, 1, 0, 0, 0, 0}})}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"hop-by-hop behind", [][]byte{next6(17, option6(wire.ProtocolDestination, 1), option6(wire.ProtocolHopByHop, 1))}, hooks.Answered, "", compare.Counts{Match: 1}},
		{"odd fragment", [][]byte{bt.Fragment(datagram(peer6, host6, 7, 0)[:40], bt.Data(13), 1, 8, true)}, hooks.Answered, "", compare.Counts{Match: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := newServing(t, false)
			j.ping(test.packets...)
			got := j.settle(t)
			events := j.rec.take()
			complain(t, events)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			var last trace.Packet
			for _, e := range events {
				if p, ok := e.(trace.Packet); ok && p.Direction == hooks.Inbound {
					last = p
				}
			}
			if last.Fate != test.fate || last.Reason != test.reason {
				t.Errorf("%s %q, want %s %q", last.Fate, last.Reason, test.fate, test.reason)
			}
		})
	}
}

// TestErrorDeviations has netstack's known deviations from the RFCs about ICMP
// errors, and how they are reported.
func TestErrorDeviations(t *testing.T) {
	for _, test := range []struct {
		name   string
		packet []byte
		want   compare.Counts
	}{
		{"to a source in class E (RFC 1122 §3.2.2)", datagram("240.0.0.9", host4, 81, 0), compare.Counts{Unexpected: 1}},
		{"to a source on this network (RFC 1122 §3.2.2)", datagram("0.0.0.9", host4, 81, 0), compare.Counts{Unexpected: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := newServing(t, false)
			j.ping(test.packet)
			if diff := cmp.Diff(test.want, j.settle(t)); diff != "" {
				t.Error(diff)
				complain(t, j.rec.take())
			}
		})
	}
}

// TestDatagramScan: a scan of UDP ports and protocols, faster than netstack
// sends errors, between pings: nothing is reported but matches.
func TestDatagramScan(t *testing.T) {
	j := newServing(t, true)
	rnd := rand.New(rand.NewSource(3))
	const scans = 20000
	answered := uint64(0)
	for i := range scans {
		switch port := uint16(rnd.Intn(1 << 16)); rnd.Intn(6) {
		case 0:
			j.ping(request4(bt.Echo{ID: 1, Seq: uint16(i), Data: bt.Data(8)}))
			answered++
		case 1:
			j.ping(request6(bt.Echo{ID: 1, Seq: uint16(i), Data: bt.Data(8)}))
			answered++
		case 2:
			j.ping(datagram(peer4, host4, port, rnd.Intn(1000)))
		case 3:
			j.ping(datagram(peer6, host6, port, rnd.Intn(1000)))
		case 4:
			j.ping(bt.IPv4{Src: peer4, Dst: host4, Protocol: uint8(port | 2)}.Packet(bt.Data(30)))
		case 5:
			j.ping(datagram(peer4, host4, 81, 0), datagram(peer4, host4, 81, 0)) // the same twice
		}
	}
	got := j.settle(t)
	complain(t, j.rec.take())
	if got.Match < answered || got.Differ+got.Missing+got.Unexpected > 0 {
		t.Errorf("%d pings: %+v", answered, got)
	}
	if j.RateLimited() == 0 {
		t.Error("no error was kept back: the test shows less than it should")
	}
}

// TestMissingError: without a limit in the way an absent error is missing; with
// one that bites, it is not.
func TestMissingError(t *testing.T) {
	for _, limited := range []uint64{0, 1} {
		b := newBench()
		n := uint64(0)
		b.comparer = compare.New(compare.Config{
			Host:   byhand.NewHost(byhand.Config{Addresses: addrs, UDPPorts: openPorts}),
			Ledger: b.ledger, Tracer: b.rec, Responder: "netstack", Now: b.clock,
			RateLimited: func() uint64 { return n },
		})
		b.in(datagram(peer4, host4, 81, 0))
		n += limited
		b.pass()
		if got := b.comparer.Counts().Missing; got != 1-limited {
			t.Errorf("%d kept back: %d missing", limited, got)
		}
		if diff := cmp.Diff(map[string]uint64{byhand.ReasonClosedPort: 1}, b.ledger.Totals().Drops); diff != "" {
			t.Error(diff)
		}
	}
}

// TestTwins: of two requests alike the error about the first is kept back, that
// about the second is sent. None is missing, whichever the reply is taken for.
func TestTwins(t *testing.T) {
	b := newBench()
	n := uint64(0)
	b.comparer = compare.New(compare.Config{
		Host:   byhand.NewHost(byhand.Config{Addresses: addrs, UDPPorts: []uint16{}}),
		Ledger: b.ledger, Tracer: b.rec, Responder: "netstack", Now: b.clock,
		RateLimited: func() uint64 { return n },
	})
	request := datagram(peer4, host4, 81, 0)
	b.in(request)
	n++
	b.in(request)
	m := append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, request...)
	sum := bt.Checksum(m)
	m[2], m[3] = byte(sum>>8), byte(sum)
	b.out(bt.IPv4{Src: host4, Dst: peer4}.Packet(m))
	b.pass()
	if diff := cmp.Diff(compare.Counts{Match: 1}, b.comparer.Counts()); diff != "" {
		t.Error(diff)
		complain(t, b.rec.take())
	}
}

// TestErrorFlood: of datagrams whose errors netstack keeps back not more wait
// than a crowd, and none is said to be missing or forgotten.
func TestErrorFlood(t *testing.T) {
	j := newServing(t, true)
	const n, crowd = 20_000, 1 << 12
	packet := datagram(peer4, host4, 81, 400)
	for range n {
		j.ping(packet)
		if open := j.comparer.Awaited(); open > crowd {
			t.Fatalf("%d wait", open)
		}
	}
	got := j.settle(t)
	if got.Match == 0 || got.Differ+got.Missing+got.Unexpected+got.Unjudged > 0 {
		t.Errorf("%+v", got)
	}
	if dropped := j.ledger.Totals().Drops[byhand.ReasonClosedPort]; dropped+got.Match != n {
		t.Errorf("%d dropped, %d answered, of %d", dropped, got.Match, n)
	}
}

// TestStrayErrors: an error that quotes what is not known is not judged, but
// for those that may never be sent.
func TestStrayErrors(t *testing.T) {
	b := newBench()
	unreachable := func(quote []byte) []byte {
		m := append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, quote...)
		sum := bt.Checksum(m)
		m[2], m[3] = byte(sum>>8), byte(sum)
		return bt.IPv4{Src: host4, Dst: peer4}.Packet(m)
	}
	b.out(unreachable(datagram(peer4, host4, 81, 0)))
	b.out(unreachable(nil))
	if diff := cmp.Diff(compare.Counts{Unjudged: 2}, b.comparer.Counts()); diff != "" {
		t.Error(diff)
	}
	b.out(unreachable(datagram(peer4, "224.0.0.1", 81, 0)))
	b.out(unreachable(unreachable(datagram(peer4, host4, 81, 0))))
	if diff := cmp.Diff(compare.Counts{Unjudged: 2, Unexpected: 2}, b.comparer.Counts()); diff != "" {
		t.Error(diff)
	}
}
