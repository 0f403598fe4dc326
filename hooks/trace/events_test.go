package trace_test

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"netstackd/hooks"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// start is when the first packet of each scene was seen; a packet passes every
// 41 µs.
var start = time.Date(2026, 8, 14, 9, 30, 7, 123456789, time.UTC)

// sample returns the bytes of a packet of hooks/wire/testdata.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	path := "../wire/testdata/packets/" + name + ".hex"
	if name == "echo-request" {
		path = "../wire/testdata/echo-request.hex"
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read packet: %v", err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			digits.WriteString(strings.TrimSpace(line))
		}
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("decode %s: %v", path, err)
	}
	return b
}

// packet makes the event of a packet as the comparer makes it for a tracer
// that wants bytes.
func packet(seq uint64, d hooks.Direction, b []byte, fate hooks.Fate, reason string) trace.Packet {
	return offloaded(seq, d, b, wire.Offload{}, fate, reason)
}

// offloaded is packet for one of which o says what was left to hardware.
func offloaded(seq uint64, d hooks.Direction, b []byte, o wire.Offload, fate hooks.Fate, reason string) trace.Packet {
	var p hooks.Packet
	p.SetOffloaded(d, b, o, start.Add(time.Duration(seq-1)*41*time.Microsecond))
	e := trace.Packet{
		Time: p.Time, Seq: seq, Direction: d, Len: p.Len, Packet: p.Packet, DataLen: len(p.Data()), Fate: fate, Reason: reason,
		Segments: p.Segments(),
	}
	e.NChecks = copy(e.Checks[:], p.Checks())
	e.Packet.Bytes = append([]byte{}, p.Bytes...)
	return e
}

// by adds to the event of a packet what has mended it.
func by(e trace.Packet, mends ...string) trace.Packet {
	e.Mended = mends
	return e
}

// comparison makes the event of a comparison of netstack's replies.
func comparison(seq, request uint64, result trace.Result, due string) trace.Comparison {
	return trace.Comparison{
		Time: start.Add(time.Duration(seq-1) * 41 * time.Microsecond), Seq: seq, Request: request,
		Responder: "netstack", Live: true, Result: result, Due: due,
	}
}

// replied adds that a reply came.
func replied(c trace.Comparison, rfc string, diffs ...trace.Diff) trace.Comparison {
	c.Reply, c.Replied, c.Latency, c.RFC, c.Diffs = c.Seq-1, true, 41*time.Microsecond, rfc, diffs
	return c
}

// silent adds why silence was due.
func silent(c trace.Comparison, reason, rfc string) trace.Comparison {
	c.Reason, c.RFC = reason, rfc
	return c
}

const (
	peer4, host4 = "172.16.0.1", "172.16.0.2"
	peer6, host6 = "fd00:172::1", "fd00:172::2"
)

var superSegment = wire.Offload{Partial: true, SegmentSize: 1448}

// super is a super-segment as long as one can be.
func super(src, dst string) []byte {
	return bt.Partial(bt.TCP{SrcPort: 49152, DstPort: 80, Seq: 1, Ack: 1, Flags: bt.Ack | bt.Psh, Data: bt.Data(65495)}.Packet(src, dst))
}

// A scene is a few events that belong together, or the summary.
type scene struct {
	name    string
	events  []any // of trace.Packet and trace.Comparison
	summary *trace.Summary
}

