package trace_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// object is a JSON object with its numbers as they were written.
type object = map[string]any

// parse reads one JSON line.
func parse(t testing.TB, text string) object {
	t.Helper()
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		t.Fatalf("not one line: %q", text)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var o object
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return o
}

func num[N int | uint8 | uint16 | uint32 | uint64](n N) json.Number {
	return json.Number(fmt.Sprint(n))
}

// TestRoundTrip: every fact of every sample packet is in its line, in the form
// that it must have, and nothing else is.
func TestRoundTrip(t *testing.T) {
	paths, err := filepath.Glob("../wire/testdata/packets/*.hex")
	if err != nil || len(paths) < 40 {
		t.Fatalf("list packets: %d found, %v", len(paths), err)
	}
	for i, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".hex")
		for _, d := range []hooks.Direction{hooks.Inbound, hooks.Outbound} {
			o := []wire.Offload{{}, {Partial: true, SegmentSize: 5}, {Validated: true}}[i%3]
			p := offloaded(7, d, sample(t, name), o, hooks.Dropped, "some-reason")
			p.Reassembled = i%2 == 0
			for _, level := range []trace.Level{trace.Packets, trace.Compare, trace.Explain} {
				got := parse(t, record(t, level, trace.JSON, scene{events: []any{p}}))
				if diff := cmp.Diff(facts(t, level, p), got); diff != "" {
					t.Errorf("%s at level %s (-want +got):\n%s", name, level, diff)
				}
			}
		}
	}
}

// facts is what the line of a packet must hold.
func facts(t *testing.T, level trace.Level, p trace.Packet) object {
	t.Helper()
	w := &p.Packet
	o := object{
		"type": "packet", "ts": p.Time.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano), "seq": num(p.Seq),
		"dir": string(p.Direction), "len": num(p.Len), "fate": string(p.Fate), "reason": p.Reason,
	}
	if w.Trailing > 0 {
		o["trailing"] = num(w.Trailing)
	}
	if w.Src.IsValid() {
		ip := object{"version": num(w.Version), "src": w.Src.String(), "dst": w.Dst.String(), "proto": num(w.Protocol)}
		if w.Version == 4 {
			ip["ttl"], ip["id"] = num(w.IPv4.TTL), num(w.IPv4.ID)
		} else {
			ip["ttl"] = num(w.IPv6.HopLimit)
		}
		o["ip"] = ip
	}
	if f := w.Fragment; f.Header {
		o["frag"] = object{"id": num(f.ID), "offset": num(f.Offset), "more": f.More}
	}
	switch w.Upper {
	case wire.LayerICMPv4, wire.LayerICMPv6:
		icmp := object{"type": num(w.ICMP.Type), "code": num(w.ICMP.Code)}
		switch {
		case w.Version == 4 && (w.ICMP.Type == 0 || w.ICMP.Type == 8), w.Version == 6 && (w.ICMP.Type == 128 || w.ICMP.Type == 129):
			icmp["id"], icmp["seq"] = num(w.ICMP.ID), num(w.ICMP.Seq)
		}
		o["icmp"] = icmp
	case wire.LayerTCP:
		o["tcp"] = object{
			"sport": num(w.TCP.SrcPort), "dport": num(w.TCP.DstPort), "seq": num(w.TCP.Seq), "ack": num(w.TCP.Ack),
			"flags": wire.TCPFlagString(w.TCP.Flags), "win": num(w.TCP.Window),
		}
	case wire.LayerUDP:
		o["udp"] = object{"sport": num(w.UDP.SrcPort), "dport": num(w.UDP.DstPort)}
	}
	if p.Segments > 1 {
		o["gso"] = object{"type": fmt.Sprintf("tcpv%d", w.Version), "size": num(w.Offload.SegmentSize), "segments": num(p.Segments)}
	}
	if pr := w.Problem; !pr.IsZero() {
		o["problem"] = object{
			"reason": pr.Reason, "layer": string(pr.Layer), "offset": num(pr.Offset), "seen": num(pr.Seen), "limit": num(pr.Limit),
		}
	}
	if level == trace.Packets {
		return o
	}
	checks := []any{}
	for i, c := range p.Checks[:p.NChecks] {
		check := object{
			"layer": string(c.Layer), "offset": num(c.Offset), "seen": fmt.Sprintf("0x%04x", c.Seen), "hand": fmt.Sprintf("0x%04x", c.Hand),
			"verdict": string(c.Verdict),
		}
		if p.Reassembled && i == p.NChecks-1 {
			check["reassembled"] = true
		}
		if p.Vouched(c) {
			check["vouched"] = true
		}
		checks = append(checks, check)
	}
	o["checksums"] = checks
	if level == trace.Explain {
		o["explain"], _ = explanation(t, p)
	}
	return o
}

