package trace_test

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"netstackd/hooks"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// FuzzRender renders any bytes as a packet, in every form, and as both sides
// of a comparison. Text has the packet on one line and everything else set in,
// and nothing in it came from the packet unread: no control character, no
// broken UTF-8. JSON is one object on one line.
func FuzzRender(f *testing.F) {
	paths, err := filepath.Glob("../wire/testdata/packets/*.hex")
	if err != nil || len(paths) == 0 {
		f.Fatalf("list packets: %v", err)
	}
	for _, path := range paths {
		f.Add(sample(f, strings.TrimSuffix(filepath.Base(path), ".hex")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 65535 {
			return
		}
		p := packet(1, hooks.Inbound, b, hooks.Delivered, "")
		c := comparison(2, 1, trace.Match, "either")
		c.Replied, c.RequestBytes, c.ReplyByHand = true, b, b
		s := scene{events: []any{p, c}}
		for _, level := range []trace.Level{trace.Packets, trace.Compare, trace.Explain} {
			text := record(t, level, trace.Text, s)
			if !utf8.ValidString(text) {
				t.Errorf("level %s: not UTF-8: %q", level, text)
			}
			for i, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
				if strings.ContainsFunc(l, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("level %s: unprintable: %q", level, l)
				}
				if first := l != "" && !strings.HasPrefix(l, " "); first != (i == 0) {
					t.Errorf("level %s: line %d is %q", level, i, l)
				}
			}
			lines := strings.SplitAfter(record(t, level, trace.JSON, s), "\n")
			want := 3 // two, and what is after the last end of line
			if level == trace.Packets {
				want--
			}
			if len(lines) != want || lines[len(lines)-1] != "" {
				t.Fatalf("level %s: %d lines of JSON: %q", level, len(lines)-1, lines)
			}
			o := parse(t, lines[0])
			if _, ok := o["problem"]; ok == (p.Packet.Problem == wire.Problem{}) {
				t.Errorf("level %s: the problem is %+v, the line %s", level, p.Packet.Problem, lines[0])
			}
		}
	})
}