// scenes are all that the golden files show.
func scenes(t testing.TB) []scene {
	t.Helper()
	in := func(seq uint64, name string, fate hooks.Fate, reason ...string) trace.Packet {
		return packet(seq, hooks.Inbound, sample(t, name), fate, strings.Join(reason, ""))
	}
	out := func(seq uint64, name string) trace.Packet {
		return packet(seq, hooks.Outbound, sample(t, name), hooks.Sent, "")
	}
	reply := func() trace.Packet {
		return packet(2, hooks.Outbound, sample(t, "echo-reply"), hooks.Sent, "")
	}
	const rfc4, rfc6 = "RFC 1122 §3.2.2.6", "RFC 4443 §4.2"
	mayID := trace.Diff{Field: "identification", Offset: 4, Netstack: "41217", Hand: "33064", Class: trace.May, RFC: "RFC 6864 §4.1"}
	mustData := trace.Diff{Field: "data", Offset: 30, Netstack: "0x00", Hand: "0x17", Class: trace.Must, RFC: "RFC 792"}

	matched := replied(comparison(3, 1, trace.Match, "reply"), rfc4)
	matched.RequestBytes, matched.ReplyByHand = sample(t, "echo-request"), sample(t, "echo-reply")

	// A reply that was mended is compared as it was made.
	mendedReply := replied(comparison(3, 1, trace.Differ, "reply"), rfc4,
		trace.Diff{Field: "reserved flag", Offset: 6, Netstack: "true", Hand: "false", Class: trace.Must, RFC: "RFC 791 §3.1"})
	mendedReply.Mended = []string{"ecn-reassembly", "reserved-flag"}

	unreachable := replied(comparison(3, 1, trace.Match, "reply"), "RFC 1122 §4.1.3.1")
	unreachable.Requirement, unreachable.Reason = "should", "closed-port"
	unreachable.RequestBytes, unreachable.ReplyByHand = sample(t, "dns-query"), sample(t, "port-unreachable")
	notSent := comparison(2, 1, trace.Missing, "reply")
	notSent.Requirement = "should"

	reassembled := in(2, "fragment-later", hooks.Answered)
	reassembled.Checks[1] = wire.Check{Layer: wire.LayerICMPv4, Offset: 22, Seen: 0x54f5, Hand: 0x54f5, Verdict: wire.OK}
	reassembled.NChecks, reassembled.Reassembled = 2, true

	spoiled := sample(t, "echo-request")
	spoiled[22] ^= 0x80
	spoiledRequest := func(fate hooks.Fate, reason string) trace.Packet {
		return packet(1, hooks.Inbound, spoiled, fate, reason)
	}

	toGuard := sample(t, "fragment-later")
	toGuard[6], toGuard[7], toGuard[10], toGuard[11] = 0x1f, 0xff, 0x43, 0x5f

	badVersion := sample(t, "echo-request")
	badVersion[0] = 0x55
	mapped := sample(t, "echo6-request")
	copy(mapped[8:], make([]byte, 10))
	copy(mapped[18:], []byte{0xff, 0xff, 10, 0, 0, 1})

	full := &trace.Summary{Drops: map[string]uint64{"bad-icmp-checksum": 2, "guard-fragment-too-long": 1, "link-malformed": 4}, Mends: map[string]uint64{"reserved-flag": 7, "ecn-reassembly": 2}, TraceLost: 17}
	full.Packets.In, full.Packets.Out = 209, 206
	full.Checksums.OK, full.Checksums.Bad, full.Checksums.Partial, full.Checksums.Absent = 811, 2, 3, 5
	full.Compare.Match, full.Compare.Differ, full.Compare.Missing, full.Compare.Unexpected, full.Compare.Unjudged = 202, 1, 1, 1, 9
	full.Fates.In = map[hooks.Fate]uint64{hooks.Answered: 200, hooks.Delivered: 6, hooks.Dropped: 2, hooks.Guarded: 1}
	full.Fates.Out = map[hooks.Fate]uint64{hooks.Sent: 206}
	plain := &trace.Summary{Drops: map[string]uint64{}}
	plain.Packets.In, plain.Packets.Out, plain.Checksums.OK, plain.Compare.Match = 1, 1, 4, 1
	plain.Fates.In = map[hooks.Fate]uint64{hooks.Answered: 1}
	plain.Fates.Out = map[hooks.Fate]uint64{hooks.Sent: 1}

	answered := &trace.Summary{Answerers: []trace.Scorecard{
		{Name: "fifo:/tmp", Live: true, Requests: 9, Answered: 7, RightFirstTime: 4, Wrong: map[string]uint64{"identifier": 1, "ICMP checksum": 3},
			Late: 2, Repeated: 1, Unasked: 5, Latency: &trace.Latency{P50: 42593e3, P90: 43102.5e3, P99: 50e6, Max: 3600e6}},
		{Name: "exec:" + strings.Repeat("a\n", 40), Live: true, Requests: 3},
		{Name: "netstack", Requests: 9, Answered: 9, RightFirstTime: 9, Latency: &trace.Latency{P50: 7.123, P90: 16.04, P99: 99.96, Max: 1211.4}},
	}}
	answered.Fates.Out = map[hooks.Fate]uint64{hooks.Sent: 7, hooks.Suppressed: 9}

	return []scene{
		{name: "an echo, answered as by hand", events: []any{in(1, "echo-request", hooks.Answered), reply(), matched}},
		{name: "over IPv6", events: []any{
			in(1, "echo6-request", hooks.Answered), out(2, "echo6-reply"), replied(comparison(3, 1, trace.Match, "reply"), rfc6)}},
		{name: "match, with a freedom taken", events: []any{
			in(1, "echo-request", hooks.Answered), reply(), replied(comparison(3, 1, trace.Match, "reply"), rfc4, mayID)}},
		{name: "differ", events: []any{
			in(1, "echo-request", hooks.Answered), reply(), replied(comparison(3, 1, trace.Differ, "reply"), rfc4, mayID, mustData)}},
		{name: "missing", events: []any{
			in(1, "echo-request", hooks.Delivered), silent(comparison(2, 1, trace.Missing, "reply"), "", rfc4)}},
		{name: "silence that was due", events: []any{
			spoiledRequest(hooks.Dropped, "bad-icmp-checksum"),
			silent(comparison(2, 1, trace.Match, "silence"), "bad-icmp-checksum", "RFC 792")}},
		{name: "unexpected, silence was due", events: []any{
			spoiledRequest(hooks.Answered, ""), reply(),
			replied(silent(comparison(3, 1, trace.Unexpected, "silence"), "bad-icmp-checksum", ""), "RFC 792")}},
		{name: "unexpected, nothing was asked", events: []any{reply(), replied(comparison(3, 0, trace.Unexpected, "silence"), "")}},
		{name: "unexpected, never allowed", events: []any{out(1, "port-unreachable"), replied(comparison(2, 0, trace.Unexpected, "silence"), "RFC 1122 §3.2.2")}},
		{name: "either was allowed", events: []any{
			in(1, "echo-request", hooks.Answered), reply(), replied(comparison(3, 1, trace.Match, "either"), rfc4)}},

		{name: "an error, as by hand", events: []any{in(1, "dns-query", hooks.Answered), out(2, "port-unreachable"), unreachable}},
		{name: "an error, missing", events: []any{in(1, "dns-query", hooks.Dropped, "closed-port"), silent(notSent, "closed-port", "RFC 1122 §4.1.3.1")}},

		{name: "bad header checksum", events: []any{in(1, "bad-header-checksum", hooks.Dropped, "bad-ipv4-checksum")}},
		{name: "guarded", events: []any{packet(1, hooks.Inbound, toGuard, hooks.Guarded, "guard-fragment-too-long")}},
		{name: "detached", events: []any{in(1, "echo-request", hooks.Dropped, hooks.ReasonDetached)}},
		{name: "an outbound packet dropped", events: []any{packet(1, hooks.Outbound, sample(t, "echo-reply"), hooks.Dropped, hooks.ReasonUnknown)}},

		{name: "fragments", events: []any{in(1, "fragment-first", hooks.Delivered), reassembled, in(3, "fragment-tiny", hooks.Delivered)}},
		{name: "fragments over IPv6", events: []any{in(1, "fragment6-first", hooks.Delivered), in(2, "fragment6-later", hooks.Delivered)}},
		{name: "an atomic fragment", events: []any{in(1, "atomic-fragment6", hooks.Answered)}},

		{name: "TCP", events: []any{in(1, "tcp-syn", hooks.Delivered), out(2, "tcp-sack"), in(3, "tcp-data", hooks.Delivered), out(4, "tcp-rst")}},
		{name: "UDP", events: []any{in(1, "dns-query", hooks.Delivered), in(2, "udp-no-checksum", hooks.Delivered), in(3, "udp6", hooks.Delivered),
			in(4, "udp6-no-checksum", hooks.Dropped, "bad-udp-checksum")}},
		{name: "ICMP", events: []any{out(1, "port-unreachable"), in(2, "timestamp-request", hooks.Delivered), out(3, "packet-too-big"),
			in(4, "neighbor-solicitation", hooks.Delivered), out(5, "neighbor-advertisement"), in(6, "router-advertisement", hooks.Delivered), out(7, "mld-report")}},
		{name: "IPv4 options", events: []any{in(1, "echo-record-route", hooks.Answered), in(2, "echo-source-route", hooks.Delivered)}},
		{name: "IPv6 extensions", events: []any{in(1, "routing6", hooks.Dropped, "routing-header")}},
		{name: "another protocol", events: []any{in(1, "esp", hooks.Delivered)}},

		{name: "mended", events: []any{
			by(in(1, "fragment-later", hooks.Answered), "ecn-reassembly"),
			by(out(2, "echo-reply"), "reserved-flag"),
			mendedReply,
			by(in(4, "echo-source-route", hooks.Mended, "source-route"), "source-route"),
			by(out(5, "echo-reply"), "source-route"),
			by(packet(6, hooks.Outbound, sample(t, "port-unreachable"), hooks.Mended, "class-e-error"), "class-e-error"),
			by(out(7, "port-unreachable"), "quoted-options", "quoted-checksum"),
		}},

		{name: "left to hardware", events: []any{
			offloaded(1, hooks.Inbound, sample(t, "offloaded"), wire.Offload{Partial: true}, hooks.Delivered, ""),
			offloaded(2, hooks.Inbound, sample(t, "tcp-data"), wire.Offload{Partial: true}, hooks.Dropped, "bad-partial-checksum"),
			offloaded(3, hooks.Inbound, sample(t, "offloaded"), wire.Offload{Validated: true}, hooks.Delivered, ""),
			offloaded(4, hooks.Inbound, sample(t, "tcp-data"), wire.Offload{Validated: true}, hooks.Delivered, ""),
			offloaded(5, hooks.Inbound, super(peer4, host4), superSegment, hooks.Delivered, ""),
			offloaded(6, hooks.Outbound, super(host6, peer6), superSegment, hooks.Sent, ""),
		}},

		{name: "malformed", events: []any{
			in(1, "bad-ihl", hooks.Dropped, wire.ReasonBadHeaderLength),
			in(2, "truncated", hooks.Dropped, wire.ReasonTruncated),
			in(3, "truncated6", hooks.Dropped, wire.ReasonTruncated),
			in(4, "bad-option", hooks.Dropped, wire.ReasonBadOption),
			in(5, "trailing", hooks.Delivered),
			packet(6, hooks.Inbound, sample(t, "echo-request")[:3], hooks.Dropped, wire.ReasonTooShort),
			packet(7, hooks.Inbound, nil, hooks.Dropped, wire.ReasonTooShort),
			packet(8, hooks.Inbound, badVersion, hooks.Dropped, wire.ReasonBadVersion),
			packet(9, hooks.Inbound, mapped, hooks.Dropped, "bad-icmp-checksum"),
			packet(10, hooks.Inbound, shortened(t, "echo-request", 24), hooks.Dropped, wire.ReasonShortICMP),
			packet(11, hooks.Inbound, shortened(t, "tcp-syn", 30), hooks.Dropped, wire.ReasonShortTCP),
			packet(12, hooks.Inbound, shortened(t, "dns-query", 40), hooks.Dropped, wire.ReasonBadUDPLength),
			packet(13, hooks.Inbound, shortened(t, "fragment-first", 61), hooks.Dropped, wire.ReasonBadFragment),
		}},

		{name: "summary", summary: plain},
		{name: "summary with drops and losses", summary: full},
		{name: "summary of nothing", summary: &trace.Summary{}},
		{name: "summary with answerers", summary: answered},
	}
}

// shortened returns an IPv4 sample cut to n bytes, with a header that says so.
func shortened(t testing.TB, name string, n int) []byte {
	t.Helper()
	b := sample(t, name)[:n]
	b[2], b[3], b[10], b[11] = byte(n>>8), byte(n), 0, 0
	sum := wire.Checksum(b[:20])
	b[10], b[11] = byte(sum>>8), byte(sum)
	return b
}