// TestComparisonJSON: diffs are always a list, and there is a latency if and
// only if a reply came to a request.
func TestComparisonJSON(t *testing.T) {
	c := trace.Comparison{
		Time: start, Seq: 9, Request: 4, Responder: "netstack", Live: true, Result: trace.Differ, Due: "reply", RFC: "RFC 792",
		Replied: true, Latency: 1234567 * time.Nanosecond,
		Diffs: []trace.Diff{{Field: "code", Offset: 21, Netstack: "1", Hand: "0", Class: trace.May, RFC: "RFC 792"}},
	}
	want := object{
		"type": "compare", "ts": "2026-08-14T09:30:07.123456Z", "seq": num(9), "request": num(4), "responder": "netstack", "live": true,
		"result": "differ", "due": "reply", "rfc": "RFC 792", "latency_us": num(1234),
		"diffs": []any{object{"field": "code", "offset": num(21), "netstack": "1", "hand": "0", "class": "may", "rfc": "RFC 792"}},
	}
	for _, tt := range []struct {
		name   string
		change func()
	}{
		{"as it is", func() {}},
		{"without diffs", func() { c.Diffs, want["diffs"] = nil, []any{} }},
		{"with a reason", func() { c.Reason, want["reason"] = "not-ours", "not-ours" }},
		{"explained", func() {
			c.RequestBytes, c.ReplyByHand = sample(t, "echo-request"), sample(t, "echo-reply")
			want["explain"], _ = explanation(t, c)
		}},
		{"at once", func() { c.Latency, want["latency_us"] = 0, num(0) }},
		{"to nothing", func() { c.Request, want["request"] = 0, num(0); delete(want, "latency_us") }},
		{"not replied", func() { c.Request, want["request"], c.Replied = 4, num(4), false }},
	} {
		tt.change()
		got := parse(t, record(t, trace.Explain, trace.JSON, scene{events: []any{c}}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestLevels: at level packets there are no comparisons, and only at level
// explain does a recorder ask for bytes.
func TestLevels(t *testing.T) {
	c := comparison(2, 1, trace.Missing, "reply")
	for _, format := range []trace.Format{trace.Text, trace.JSON} {
		if got := record(t, trace.Packets, format, scene{events: []any{c}}); got != "" {
			t.Errorf("%s: a comparison was written at level packets: %s", format, got)
		}
	}
	for _, level := range []trace.Level{trace.Packets, trace.Compare, trace.Explain} {
		r, err := trace.NewRecorder(nil, level, trace.Text, silentLog())
		if err != nil {
			t.Fatal(err)
		}
		if got := r.WantsBytes(); got != (level == trace.Explain) {
			t.Errorf("level %s: WantsBytes %v", level, got)
		}
	}
	for _, bad := range []struct {
		level  trace.Level
		format trace.Format
	}{{"", trace.Text}, {"off", trace.Text}, {trace.Packets, ""}, {trace.Packets, "xml"}} {
		if _, err := trace.NewRecorder(nil, bad.level, bad.format, silentLog()); err == nil {
			t.Errorf("a recorder of level %q and format %q was made", bad.level, bad.format)
		}
	}
}

// TestSummaryText: the losses stand in it, and only if there are any. The
// golden files cannot show that: a recorder puts in its own.
func TestSummaryText(t *testing.T) {
	s := trace.Summary{Drops: map[string]uint64{"b-reason": 2, "a-reason": 1}, TraceLost: 17}
	text := s.Text()
	if !strings.HasSuffix(text, "\ndropped: 1 a-reason\ndropped: 2 b-reason\ntrace events lost: 17\n") {
		t.Errorf("summary:\n%s", text)
	}
	s.TraceLost = 0
	if text := s.Text(); strings.Contains(text, "lost") {
		t.Errorf("summary of a trace without loss:\n%s", text)
	}
}
