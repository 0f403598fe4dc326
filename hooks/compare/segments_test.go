package compare_test

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/trace"
)

// await waits until the comparison has come to as many results as wanted, for
// netstack takes segments in its own time, and throws away what it sends.
func (j *judged) await(t *testing.T, results uint64) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		j.Outbound()
		c := j.comparer.Counts()
		if c.Match+c.Differ+c.Missing+c.Unexpected+c.Unjudged >= results {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%+v, want %d results", c, results)
		}
	}
}

// segment is one from port 4000 of the peer.
func segment(port uint16, flags uint8, options ...byte) []byte {
	return bt.TCP{SrcPort: 4000, DstPort: port, Seq: 1000, Ack: 5000, Flags: flags, Options: options}.Packet(peer4, host4)
}

func segment6(port uint16, flags uint8) []byte {
	return bt.TCP{SrcPort: 4000, DstPort: port, Seq: 1000, Ack: 5000, Flags: flags}.Packet(peer6, host6)
}

// TestSegments: netstack answers segments of no connection as by hand.
func TestSegments(t *testing.T) {
	linux := []byte{2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}
	for _, test := range []struct {
		name   string
		packet []byte
	}{
		{"SYN, closed", segment(81, bt.Syn)},
		{"SYN, closed, IPv6", segment6(81, bt.Syn)},
		{"SYN and FIN, closed", segment(81, bt.Syn|bt.Fin)},
		{"ACK, closed", segment(81, bt.Ack)},
		{"no flags, closed", segment(81, 0)},
		{"all flags but RST, closed", segment(81, 0x3b)},
		{"SYN", segment(7, bt.Syn)},
		{"SYN, IPv6", segment6(7, bt.Syn)},
		{"SYN with options", segment(7, bt.Syn, linux...)},
		{"SYN with SACK permitted", segment(7, bt.Syn, 1, 1, 4, 2)},
		{"SYN with timestamps", segment(7, bt.Syn, linux[4:16]...)},
		{"SYN with window scale", segment(7, bt.Syn, 1, 3, 3, 7)},
		{"SYN and FIN", segment(7, bt.Syn|bt.Fin)},
		{"SYN and PSH, URG", segment(7, bt.Syn|bt.Psh|bt.Urg)},
		{"ACK", segment(7, bt.Ack)},
		{"SYN and ACK", segment(7, bt.Syn|bt.Ack)},
		{"FIN and ACK", segment(7, bt.Fin|bt.Ack)},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := newServing(t, true)
			j.Inbound(test.packet)
			j.await(t, 1)
			j.settle(t)
			events := j.rec.take()
			complain(t, events)
			c := comparisons(events)
			if len(c) != 1 || c[0].Result != trace.Match || c[0].Due != "reply" || !c[0].Replied {
				t.Fatalf("%+v", c)
			}
			for _, d := range c[0].Diffs {
				switch d.Field {
				case "don't fragment", "time to live", "TOS":
				default:
					t.Errorf("differs, if only as it may: %+v", d)
				}
			}
		})
	}
}

