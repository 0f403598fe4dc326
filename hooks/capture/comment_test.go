package capture_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/capture"
	"netstackd/hooks/compare"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// partial says of an event that its packet's last checksum is left to hardware.
func partial(e trace.Packet) trace.Packet { return offloaded(e, wire.Offload{Partial: true}) }

// offloaded says of an event what was left to hardware.
func offloaded(e trace.Packet, o wire.Offload) trace.Packet {
	var p hooks.Packet
	b := e.Packet.Bytes
	p.SetOffloaded(e.Direction, b, o, e.Time)
	e.NChecks = copy(e.Checks[:], p.Checks())
	e.Packet, e.Segments = p.Packet, p.Segments()
	e.Packet.Bytes = b
	return e
}

// super is a super-segment as long as one can be, in segments of 1,448.
func super(seq uint64, d hooks.Direction, src, dst string) trace.Packet {
	b := bt.Partial(bt.TCP{SrcPort: 49152, DstPort: 80, Flags: bt.Ack, Data: bt.Data(65495)}.Packet(src, dst))
	return offloaded(packet(seq, d, b, hooks.Delivered, ""), wire.Offload{Partial: true, SegmentSize: 1448})
}

// left returns a packet whose upper layer's field holds the pseudo-header sum
// that offload expects.
func left(b []byte) []byte {
	b = slices.Clone(b)
	var p wire.Packet
	p.Decode(b)
	data := p.Data()
	at := p.Payload + 16
	if p.Upper == wire.LayerUDP {
		at, data = p.Payload+6, data[:p.UDP.Length]
	}
	binary.BigEndian.PutUint16(b[at:], wire.PseudoHeader(p.Src, p.FinalDst(), p.Protocol, len(data)))
	return b
}

// kinds are events of all kinds.
func kinds(t testing.TB) []any {
	t.Helper()
	all := samples(t)
	var events []any
	seq := uint64(0)
	next := func(d hooks.Direction, b []byte, fate hooks.Fate, reason string) trace.Packet {
		seq++
		return packet(seq, d, b, fate, reason)
	}
	request := func(fate hooks.Fate) trace.Packet { return next(hooks.Inbound, all["echo-request"], fate, "") }
	reply := func(b []byte) trace.Packet { return next(hooks.Outbound, b, hooks.Sent, "") }
	compared := func(request trace.Packet, result trace.Result, diffs ...trace.Diff) trace.Comparison {
		seq++
		return comparison(seq, request.Seq, result, diffs...)
	}

	r := request(hooks.Answered)
	events = append(events, r, reply(all["echo-reply"]), compared(r, trace.Match))

	r = request(hooks.Answered)
	events = append(events, r, reply(all["bad-checksum"]), compared(r, trace.Differ,
		trace.Diff{Field: "identification", Offset: 4, Netstack: "33064", Hand: "7", Class: trace.May, RFC: "RFC 6864 §4.1"},
		trace.Diff{Field: "icmpv4 checksum", Offset: 22, Netstack: "0x54f5", Hand: "0x5cf5", Class: trace.Must, RFC: "RFC 1071 §1"}))

	r = request(hooks.Delivered)
	missing := compared(r, trace.Missing)
	missing.Replied, missing.Latency, missing.Reply = false, 0, 0
	events = append(events, r, missing)

	r = next(hooks.Inbound, all["bad-checksum"], hooks.Dropped, "bad-checksum")
	silence := compared(r, trace.Match)
	silence.Replied, silence.Latency, silence.Reply = false, 0, 0
	silence.Due, silence.Reason, silence.RFC = "silence", "bad-checksum", "RFC 792"
	events = append(events, r, silence)

	events = append(events, reply(all["echo6-reply"]))
	unexpected := compared(trace.Packet{}, trace.Unexpected)
	unexpected.Due, unexpected.RFC = "silence", ""
	events = append(events, unexpected)

	r = next(hooks.Inbound, all["fragment-later"], hooks.Answered, "")
	r.Checks[r.NChecks] = wire.Check{Layer: wire.LayerICMPv4, Offset: 22, Seen: 0x1234, Hand: 0x1234, Verdict: wire.OK}
	r.NChecks, r.Reassembled = r.NChecks+1, true
	events = append(events, r)

	mended := next(hooks.Inbound, all["echo-request"], hooks.Answered, "")
	mended.Mended = []string{"ignored-options"}
	made := reply(all["echo-reply"])
	made.Mended = []string{"reserved-flag", "zero-destination"}
	judged := compared(mended, trace.Match)
	judged.Mended = []string{"ignored-options", "reserved-flag", "zero-destination"}
	withheld := next(hooks.Inbound, all["echo-source-route"], hooks.Mended, "source-route")
	withheld.Mended = []string{"source-route"}
	events = append(events, mended, made, judged, withheld)

	for _, name := range slices.Sorted(maps.Keys(all)) {
		e := next(hooks.Inbound, all[name], hooks.Delivered, "")
		if p := e.Packet.Problem; !p.IsZero() {
			e.Fate, e.Reason = hooks.Dropped, p.Reason
		}
		if name == "offloaded" {
			e = partial(e)
		}
		events = append(events, e)
	}
	events = append(events,
		partial(next(hooks.Outbound, left(all["tcp-long"]), hooks.Sent, "")),
		partial(next(hooks.Outbound, left(all["udp6"]), hooks.Sent, "")),
		partial(next(hooks.Inbound, left(all["udp-all-ones"]), hooks.Delivered, "")),
		partial(next(hooks.Inbound, turned(all["offloaded"], 10, 0), hooks.Dropped, "bad-checksum")), // the IPv4 header's is bad
		next(hooks.Inbound, nil, hooks.Dropped, "too-short"),
		partial(next(hooks.Inbound, all["tcp-data"], hooks.Dropped, "bad-partial-checksum")),
		offloaded(next(hooks.Inbound, all["offloaded"], hooks.Delivered, ""), wire.Offload{Validated: true}),
		super(seq+1, hooks.Inbound, "172.16.0.1", "172.16.0.2"),
		super(seq+2, hooks.Outbound, "fd00:172::2", "fd00:172::1"),
	)
	return events
}

