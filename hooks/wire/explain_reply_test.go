package wire

import (
	"bytes"
	"strings"
	"testing"
)

// explainedReply returns what ExplainReply writes.
func explainedReply(t testing.TB, request, reply []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := ExplainReply(&out, request, reply); err != nil {
		t.Fatalf("ExplainReply: %v", err)
	}
	return out.Bytes()
}

func TestExplainReplyGolden(t *testing.T) {
	for _, test := range []struct{ name, request, reply string }{
		{"echo", "echo-request", "echo-reply"},
		{"echo6", "echo6-request", "echo6-reply"},
		{"record-route", "echo-record-route", "echo-record-route-reply"},
		{"source-route", "echo-source-route", "echo-source-route-reply"},
		{"kept-checksum", "echo-request", "bad-checksum"},
		{"not-an-answer", "echo-request", "port-unreachable"},
		{"not-due", "bad-ihl", "echo-reply"},
	} {
		t.Run(test.name, func(t *testing.T) {
			golden(t, "reply/"+test.name+".txt", explainedReply(t, sample(t, test.request), sample(t, test.reply)))
		})
	}
}

func TestExplainReplyShortcut(t *testing.T) {
	page := string(explainedReply(t, sample(t, "echo-request"), sample(t, "echo-reply")))
	for _, want := range []string{
		"0x54f5 → 0x5cf5", "The reply at hand has 0x5cf5: the same.",
		"IPv4 header checksum: by hand 0x615d, in the packet 0x615d: ok",
		"ICMP checksum: by hand 0x5cf5, in the packet 0x5cf5: ok",
		"Every field of the reply is what it has to be.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// mend writes the right checksums into a packet.
func mend(t testing.TB, b []byte) []byte {
	t.Helper()
	for _, c := range new(Packet).checksOf(b) {
		b[c.Offset], b[c.Offset+1] = byte(c.Hand>>8), byte(c.Hand)
	}
	return b
}

// checksOf decodes b and returns its checks.
func (p *Packet) checksOf(b []byte) []Check {
	p.Decode(b)
	return p.Checksums(nil)
}

// TestExplainReplyIsHonest spoils one field of a right reply at a time, with
// its checksums mended, and expects to be told which it is.
func TestExplainReplyIsHonest(t *testing.T) {
	for _, test := range []struct {
		name, request, reply string
		spoil                func(b []byte) []byte
		wrong                string // as in the summary; empty if the RFCs leave it free
	}{
		{"nothing", "echo-request", "echo-reply", func(b []byte) []byte { return b }, ""},
		{"TOS", "echo-request", "echo-reply", func(b []byte) []byte { b[1] = 8; return b }, ""},
		{"identification", "echo-request", "echo-reply", func(b []byte) []byte { b[4]++; return b }, ""},
		{"reserved bit", "echo-request", "echo-reply", func(b []byte) []byte { b[6] |= 0x80; return b }, "Flags, Fragment Offset (byte 6)"},
		{"TTL 63", "echo-request", "echo-reply", func(b []byte) []byte { b[8] = 63; return b }, ""},
		{"TTL 0", "echo-request", "echo-reply", func(b []byte) []byte { b[8] = 0; return b }, "Time to Live (byte 8)"},
		{"source", "echo-request", "echo-reply", func(b []byte) []byte { b[15]++; return b }, "Source Address (byte 12)"},
		{"destination", "echo-request", "echo-reply", func(b []byte) []byte { b[19]++; return b }, "Destination Address (byte 16)"},
		{"type", "echo-request", "echo-reply", func(b []byte) []byte { b[20] = 8; return b }, "Type (byte 20)"},
		{"code", "echo-request", "echo-reply", func(b []byte) []byte { b[21] = 1; return b }, "Code (byte 21)"},
		{"identifier", "echo-request", "echo-reply", func(b []byte) []byte { b[25]++; return b }, "Identifier (byte 24)"},
		{"sequence", "echo-request", "echo-reply", func(b []byte) []byte { b[27]++; return b }, "Sequence Number (byte 26)"},
		{"data", "echo-request", "echo-reply", func(b []byte) []byte { b[83]++; return b }, "Data (byte 28)"},
		{"shorter", "echo-request", "echo-reply", func(b []byte) []byte { b[3] -= 2; return b[:82] }, "Total Length (byte 2), Data (byte 28)"},
		{"flow label", "echo6-request", "echo6-reply", func(b []byte) []byte { b[3] = 7; return b }, ""},
		{"hop limit", "echo6-request", "echo6-reply", func(b []byte) []byte { b[7] = 0; return b }, "Hop Limit (byte 7)"},
		{"source 6", "echo6-request", "echo6-reply", func(b []byte) []byte { b[23]++; return b }, "Source Address (byte 8)"},
		{"type 6", "echo6-request", "echo6-reply", func(b []byte) []byte { b[40] = 128; return b }, "Type (byte 40)"},
		{"data 6", "echo6-request", "echo6-reply", func(b []byte) []byte { b[103]++; return b }, "Data (byte 48)"},
		{"route not reversed", "echo-source-route", "echo-reply", func(b []byte) []byte { return b }, "the source route"},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply := mend(t, test.spoil(sample(t, test.reply)))
			page := strings.Join(strings.Fields(string(explainedReply(t, sample(t, test.request), reply))), " ")
			want := "Every field of the reply is what it has to be."
			if test.wrong != "" {
				want = "The reply is not what it has to be, in: "
			}
			if !strings.Contains(page, want) || !strings.Contains(page, test.wrong) {
				t.Errorf("the page lacks %q and %q:\n%s", want, test.wrong, page)
			}
			if (test.wrong != "") != strings.Contains(page, "WRONG: ") {
				t.Error("the page's rows do not agree with its summary")
			}
		})
	}
}

// TestExplainReplyShortcutCarries takes the arithmetic through every sequence
// number, the carries and the zeros with them.
func TestExplainReplyShortcutCarries(t *testing.T) {
	request := append([]byte(nil), sample(t, "echo-request")[:28]...)
	request[3] = 28
	for _, id := range []int{0, 1, 0xf7fe, 0xf7ff, 0xf800, 0xfffe, 0xffff} {
		request[24], request[25], request[26], request[27] = byte(id>>8), byte(id), 0, 0
		request = mend(t, request)
		reply := append([]byte(nil), request...)
		reply[20] = 0
		copy(reply[12:], request[16:20])
		copy(reply[16:], request[12:16])
		reply = mend(t, reply)
		page := string(explainedReply(t, request, reply))
		if !strings.Contains(page, "Every field of the reply is what it has to be.") {
			t.Errorf("id %#04x: the reply is called wrong:\n%s", id, page)
		}
		if strings.Contains(page, "does not lead there") {
			t.Errorf("id %#04x: the short way misses:\n%s", id, page)
		}
	}
}
