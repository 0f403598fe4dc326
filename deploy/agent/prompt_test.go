package agent_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// A prompt is the text of ping-respond.md, section by section.
type prompt map[string]string

func readPrompt(t *testing.T) prompt {
	t.Helper()
	text, err := os.ReadFile("ping-respond.md")
	if err != nil {
		t.Fatal(err)
	}
	p := prompt{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		p[title] = body
	}
	return p
}

// example is the section with the worked example.
func (p prompt) example(t *testing.T) string {
	t.Helper()
	text := p["A worked example"]
	if text == "" {
		t.Fatal("the prompt has no section \"A worked example\"")
	}
	return text
}

// blocks returns the code blocks of a text.
func blocks(text string) (out []string) {
	for i, part := range strings.Split(text, "```\n") {
		if i%2 == 1 {
			out = append(out, strings.TrimSuffix(part, "\n"))
		}
	}
	return out
}

// rows returns the tables of a text whose first column has the given name,
// without their headings.
func tables(text, first string) (out [][][]string) {
	var table [][]string
	inside := false
	for line := range strings.Lines(text + "\n") {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			if inside {
				out = append(out, table)
			}
			inside, table = false, nil
		case cells[0] == first:
			inside = true
		case inside && !strings.HasPrefix(cells[0], "---"):
			table = append(table, cells)
		}
	}
	return out
}

func number(t *testing.T, text string, base int) int {
	t.Helper()
	n, err := strconv.ParseInt(text, base, 32)
	if err != nil {
		t.Fatalf("%q is no number: %v", text, err)
	}
	return int(n)
}

// packets returns the request and the reply of the example, having checked that
// the one is that of the traces and the other what is due by hand.
func packets(t *testing.T, example string) (request, reply []byte) {
	t.Helper()
	code := blocks(example)
	if len(code) != 3 {
		t.Fatalf("%d code blocks, want the request, its words and the reply", len(code))
	}
	golden, err := os.ReadFile("../../hooks/wire/testdata/echo-request.hex")
	if err != nil {
		t.Fatal(err)
	}
	if code[0] != strings.TrimSpace(string(golden)) {
		t.Errorf("the request is %s, want that of the traces", code[0])
	}
	if request, err = hex.DecodeString(code[0]); err != nil {
		t.Fatal(err)
	}
	if reply, err = hex.DecodeString(code[2]); err != nil {
		t.Fatal(err)
	}
	host := byhand.New([]netip.Prefix{netip.MustParsePrefix("172.16.0.2/24")})
	if want := due(host, request); hex.EncodeToString(want) != code[2] {
		t.Errorf("the reply is\n%s, by hand\n%x", code[2], want)
	}
	var words []string
	for i := 0; i < len(request); i += 2 {
		words = append(words, fmt.Sprintf("%x", request[i:i+2]))
	}
	var lines []string
	for i := 0; i < len(words); i += 8 {
		lines = append(lines, fmt.Sprintf("%2d: %s", 2*i, strings.Join(words[i:min(i+8, len(words))], " ")))
	}
	if want := strings.Join(lines, "\n"); code[1] != want {
		t.Errorf("the words are\n%s\nwant\n%s", code[1], want)
	}
	if !strings.Contains(example, fmt.Sprintf("As words, %d of them", len(words))) {
		t.Errorf("the example does not say that there are %d words", len(words))
	}
	return request, reply
}

// due is the reply to a request that must be answered, by hand.
func due(host *byhand.Host, request []byte) []byte {
	var p wire.Packet
	p.Decode(request)
	var checks [2]wire.Check
	return host.Inbound(&p, p.Checksums(checks[:0]), time.Unix(0, 0)).Reply
}

// TestExampleFields holds the table of fields against both packets: each byte of
// the headers is told once.
func TestExampleFields(t *testing.T) {
	example := readPrompt(t).example(t)
	request, reply := packets(t, example)
	found := tables(example, "bytes")
	if len(found) != 1 {
		t.Fatalf("%d tables of fields", len(found))
	}
	next := 0
	for _, row := range found[0] {
		from, to, _ := strings.Cut(row[0], "-")
		first, last := number(t, from, 10), number(t, to, 10)
		if first != next {
			t.Errorf("%s: bytes %d to %d are left out", row[1], next, first)
		}
		next = last + 1
		if want := fmt.Sprintf("%x", request[first:next]); row[2] != want {
			t.Errorf("%s of the request is %s, want %s", row[1], row[2], want)
		}
		if want := fmt.Sprintf("%x", reply[first:next]); row[3] != want {
			t.Errorf("%s of the reply is %s, want %s", row[1], row[3], want)
		}
	}
	if next != 28 {
		t.Errorf("the fields end at byte %d, want 28", next)
	}
}