// TestComments: the golden file shows the comment of every kind of packet, and
// beside it what else the capture says.
func TestComments(t *testing.T) {
	ng, blocks := readFile(t, write(t, kinds(t)...))
	var b strings.Builder
	i, err := ng.Interface(0)
	if err != nil {
		t.Fatal(err)
	}
	s := ng.SectionInfo()
	fmt.Fprintf(&b, "section: %s\ninterface: %s, %v, resolution 10^-%d\n", s.Application, i.Name, i.LinkType, i.TimestampResolution.Exponent())
	for _, p := range blocks {
		direction := map[pcapgo.NgEpbFlag]string{pcapgo.NgEpbFlagDirectionInbound: "inbound", pcapgo.NgEpbFlagDirectionOutbound: "outbound"}
		fmt.Fprintf(&b, "%s %s %d of %d bytes\n    %s\n", p.Info.Timestamp.Format("15:04:05.000000000"),
			direction[p.Options.Flags.Direction], p.Info.CaptureLength, p.Info.Length, p.comment())
	}
	checkGolden(t, "comments.golden", b.String())
}

// TestRoundTrip: gopacket reads the bytes, the times and the directions that
// were recorded.
func TestRoundTrip(t *testing.T) {
	events := kinds(t)
	ng, blocks := readFile(t, write(t, events...))
	if ng.LinkType() != layers.LinkTypeRaw {
		t.Errorf("link type %v", ng.LinkType())
	}
	events = slices.DeleteFunc(events, func(e any) bool { _, is := e.(trace.Comparison); return is })
	if len(blocks) != len(events) {
		t.Fatalf("%d packets, want %d", len(blocks), len(events))
	}
	for i, b := range blocks {
		e := events[i].(trace.Packet)
		_, completed := value(b.comment(), "completed")
		if !b.Info.Timestamp.Equal(e.Time) || b.Info.Length != e.Len || !completed && string(b.Data) != string(e.Packet.Bytes) {
			t.Errorf("packet %d: %+v\n%x\nwant %v, %d\n%x", i+1, b.Info, b.Data, e.Time, e.Len, e.Packet.Bytes)
		}
		if v, _ := value(b.comment(), "seq"); v != fmt.Sprint(e.Seq) {
			t.Errorf("packet %d: %s, want seq=%d", i+1, b.comment(), e.Seq)
		}
		if in := b.Options.Flags.Direction == pcapgo.NgEpbFlagDirectionInbound; in != (e.Direction == hooks.Inbound) {
			t.Errorf("packet %d has the flags %+v, want %s", i+1, b.Options.Flags, e.Direction)
		}
	}
}

