package wire

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with a file of testdata.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	path = filepath.Join("testdata", path)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file (write it with -update): %v", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-golden +got):\n%s", path, diff)
	}
}

// explained returns what Explain writes.
func explained(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Explain(&out, b); err != nil {
		t.Fatalf("Explain: %v", err)
	}
	return out.Bytes()
}

func TestExplainGolden(t *testing.T) {
	for _, name := range []string{
		"echo-request", "echo-reply", "echo6-request", "echo-record-route", "echo-timestamp", "echo-source-route",
		"fragment-first", "fragment-later", "fragment-tiny", "fragment6-first", "atomic-fragment6",
		"tcp-syn", "tcp-data", "tcp-rst", "tcp-sack", "tcp-long",
		"udp-no-checksum", "udp-all-ones", "udp6", "udp6-no-checksum", "dns-query",
		"port-unreachable", "packet-too-big", "mld-report", "neighbor-solicitation", "neighbor-advertisement",
		"router-advertisement", "routing6", "routing6-unknown",
		"bad-ihl", "bad-option", "bad-checksum", "bad-header-checksum", "truncated", "truncated6", "trailing", "offloaded",
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, "explain/"+name+".txt", explained(t, sample(t, name)))
		})
	}
}

func TestExplainPageWidth(t *testing.T) {
	for name, b := range samples(t) {
		for line := range strings.Lines(string(explained(t, b))) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > pageWidth {
				t.Errorf("%s: a line of %d columns: %s", name, n, line)
			}
			if strings.HasSuffix(line, " ") {
				t.Errorf("%s: a line ends in a space: %q", name, line)
			}
		}
	}
}

// TestExplainEchoRequest holds the page to the numbers that the project is
// measured by, worked out with pencil and paper, whatever the golden file says.
func TestExplainEchoRequest(t *testing.T) {
	page := string(explained(t, sample(t, "echo-request")))
	for _, want := range []string{
		"IPv4 header checksum: by hand 0x615d, in the packet 0x615d: ok",
		"ICMP checksum: by hand 0x54f5, in the packet 0x54f5: ok",
		"0002 9ea0  Destination Address", // the header's sum before folding
		"0000 9ea2  = 0002 + 9ea0",
		"0003 ab07  data |67|", // the message's
		"0000 ab0a  = 0003 + ab07",
		"8: echo request", "1 = ICMP", "64 hops left", "set: do not fragment",
		"   10    2  61 5d ", "   22    2  54 f5 ",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "bad") {
		t.Error("the page says bad of a good packet")
	}
}

// TestExplainTellsEveryByte walks the tables of sound packets: read one below
// the other, the fields cover each byte before the payload once, in order.
func TestExplainTellsEveryByte(t *testing.T) {
	for name, b := range samples(t) {
		if p := new(Packet); !p.Decode(b) {
			continue
		}
		next := 0
		for line := range strings.Lines(string(explained(t, b))) {
			if strings.Contains(line, "worked out") && strings.Contains(line, "hecksum") && !strings.HasPrefix(line, " ") {
				break // here the columns begin
			}
			at, n, ok := tableRow(line)
			if !ok {
				continue
			}
			if at != next {
				t.Errorf("%s: the field at byte %d follows byte %d: %s", name, at, next, line)
			}
			next = at + n
		}
		if next < 28 {
			t.Errorf("%s: the tables end at byte %d", name, next)
		}
	}
}

// tableRow reads offset and length from a row of a table or of a dump.
func tableRow(line string) (at, n int, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 2 || !strings.HasPrefix(line, " ") {
		return 0, 0, false
	}
	if !isNumber(line[:5]) {
		return 0, 0, false
	}
	at = number(fields[0])
	if len(line) > 10 && isNumber(line[5:10]) && line[10:12] == "  " {
		return at, number(fields[1]), true
	}
	if strings.HasSuffix(line, "|\n") && line[5:7] == "  " {
		hex := line[7:min(len(line), 7+23+2+23)]
		return at, len(strings.Fields(hex)), true
	}
	return 0, 0, false
}

func isNumber(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func number(s string) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}

func TestExplainAbridgedColumn(t *testing.T) {
	// Whatever is left out, the sum goes on: at every length around the limit.
	for n := 2 * (maxColumn - 3); n <= 2*(maxColumn+3); n++ {
		b := append([]byte(nil), sample(t, "echo-request")[:28]...)
		for i := range n {
			b = append(b, byte(i*13))
		}
		b[2], b[3] = byte(len(b)>>8), byte(len(b))
		checkPage(t, b)
	}
}

type failingWriter struct{}

var errWriter = errors.New("the paper is out")

func (failingWriter) Write([]byte) (int, error) { return 0, errWriter }

func TestExplainReturnsWriterError(t *testing.T) {
	if err := Explain(failingWriter{}, sample(t, "echo-request")); !errors.Is(err, errWriter) {
		t.Errorf("Explain = %v, want the writer's error", err)
	}
	if err := ExplainReply(failingWriter{}, nil, nil); !errors.Is(err, errWriter) {
		t.Errorf("ExplainReply = %v, want the writer's error", err)
	}
}

func TestExplainNothing(t *testing.T) {
	if page := string(explained(t, nil)); !strings.Contains(page, "too-short") || !strings.Contains(page, "no bytes") {
		t.Errorf("Explain of nothing:\n%s", page)
	}
}
