package respond

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// TestParseCommand: what is unambiguous is taken, and what is not is told why.
func TestParseCommand(t *testing.T) {
	for _, c := range []struct{ line, hex, refusal string }{
		{line: "READ"},
		{line: " read\t\r"},
		{line: "WRITE 4500", hex: "4500"},
		{line: "write 45 0A ff", hex: "450aff"},
		{line: "WRITE 0x45000A", hex: "45000a"},
		{line: "WRITE\t0X45 0x00:0a", hex: "45000a"},
		{line: "", refusal: "the line is empty: expected READ, or WRITE and a packet in hex"},
		{line: "READ 4", refusal: `nothing stands behind READ, and "4" does`},
		{line: "WRITE", refusal: "WRITE needs a packet in hex behind it"},
		{line: "WRITE 450", refusal: `parse hex: character 3: '0' stands alone: a byte has two digits`},
		{line: "WRITE 4 500", refusal: `parse hex: character 1: '4' stands alone: a byte has two digits`},
		{line: "WRITE 45g0", refusal: `parse hex: character 3: 'g' is no hexadecimal digit`},
		{line: "WRITE # 45", refusal: "parse hex: no digits"},
		{line: "4500", refusal: `"4500" is no command: expected READ, or WRITE and a packet in hex`},
		{line: "\x1b[2J" + strings.Repeat("x", 30), refusal: `"\x1b[2Jxxxxxxxxxxxxxxxx"… is no command: expected READ, or WRITE and a packet in hex`},
	} {
		got, err := parseCommand([]byte(c.line))
		said := ""
		if err != nil {
			said = err.Error()
		}
		if diff := cmp.Diff(c.refusal, said); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", c.line, diff)
		}
		if err == nil && (hex.EncodeToString(got.packet) != c.hex || got.read != (c.hex == "")) {
			t.Errorf("%q is %.40x", c.line, got.packet)
		}
	}
}

// TestLines: lines come whole whatever pieces they come in, and too long ones cut.
func TestLines(t *testing.T) {
	const text = "READ\nWRITE 45\r\n\nlonger than the limit is\nREAD\nopen"
	want := []string{"READ", "WRITE 45", "", "longer tha…", "READ", "open"}
	for n := 1; n <= len(text); n++ {
		l := lines{limit: 10}
		var got []string
		each := func(line []byte, cut bool) bool {
			s := string(line)
			if cut {
				s += "…"
			}
			got = append(got, s)
			return true
		}
		for rest := []byte(text); len(rest) > 0; rest = rest[min(n, len(rest)):] {
			l.feed(rest[:min(n, len(rest))], each)
		}
		if l.begun() {
			l.end(each)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("pieces of %d (-want +got):\n%s", n, diff)
		}
	}
}

// FuzzProtocol gives a desk whatever lines: each is answered with one line that
// can be printed, what is given is what was asked, and in other spellings the same
// packet is understood.
func FuzzProtocol(f *testing.F) {
	const reply = "45000054812840004001615dac100002ac100001" +
		"00005cf5000d0001a1fb006a0000000041c4000000000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
	f.Add([]byte("READ\nWRITE " + reply + "\n"))
	request, err := hex.DecodeString(strings.Replace(strings.Replace(reply, "ac100002ac100001", "ac100001ac100002", 1), "00005cf5", "080054f5", 1))
	if err != nil {
		f.Fatal(err)
	}
	hand, _ := hex.DecodeString(reply)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f.Fuzz(func(t *testing.T, input []byte) {
		d := NewDesk(DeskConfig{Name: "fuzz"})
		defer d.Close()
		d.Ask(Question{Packet: request, Hand: hand})
		l := lines{limit: 1 << 12}
		l.feed(append(input, '\n'), func(line []byte, cut bool) bool {
			if len(line) > l.limit || !cut && bytes.ContainsRune(line, '\n') {
				t.Fatalf("a line of %d bytes", len(line))
			}
			c, err := parseCommand(line)
			if err != nil {
				said := refused(err)
				if strings.ContainsFunc(said, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Fatalf("%q is refused with %q", line, said)
				}
				return true
			}
			if !c.read {
				for _, spelt := range []string{hex.EncodeToString(c.packet), strings.ToUpper(hex.EncodeToString(c.packet)), "0x" + hex.EncodeToString(c.packet)} {
					again, err := parseCommand([]byte("WRITE " + spelt))
					if err != nil || !bytes.Equal(again.packet, c.packet) {
						t.Fatalf("%x comes again as %x, %v", c.packet, again.packet, err)
					}
				}
			}
			said, given, err := answer(ctx, d, c, 0)
			switch {
			case err != nil && !c.read:
				t.Fatalf("%q: %v", line, err)
			case err == nil && (said == "" || strings.ContainsAny(said, "\r\n")):
				t.Fatalf("%q is answered %q", line, said)
			case given != 0:
				t.Fatalf("%q is given %d after the end", line, given)
			}
			if said == wordOK && !bytes.Equal(c.packet[20:], hand[20:]) {
				t.Fatalf("%x is right", c.packet)
			}
			return true
		})
	})
}