// TestSilentSegments: netstack keeps silent where it must, and the next segment
// shows that it had the time to answer.
func TestSilentSegments(t *testing.T) {
	spoiled := func(port uint16, flags uint8) []byte {
		return bt.TCP{SrcPort: 4000, DstPort: port, Seq: 1000, Ack: 5000, Flags: flags, Spoil: 1}.Packet(peer4, host4)
	}
	to := func(dst string) []byte {
		return bt.TCP{SrcPort: 4000, DstPort: 7, Seq: 1000, Flags: bt.Syn}.Packet(peer4, dst)
	}
	for _, test := range []struct {
		name   string
		packet []byte
		reason string
	}{
		{"RST, closed", segment(81, bt.Rst), byhand.ReasonClosedPort},
		{"RST and ACK, closed", segment(81, bt.Rst|bt.Ack), byhand.ReasonClosedPort},
		{"RST", segment(7, bt.Rst), byhand.ReasonNoConnection},
		{"no flags", segment(7, 0), byhand.ReasonNoConnection},
		{"FIN", segment(7, bt.Fin), byhand.ReasonNoConnection},
		{"bad checksum, closed", spoiled(81, bt.Syn), byhand.ReasonBadTCPChecksum},
		{"bad checksum", spoiled(7, bt.Syn), byhand.ReasonBadTCPChecksum},
		{"bad checksum, ACK", spoiled(7, bt.Ack), byhand.ReasonBadTCPChecksum},
		{"to the broadcast", to("172.16.0.255"), byhand.ReasonSegmentToMany},
		{"to a group", to("224.0.0.1"), byhand.ReasonSegmentToMany},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := newServing(t, true)
			j.Inbound(test.packet)
			j.Inbound(bt.TCP{SrcPort: 4001, DstPort: 7, Flags: bt.Syn}.Packet(peer4, host4))
			j.await(t, 1)
			got := j.settle(t)
			events := j.rec.take()
			complain(t, events)
			if diff := cmp.Diff(compare.Counts{Match: 2}, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(map[string]uint64{test.reason: 1}, j.ledger.Totals().Drops); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSegmentDeviations has netstack's known deviation from RFC 9293.
func TestSegmentDeviations(t *testing.T) {
	j := newServing(t, true)
	j.Inbound(segment(7, bt.Syn|bt.Ack|bt.Rst)) // RFC 9293 §3.10.7.2: ignored
	j.await(t, 1)
	if diff := cmp.Diff(compare.Counts{Unexpected: 1}, j.settle(t)); diff != "" {
		t.Error(diff)
	}
}

// TestSegmentJudgement: what a wrong reply is called.
func TestSegmentJudgement(t *testing.T) {
	reply := func(port uint16, seq, ack uint32, flags uint8, options ...byte) []byte {
		return bt.TCP{SrcPort: port, DstPort: 4000, Seq: seq, Ack: ack, Flags: flags, Options: options}.Packet(host4, peer4)
	}
	mss := []byte{2, 4, 5, 180}
	spoiled := bt.TCP{SrcPort: 4000, DstPort: 81, Seq: 1000, Flags: bt.Syn, Spoil: 1}.Packet(peer4, host4)
	spoiledOpen := bt.TCP{SrcPort: 4000, DstPort: 7, Seq: 1000, Flags: bt.Syn, Spoil: 1}.Packet(peer4, host4)
	for _, test := range []struct {
		name   string
		steps  []step
		want   compare.Counts
		fields []string
	}{
		{"right", []step{in(segment(81, bt.Syn)), out(reply(81, 0, 1001, bt.Rst|bt.Ack))}, compare.Counts{Match: 1}, nil},
		{"number", []step{in(segment(81, bt.Syn)), out(reply(81, 0, 1000, bt.Rst|bt.Ack))}, compare.Counts{Differ: 1}, []string{"acknowledgement number"}},
		{"sequence", []step{in(segment(81, bt.Ack)), out(reply(81, 1, 0, bt.Rst))}, compare.Counts{Differ: 1}, []string{"sequence number"}},
		{"flags", []step{in(segment(81, bt.Syn)), out(reply(81, 0, 1001, bt.Rst))}, compare.Counts{Differ: 1}, []string{"flags"}},
		{"absent", []step{in(segment(81, bt.Syn)), pass}, compare.Counts{Missing: 1}, nil},
		{"to a spoiled one", []step{in(spoiled), out(reply(81, 0, 1001, bt.Rst|bt.Ack))}, compare.Counts{Unexpected: 1}, nil},
		{"to none of these", []step{in(spoiled), out(reply(81, 7, 7, bt.Rst)), pass}, compare.Counts{Match: 1}, nil},
		{"SYN-ACK", []step{in(segment(7, bt.Syn)), out(reply(7, 99, 1001, bt.Syn|bt.Ack, mss...))}, compare.Counts{Match: 1}, nil},
		{"SYN-ACK, again", []step{in(segment(7, bt.Syn)), out(reply(7, 99, 1001, bt.Syn|bt.Ack, mss...), reply(7, 99, 1001, bt.Syn|bt.Ack, mss...))},
			compare.Counts{Match: 1}, nil},
		{"SYN-ACK of the wrong number", []step{in(segment(7, bt.Syn)), out(reply(7, 99, 1000, bt.Syn|bt.Ack, mss...))},
			compare.Counts{Differ: 1}, []string{"acknowledgement number"}},
		{"SYN-ACK without MSS", []step{in(segment(7, bt.Syn)), out(reply(7, 99, 1001, bt.Syn|bt.Ack))},
			compare.Counts{Differ: 1}, []string{"maximum segment size option"}},
		{"SYN-ACK that was not offered scaling", []step{in(segment(7, bt.Syn)), out(reply(7, 99, 1001, bt.Syn|bt.Ack, 2, 4, 5, 180, 1, 3, 3, 7))},
			compare.Counts{Differ: 1}, []string{"window scale option"}},
		{"SYN-ACK with data of its own flags", []step{in(segment(7, bt.Syn)), out(reply(7, 99, 1001, bt.Syn|bt.Ack|bt.Fin, mss...))},
			compare.Counts{Differ: 1}, []string{"flags"}},
		{"no SYN-ACK", []step{in(segment(7, bt.Syn)), pass}, compare.Counts{Missing: 1}, nil},
		{"SYN-ACK to a spoiled SYN", []step{in(spoiledOpen), out(reply(7, 99, 1001, bt.Syn|bt.Ack, mss...))}, compare.Counts{Unexpected: 1}, nil},
		{"SYN-ACKs, one spoiled", []step{in(spoiledOpen, segment(7, bt.Syn)), out(reply(7, 99, 1001, bt.Syn|bt.Ack, mss...), reply(7, 99, 1001, bt.Syn|bt.Ack, mss...))},
			compare.Counts{Match: 1, Unjudged: 1}, nil},
		{"a connection's own", []step{in(segment(7, bt.Syn)), out(reply(7, 99, 1001, bt.Syn|bt.Ack, mss...)), in(segment(7, bt.Ack)),
			out(reply(7, 100, 1001, bt.Ack|bt.Psh), reply(7, 100, 1001, bt.Rst))}, compare.Counts{Match: 1}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newServingBench()
			for _, s := range test.steps {
				s(b)
			}
			if diff := cmp.Diff(test.want, b.comparer.Counts()); diff != "" {
				t.Error(diff)
			}
			var fields []string
			for _, c := range comparisons(b.rec.take()) {
				for _, d := range c.Diffs {
					if d.Class == trace.Must {
						fields = append(fields, d.Field)
					}
				}
			}
			if diff := cmp.Diff(test.fields, fields); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRefused: while netstack drops segments for want of room, an absent
// SYN-ACK is no fault; and none is at the end, before its time is over.
func TestRefused(t *testing.T) {
	n := uint64(0)
	b := newServingBench(func() uint64 { return n })
	b.in(segment(7, bt.Syn))
	n++
	b.pass()
	b.in(bt.TCP{SrcPort: 4001, DstPort: 7, Flags: bt.Syn}.Packet(peer4, host4))
	b.comparer.Close()
	if diff := cmp.Diff(compare.Counts{Unjudged: 1}, b.comparer.Counts()); diff != "" {
		t.Error(diff)
	}
}

// TestScanMix: a port scan of both families, TCP and UDP, between pings and a
// client that talks to an open port: nothing but matches is reported.
func TestScanMix(t *testing.T) {
	j := newServing(t, true)
	rnd := rand.New(rand.NewSource(4))
	const rounds = 10_000
	for i := range rounds {
		src, dst := peer4, host4
		if rnd.Intn(2) == 0 {
			src, dst = peer6, host6
		}
		port := uint16(1 + rnd.Intn(1000))
		s := bt.TCP{SrcPort: uint16(10_000 + i), DstPort: port, Seq: rnd.Uint32(), Ack: rnd.Uint32(), Flags: bt.Syn}
		switch rnd.Intn(8) {
		case 0:
			s.Flags = []uint8{0, bt.Fin, bt.Fin | bt.Psh | bt.Urg, bt.Ack, bt.Rst, bt.Ack | bt.Fin, bt.Syn | bt.Ack}[rnd.Intn(7)]
		case 1:
			s.DstPort = 7
		case 2:
			s.Spoil = 1
		case 3:
			s.SrcPort = 5 // the same again and again
		case 4:
			j.Inbound(datagram(src, dst, port, rnd.Intn(100)))
		case 5:
			j.Inbound(request4(bt.Echo{ID: 2, Seq: uint16(i), Data: bt.Data(100)}))
		}
		first := s.Packet(src, dst)
		j.Inbound(first)
		if s.Flags == bt.Syn && s.DstPort < 10 {
			// Whoever scans resets what opens.
			j.Inbound(bt.TCP{SrcPort: s.SrcPort, DstPort: s.DstPort, Seq: s.Seq + 1, Flags: bt.Rst}.Packet(src, dst))
		}
		if rnd.Intn(10) == 0 {
			j.Inbound(first)
		}
		j.Outbound()
	}
	end := time.Now().Add(compare.DefaultDeadline + 100*time.Millisecond)
	for time.Now().Before(end) {
		j.Outbound()
		time.Sleep(10 * time.Millisecond)
	}
	got := j.settle(t)
	complain(t, j.rec.take())
	if got.Match < rounds/2 || got.Differ+got.Missing+got.Unexpected > 0 {
		t.Errorf("%+v", got)
	}
}

// TestSynFlood: SYNs faster than netstack takes them, from peers that never
// answer. What it drops for want of room is not held against it.
func TestSynFlood(t *testing.T) {
	j := newServing(t, true)
	const syns = 5000
	for i := range syns {
		j.Inbound(bt.TCP{SrcPort: uint16(1000 + i), DstPort: 7, Seq: uint32(i), Flags: bt.Syn}.Packet(peer4, host4))
		if i%50 == 0 {
			j.Outbound()
		}
	}
	// netstack has the time it needs: no deadline passes before it has answered all but
	// what it refused.
	for end := time.Now().Add(time.Minute); j.comparer.Awaited() > int(j.Refused()) && time.Now().Before(end); time.Sleep(time.Millisecond) {
		j.Outbound()
	}
	j.comparer.Sweep(time.Now().Add(compare.DefaultDeadline))
	got := j.settle(t)
	complain(t, j.rec.take())
	if got.Match == 0 || got.Differ+got.Missing+got.Unexpected > 0 {
		t.Errorf("%+v, %d refused", got, j.Refused())
	}
	t.Logf("%+v, %d refused", got, j.Refused())
}

// TestSolicitations: netstack advertises as by hand, and what a TUN's peer need
// not say it wants to hear.
func TestSolicitations(t *testing.T) {
	const group = "ff02::1:ff00:2"
	named := []byte{1, 1, 2, 0, 0, 0, 0, 1}
	for _, test := range []struct {
		name   string
		packet []byte
		want   compare.Counts
	}{
		{"unicast", bt.Neighbour{Target: host6}.Packet(peer6, host6), compare.Counts{Match: 1}},
		{"to the group", bt.Neighbour{Target: host6, Options: named}.Packet(peer6, group), compare.Counts{Match: 1}},
		{"from nobody yet", bt.Neighbour{Target: host6}.Packet("::", group), compare.Counts{Match: 1}},
		{"hop limit", bt.Neighbour{Target: host6, HopLimit: 254}.Packet(peer6, host6), compare.Counts{Match: 1}},
		{"for another", bt.Neighbour{Target: "fd00:172::1:2"}.Packet(peer6, group), compare.Counts{Match: 1}},
		{"deviation: to the group, without a link address (RFC 4861 §4.3)", bt.Neighbour{Target: host6}.Packet(peer6, group), compare.Counts{Missing: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := newServing(t, true)
			j.ping(test.packet)
			got := j.settle(t)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff, fmt.Sprintf("%+v", comparisons(j.rec.take())))
			}
		})
	}
}