// TestCompleted: a checksum left to the hardware is right in the capture, and
// as it was in the event's bytes, which others may share.
func TestCompleted(t *testing.T) {
	all := samples(t)
	for _, d := range []hooks.Direction{hooks.Inbound, hooks.Outbound} {
		for _, a := range [][2]string{{"172.16.0.1", "172.16.0.2"}, {"fd00:172::1", "fd00:172::2"}} {
			e := super(1, d, a[0], a[1])
			_, blocks := readFile(t, write(t, e))
			var p wire.Packet
			p.Decode(blocks[0].Data)
			checks := p.Checksums(nil)
			if c := checks[len(checks)-1]; c.Verdict != wire.OK || len(blocks[0].Data) != e.Len {
				t.Errorf("super-segment from %s: %d bytes captured with %+v", a[0], len(blocks[0].Data), c)
			}
		}
	}
	for _, name := range []string{"offloaded", "tcp-long", "tcp-syn", "udp6", "udp-all-ones", "dns-query"} {
		t.Run(name, func(t *testing.T) {
			b := all[name]
			if name != "offloaded" {
				b = left(b)
			}
			e := partial(packet(1, hooks.Outbound, b, hooks.Sent, ""))
			before := slices.Clone(e.Packet.Bytes)
			_, blocks := readFile(t, write(t, e))
			if string(before) != string(e.Packet.Bytes) {
				t.Error("the event's bytes are changed")
			}
			var p wire.Packet
			p.Decode(blocks[0].Data)
			checks := p.Checksums(nil)
			if c := checks[len(checks)-1]; c.Verdict != wire.OK || c.Layer == wire.LayerUDP && c.Seen == 0 {
				t.Errorf("captured with %+v", c)
			}
			if name != "offloaded" && string(blocks[0].Data) != string(all[name]) {
				t.Errorf("captured\n%x, want\n%x", blocks[0].Data, all[name])
			}
		})
	}
}

// TestCompletedShortUDP: what stands behind a datagram that is shorter than
// its IP packet is not summed.
func TestCompletedShortUDP(t *testing.T) {
	b := append(left(samples(t)["udp6"]), 1, 2, 3, 4)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	_, blocks := readFile(t, write(t, partial(packet(1, hooks.Outbound, b, hooks.Sent, ""))))
	var p wire.Packet
	p.Decode(blocks[0].Data)
	if checks := p.Checksums(nil); len(checks) != 1 || checks[0].Verdict != wire.OK {
		t.Errorf("captured with %+v", checks)
	}
}