// TestExampleSums goes through both columns: every word is that of the reply, the
// checksum counted as 0, every running sum that of the words so far; and fold,
// complement and checks are what hooks/wire computes.
func TestExampleSums(t *testing.T) {
	example := readPrompt(t).example(t)
	request, reply := packets(t, example)
	found := tables(example, "at")
	if len(found) != 2 {
		t.Fatalf("%d tables of sums, want 2", len(found))
	}
	for i, of := range []struct {
		name            string
		from, to, field int
	}{{"header checksum", 0, 20, 10}, {"ICMP checksum", 20, len(reply), 22}} {
		covered := slices.Clone(reply[of.from:of.to])
		binary.BigEndian.PutUint16(covered[of.field-of.from:], 0)
		if !strings.Contains(example, fmt.Sprintf("The %s of the reply, %d words:", of.name, len(covered)/2)) {
			t.Errorf("%s: it is not said that there are %d words", of.name, len(covered)/2)
		}
		if len(found[i]) != len(covered)/2 {
			t.Fatalf("%s: %d words, want %d", of.name, len(found[i]), len(covered)/2)
		}
		sum := 0
		for n, row := range found[i] {
			word := int(binary.BigEndian.Uint16(covered[2*n:]))
			sum += word
			want := []string{strconv.Itoa(of.from + 2*n), fmt.Sprintf("%04x", word), fmt.Sprintf("%x", sum)}
			if !slices.Equal(row, want) {
				t.Errorf("%s: line %v, want %v", of.name, row, want)
			}
		}
		folded := wire.Sum(covered, 0)
		checksum := wire.Checksum(covered)
		if got := binary.BigEndian.Uint16(reply[of.field:]); got != checksum {
			t.Errorf("%s: the reply has %04x, hooks/wire %04x", of.name, got, checksum)
		}
		for _, want := range []string{
			fmt.Sprintf("- Fold: `%x` is `%x` and `%04x`; `%x + %04x = %04x`\n", sum, sum>>16, sum&0xffff, sum>>16, sum&0xffff, folded),
			fmt.Sprintf("- Complement: `ffff - %04x = %04x`\n", folded, checksum),
			fmt.Sprintf("- Check: `%04x + %04x = ffff`\n", folded, checksum),
		} {
			if !strings.Contains(example, want) {
				t.Errorf("%s: the example does not say %s", of.name, want)
			}
		}
	}
	asked := binary.BigEndian.Uint16(request[22:])
	want := fmt.Sprintf("`%04x + 0800 = %04x`", asked, binary.BigEndian.Uint16(reply[22:]))
	if !strings.Contains(example, want) {
		t.Errorf("the example does not say %s", want)
	}
	report := fmt.Sprintf("`172.16.0.1, sequence 1: header %04x, ICMP %04x, OK`", binary.BigEndian.Uint16(reply[10:]), binary.BigEndian.Uint16(reply[22:]))
	if !strings.Contains(example, report) {
		t.Errorf("the example does not report %s", report)
	}
}

// TestArithmeticInProse finds every sum and difference in the text, `a + b = c`
// and `a - b = c` in hexadecimal, digits alone included, and does it again.
func TestArithmeticInProse(t *testing.T) {
	text, err := os.ReadFile("ping-respond.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("`([0-9a-f]+) ?([+-]) ?([0-9a-f]+) ?= ?([0-9a-f]+)`").FindAllStringSubmatch(string(text), -1)
	if len(found) < 15 {
		t.Errorf("%d found: the pattern finds them no more", len(found))
	}
	for _, m := range found {
		a, b, c := number(t, m[1], 16), number(t, m[3], 16), number(t, m[4], 16)
		if m[2] == "-" {
			b = -b
		}
		if a+b != c {
			t.Errorf("%s", m[0])
		}
	}
	// The two that are spelled digit by digit.
	if !strings.Contains(string(text), fmt.Sprintf("so `%x`", 0xe437+0x1011)) || !strings.Contains(string(text), fmt.Sprintf("so `%x`", 0xffff-0xa30a)) {
		t.Error("the spelled sum or difference is another")
	}
}

// TestShortWays: the checks by which the prompt has an agent test its sum hold
// for every request, with the carry and the borrow that it tells of.
func TestShortWays(t *testing.T) {
	host := byhand.New([]netip.Prefix{netip.MustParsePrefix("172.16.0.2/24"), netip.MustParsePrefix("fd00:172::2/64")})
	carried, borrowed := 0, 0
	for n := range 1 << 12 {
		echo := byhandtest.Echo{ID: uint16(n * 16), Seq: uint16(n), Data: byhandtest.Data(n % 60)}
		request := byhandtest.IPv4{Src: "172.16.0.1", Dst: "172.16.0.2", ID: uint16(n)}.Packet(echo.Request4())
		reply := due(host, request)
		if a, b := binary.BigEndian.Uint16(request[10:]), binary.BigEndian.Uint16(reply[10:]); a != b {
			t.Fatalf("header checksum %04x became %04x", a, b)
		}
		want := int(binary.BigEndian.Uint16(request[22:])) + 0x0800
		if want > 0xffff {
			want = want&0xffff + 1
			carried++
		}
		if got := int(binary.BigEndian.Uint16(reply[22:])); got != want {
			t.Fatalf("ICMP checksum %04x became %04x, the short way %04x", request[22:24], got, want)
		}

		request = byhandtest.IPv6{Src: "fd00:172::1", Dst: "fd00:172::2"}.Packet(echo.Request6("fd00:172::1", "fd00:172::2"))
		reply = due(host, request)
		want = int(binary.BigEndian.Uint16(request[42:])) - 0x0100
		if want < 0 {
			want += 0x10000 - 1
			borrowed++
		}
		if got := int(binary.BigEndian.Uint16(reply[42:])); got != want {
			t.Fatalf("ICMPv6 checksum %04x became %04x, the short way %04x", request[42:44], got, want)
		}
		if reply[7] != 0x40 || reply[40] != 0x81 || request[6] != 0x3a || request[40] != 0x80 {
			t.Fatalf("the fields are elsewhere: %x", reply)
		}
	}
	if carried == 0 || borrowed == 0 {
		t.Errorf("%d carries, %d borrows: one was never tried", carried, borrowed)
	}
}
