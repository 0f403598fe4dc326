package mcp_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/wire"
)

// TestToolsGolden holds what a model is told of the tools, for people to read
// whether it says what to do.
func TestToolsGolden(t *testing.T) {
	session := newBench(t).overHTTP(t)
	tools, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var golden bytes.Buffer
	fmt.Fprintf(&golden, "%s\n", session.InitializeResult().Instructions)
	for _, tool := range tools.Tools {
		text, err := json.MarshalIndent(tool, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&golden, "%s\n", text)
	}
	const path = "testdata/tools.golden"
	if *update {
		if err := os.WriteFile(path, golden.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file: %v; -update writes it", err)
	}
	if diff := cmp.Diff(string(want), golden.String()); diff != "" {
		t.Errorf("%s differs (-want +got), -update rewrites it:\n%s", path, diff)
	}
}

// TestPing answers pings of both families and many lengths, each way.
func TestPing(t *testing.T) {
	for _, way := range []string{"http", "stdio"} {
		t.Run(way, func(t *testing.T) {
			b := newBench(t)
			session := b.over(t, way)
			var want [][]byte
			for i, n := range []int{0, 1, 2, 55, 56, 57, 1400, 1472, 1473, 65500} {
				for _, request := range [][]byte{ping4(uint16(i), n), ping6(uint16(i), n)} {
					reply := b.ping(t, request)
					want = append(want, reply)
					got := call[readResult](t, session, "read_packet", nil)
					if got.Status != "packet" || got.ID == 0 || got.Packet != hex.EncodeToString(request) || got.Bytes != len(request) || got.Pending != 1 {
						t.Fatalf("%d bytes: read %+v", n, got)
					}
					if diff := cmp.Diff(spelled(request), strings.Join(got.Words, "\n")); diff != "" {
						t.Errorf("%d bytes (-want +got):\n%s", n, diff)
					}
					answer := call[writeResult](t, session, "write_reply", args{"packet": hex.EncodeToString(reply)})
					if answer.Verdict != "match" || !answer.Sent || answer.ID != got.ID || answer.Why != "" {
						t.Errorf("%d bytes: answer %+v", n, answer)
					}
				}
			}
			if diff := cmp.Diff(want, b.replies()); diff != "" {
				t.Errorf("replies sent (-want +got):\n%s", diff)
			}
			if list := call[listResult](t, session, "list_pending", nil); list.Count != 0 || len(list.Requests) != 0 {
				t.Errorf("pending: %+v", list)
			}
		})
	}
}

// spelled writes a packet word by word, another way than the server does.
func spelled(b []byte) string {
	if len(b) > 1500 {
		return ""
	}
	var out strings.Builder
	for i, c := range b {
		switch {
		case i%16 == 0 && i > 0:
			fmt.Fprintf(&out, "\n%d: ", i)
		case i%16 == 0:
			out.WriteString("0: ")
		case i%2 == 0:
			out.WriteByte(' ')
		}
		fmt.Fprintf(&out, "%02x", c)
	}
	return out.String()
}

// TestForms: hexadecimal as models and tools write it.
func TestForms(t *testing.T) {
	b := newBench(t)
	session := b.overHTTP(t)
	for i, form := range []func(string) string{
		func(s string) string { return s },
		strings.ToUpper,
		func(s string) string { return "0x" + s },
		func(s string) string { return " " + strings.Join(pairs(s), " ") + "\n" },
		func(s string) string { return strings.Join(pairs(s), ":") },
		func(s string) string { return "0x" + strings.Join(pairs(s), " 0x") },
		func(s string) string { return s[:40] + "\n" + s[40:] },
	} {
		reply := b.ping(t, ping4(uint16(i), 56))
		text := form(hex.EncodeToString(reply))
		if got := call[writeResult](t, session, "write_reply", args{"packet": text}); got.Verdict != "match" {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func pairs(s string) (out []string) {
	for i := 0; i < len(s); i += 2 {
		out = append(out, s[i:i+2])
	}
	return out
}

// TestRefusals: what is handed in wrongly is refused in words, and the request
// waits on.
func TestRefusals(t *testing.T) {
	b := newBench(t)
	session := b.overHTTP(t)
	if got, why := refusal[writeResult](t, session, "write_reply", args{"packet": hex.EncodeToString(ping4(1, 8))}); got.Verdict != "refused" || !strings.Contains(why, "no echo request waits") {
		t.Errorf("a reply to nobody: %+v %s", got, why)
	}
	reply := b.ping(t, ping4(1, 56))
	changed := func(at int, to byte) string {
		r := bytes.Clone(reply)
		r[at] = to
		return hex.EncodeToString(r)
	}
	for _, test := range []struct{ name, packet, want string }{
		{"nothing", "", "no digits"},
		{"no digits", "the reply", "line 1, character 1: 't' is no hexadecimal digit: expected one IP packet in hexadecimal"},
		{"half a byte", "450", "stands alone"},
		{"one byte", "45", "length is 1 byte"},
		{"too long", strings.Repeat("00", 65576), "the packet has 65576 bytes: no IP packet has more than 65575"},
		{"longer than messages should be", strings.Repeat("00", 120_000), "the packet has 120000 bytes"},
		{"still a request", changed(20, 8), "icmpv4 type 8"},
		{"sums not computed", changed(22, reply[22]^0xff), "ICMP checksum is 0x"},
		{"header sum", changed(10, reply[10]^1), "IPv4 header checksum is 0x"},
		{"identifier", changed(25, 14), "identifier is 14, by hand 13"},
		{"cut", hex.EncodeToString(reply[:80]), "length is 80 bytes, by hand 84 bytes, as its header says"},
		{"of the other family", hex.EncodeToString(b.replyTo(t, ping6(1, 56))), "version is 6, by hand 4"},
	} {
		got, why := refusal[writeResult](t, session, "write_reply", args{"packet": test.packet})
		if got.Sent || got.Verdict == "match" || !strings.Contains(got.Why, test.want) || !strings.Contains(why, "verdict") {
			t.Errorf("%s: %+v, want %q", test.name, got, test.want)
		}
		if list := call[listResult](t, session, "list_pending", nil); list.Count != 1 {
			t.Fatalf("%s: %d requests wait, want 1", test.name, list.Count)
		}
	}
	if got := call[writeResult](t, session, "write_reply", args{"packet": hex.EncodeToString(reply)}); got.Verdict != "match" {
		t.Errorf("the right one at last: %+v", got)
	}
	if _, why := refusal[writeResult](t, session, "write_reply", args{"packet": hex.EncodeToString(reply)}); !strings.Contains(why, "answered already") {
		t.Errorf("the right one once more: %s", why)
	}
	if got := len(b.replies()); got != 1 {
		t.Errorf("%d replies were sent, want 1", got)
	}
}

// replyTo is the reply by hand to a request that is never put to the desk.
func (b *bench) replyTo(t *testing.T, request []byte) []byte {
	t.Helper()
	return newBench(t).ping(t, request)
}

// TestArguments: what a schema forbids is refused in words too.
func TestArguments(t *testing.T) {
	session := newBench(t).overHTTP(t)
	for _, test := range []struct {
		tool string
		args args
		want string
	}{
		{"read_packet", args{"wait_seconds": 51}, "wait_seconds"},
		{"read_packet", args{"wait_seconds": -1}, "wait_seconds"},
		{"read_packet", args{"wait_seconds": "long"}, "wait_seconds"},
		{"read_packet", args{"wait": 1}, "wait"},
		{"read_packet", args{"id": 7}, "request 7 is not pending"},
		{"write_reply", args{}, "packet"},
		{"write_reply", args{"packet": 45}, "packet"},
		{"list_pending", args{"all": true}, "all"},
		{"check_checksum", args{}, "no reply has been judged yet"},
	} {
		if _, why := refusal[map[string]any](t, session, test.tool, test.args); !strings.Contains(why, test.want) {
			t.Errorf("%s %v: %s", test.tool, test.args, why)
		}
	}
	if _, _, err := try[any](t.Context(), session, "answer_everything", nil); err == nil {
		t.Error("a tool that is none can be called")
	}
}

// TestCheck: the sum of a reply is worked out after it was judged, and never
// before.
func TestCheck(t *testing.T) {
	b := newBench(t)
	session := b.overHTTP(t)
	right := b.ping(t, ping4(1, 56))
	wrong := bytes.Clone(right)
	wrong[22], wrong[23] = 0, 0
	var p wire.Packet
	p.Decode(right)
	sum := fmt.Sprintf("%04x", p.ICMP.Checksum)
	ask := func(reply []byte) args { return args{"packet": hex.EncodeToString(reply)} }

	for _, reply := range [][]byte{right, wrong, ping4(1, 56)} {
		got, why := refusal[checkResult](t, session, "check_checksum", ask(reply))
		if !strings.Contains(why, "have not been judged") || strings.Contains(why, sum) || got.Working != "" {
			t.Errorf("before the answer: %+v %s", got, why)
		}
	}
	refusal[writeResult](t, session, "write_reply", ask(wrong))
	for _, a := range []args{nil, ask(wrong)} {
		got := call[checkResult](t, session, "check_checksum", a)
		if got.Packet != hex.EncodeToString(wrong) || len(got.Checksums) != 2 {
			t.Fatalf("%+v", got)
		}
		if c := got.Checksums[1]; c.Layer != "icmpv4" || c.Offset != 22 || c.Seen != "0x0000" || c.Hand != "0x"+sum || c.Verdict != "bad" {
			t.Errorf("%+v", c)
		}
		if !strings.Contains(got.Working, "complement                 "+sum) {
			t.Errorf("the working does not end in %s:\n%s", sum, got.Working)
		}
	}
	// Another that was not judged is not told of either.
	if _, why := refusal[checkResult](t, session, "check_checksum", ask(right)); !strings.Contains(why, "have not been judged") {
		t.Error(why)
	}
	call[writeResult](t, session, "write_reply", ask(right))
	if got := call[checkResult](t, session, "check_checksum", nil); got.Packet != hex.EncodeToString(right) || got.Checksums[0].Verdict != "ok" || got.Checksums[1].Verdict != "ok" {
		t.Errorf("%+v", got)
	}
	// What nobody waits for is not judged: its sum stays untold.
	other := b.replyTo(t, ping4(2, 56))
	refusal[writeResult](t, session, "write_reply", ask(other))
	if _, why := refusal[checkResult](t, session, "check_checksum", ask(b.replyTo(t, ping4(3, 56)))); !strings.Contains(why, "have not been judged") {
		t.Error(why)
	}
}

// TestReading: each request is given once, in order, and can be read again.
func TestReading(t *testing.T) {
	b := newBench(t)
	session := b.overHTTP(t)
	if got := call[readResult](t, session, "read_packet", args{"wait_seconds": 0}); got.Status != "timeout" || got.Packet != "" || got.Pending != 0 {
		t.Errorf("nothing there: %+v", got)
	}
	for i := range 3 {
		b.ping(t, ping4(uint16(i), 8))
	}
	var ids []uint64
	for i := range 3 {
		got := call[readResult](t, session, "read_packet", args{"wait_seconds": 0})
		if got.Packet != hex.EncodeToString(ping4(uint16(i), 8)) || got.Pending != 3 {
			t.Errorf("request %d: %+v", i, got)
		}
		ids = append(ids, got.ID)
	}
	if got := call[readResult](t, session, "read_packet", args{"wait_seconds": 0}); got.Status != "timeout" || got.Pending != 3 {
		t.Errorf("all given: %+v", got)
	}
	if got := call[readResult](t, session, "read_packet", args{"id": ids[1]}); got.Packet != hex.EncodeToString(ping4(1, 8)) {
		t.Errorf("read again: %+v", got)
	}
	list := call[listResult](t, session, "list_pending", nil)
	if list.Count != 3 || len(list.Requests) != 3 {
		t.Fatalf("%+v", list)
	}
	if r := list.Requests[2]; r.ID != ids[2] || r.From != peer4 || r.To != host4 || r.Bytes != 36 || !r.Given {
		t.Errorf("%+v", r)
	}
	for i := range 100 {
		b.ping(t, ping4(uint16(100+i), 8))
	}
	if list := call[listResult](t, session, "list_pending", nil); list.Count != 103 || len(list.Requests) != 64 || list.Requests[0].ID != ids[0] {
		t.Errorf("%d pending, %d listed", list.Count, len(list.Requests))
	}
}