// TestAttached: a comparison goes to its request and its reply and to nothing
// else, in whatever order and company they come.
func TestAttached(t *testing.T) {
	all := samples(t)
	request := packet(1, hooks.Inbound, all["echo-request"], hooks.Answered, "")
	reply := packet(2, hooks.Outbound, all["echo-reply"], hooks.Sent, "")
	earlier := packet(0, hooks.Outbound, all["echo-reply"], hooks.Sent, "")
	later := packet(4, hooks.Outbound, all["echo-reply"], hooks.Sent, "")
	later.Time = reply.Time // the clock is that coarse
	missing := comparison(3, 1, trace.Missing)
	missing.Replied, missing.Reply = false, 0
	shadow := comparison(5, 1, trace.Match)
	shadow.Time, shadow.Reply = reply.Time, 2
	match := comparison(3, 1, trace.Match)
	for _, tt := range []struct {
		name   string
		events []any
		want   string // the numbers of the packets that are compared, each time
	}{
		{"both", []any{earlier, request, reply, match}, "1 2"},
		{"the reply lost", []any{request, earlier, match}, "1"},
		{"the request lost", []any{reply, match}, "2"},
		{"no reply", []any{request, reply, missing}, "1"},
		{"a packet between", []any{request, reply, later, match}, "1 2"},
		{"two answerers", []any{request, reply, match, shadow}, "1 1 2 2"},
	} {
		_, blocks := readFile(t, write(t, tt.events...))
		var got []string
		for _, b := range blocks {
			seq, _ := value(b.comment(), "seq")
			for range strings.Count(b.comment(), " compare=") {
				got = append(got, seq)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: compared are %v, want %s", tt.name, got, tt.want)
		}
	}
}

// TestPartialWithoutBytes: an event whose checks do not fit its bytes is
// captured as it is.
func TestPartialWithoutBytes(t *testing.T) {
	e := partial(packet(1, hooks.Outbound, samples(t)["offloaded"], hooks.Sent, ""))
	e.Packet.Bytes = e.Packet.Bytes[:30]
	_, blocks := readFile(t, write(t, e))
	if len(blocks[0].Data) != 30 || strings.Contains(blocks[0].comment(), "completed") {
		t.Errorf("captured %x: %s", blocks[0].Data, blocks[0].comment())
	}
}

// TestPartialCut: of a packet of which only the first bytes were wanted the checksum
// stays as it is, and the length is told.
func TestPartialCut(t *testing.T) {
	e := super(1, hooks.Outbound, "172.16.0.2", "172.16.0.1")
	cut := slices.Clone(e.Packet.Bytes[:96])
	e.Packet.Bytes = cut
	_, blocks := readFile(t, write(t, e))
	if b := blocks[0]; string(b.Data) != string(cut) || b.Info.Length != e.Len || strings.Contains(b.comment(), "completed") {
		t.Errorf("%d bytes of %d, %q", len(b.Data), b.Info.Length, b.comment())
	}
}

// TestBounds: whatever the events hold, the capture can be read.
func TestBounds(t *testing.T) {
	all := samples(t)
	long := packet(1, hooks.Inbound, all["echo-request"], hooks.Delivered, "a\nb\xff \"c\"")
	long.Packet.Bytes = make([]byte, capture.MaxPacket+1)
	long.Len = len(long.Packet.Bytes)
	c := comparison(3, 1, trace.Differ)
	c.Responder = "exec:/bin/a b=c"
	for range 5000 {
		c.Diffs = append(c.Diffs, trace.Diff{Field: "ä", Netstack: "§", Hand: "\xff", Class: trace.Must})
	}
	short := packet(2, hooks.Outbound, all["echo-reply"], hooks.Sent, "")
	short.Len = 3 // cannot be
	_, blocks := readFile(t, write(t, long, short, c))
	if n := blocks[0].Info; n.CaptureLength != capture.MaxPacket || n.Length != capture.MaxPacket+1 {
		t.Errorf("captured %+v", n)
	}
	for _, b := range blocks {
		if s := b.comment(); len(s) > 8<<10 || len(s) < 8<<10-4 || !utf8.ValidString(s) || strings.ContainsRune(s, '\n') {
			t.Errorf("a comment of %d bytes: %q", len(s), s)
		}
	}
	if s := blocks[0].comment(); !strings.Contains(s, ` reason="a\nb\xff \"c\"" `) || !strings.Contains(s, ` responder="exec:/bin/a b=c" `) {
		t.Errorf("%.300s", s)
	}
}

// TestBehindComparer: behind the real comparer each comparison finds its
// packets, also when many come at once.
func TestBehindComparer(t *testing.T) {
	all := samples(t)
	path := t.TempDir() + "/f.pcapng"
	r, err := capture.Open(capture.Config{Path: path, Device: "netstack0", Log: silentLog()})
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	now := start
	c := compare.New(compare.Config{
		Host:   byhand.New(prefixes("172.16.0.2/24", "fd00:172::2/64")),
		Ledger: hooks.NewLedger(hooks.DropReasons(), byhand.DropReasons()), Tracer: r, Responder: "netstack",
		Now: func() time.Time { return now },
	})
	see := func(d hooks.Direction, b []byte) {
		var p hooks.Packet
		p.Set(d, slices.Clone(b), now)
		if d == hooks.Inbound {
			c.Inbound(&p)
		} else {
			c.Outbound(&p)
		}
		now = now.Add(time.Microsecond)
	}
	echo := func(name string, seq uint16) []byte { // the checksum changed along
		b := slices.Clone(all[name])
		binary.BigEndian.PutUint16(b[26:], seq)
		binary.BigEndian.PutUint16(b[22:], 0)
		binary.BigEndian.PutUint16(b[22:], wire.Checksum(b[20:]))
		return b
	}
	const pings = 50
	for i := range uint16(pings) {
		see(hooks.Inbound, echo("echo-request", i))
	}
	see(hooks.Inbound, all["tcp-syn"])
	for i := range uint16(pings) {
		see(hooks.Outbound, echo("echo-reply", i))
	}
	see(hooks.Inbound, echo("echo-request", 1000)) // unanswered
	see(hooks.Outbound, echo("echo-reply", 2000))  // unasked
	c.Close()
	if err := r.Close(patience); err != nil || r.Lost() != 0 {
		t.Fatalf("%d lost, %v", r.Lost(), err)
	}
	_, blocks := readFile(t, path)
	if len(blocks) != 2*pings+3 {
		t.Fatalf("%d packets", len(blocks))
	}
	got := map[string]int{}
	for _, b := range blocks {
		result, _ := value(b.comment(), "compare")
		dir, _ := value(b.comment(), "dir")
		got[dir+" "+result]++
		if result == "match" {
			seq := binary.BigEndian.Uint16(b.Data[26:])
			if request, _ := value(b.comment(), "request"); request != fmt.Sprint(seq+1) {
				t.Errorf("echo %d: %s", seq, b.comment())
			}
		}
	}
	want := map[string]int{"in match": pings, "out match": pings, "in missing": 1, "out unexpected": 1, "in ": 1}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("results %v, want %v", got, want)
	}
}
