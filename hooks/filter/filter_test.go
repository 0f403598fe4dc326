package filter

import (
	goparser "go/parser"
	gotoken "go/token"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMatch holds the filter to what a reader of the man page expects, packet
// by packet; TestTcpdumpAgrees holds it to libpcap.
func TestMatch(t *testing.T) {
	made := packets()
	for expr, want := range map[string]string{
		// Every packet of the corpus whose name is not here must not match.
		"icmp":                "echo echo-first echo-later echo-options echo-reply echo-1500 unreachable",
		"icmp6":               "echo6 echo6-reply first6-echo neighbour6",
		"sctp or igmp":        "sctp sctp6 igmp",
		"ip proto 50 or 51":   "esp ah",
		"ip6 proto 44":        "first6-echo first6-fragment first6-tcp first6-udp later6-tcp",
		"udp":                 "dns dns-reply dns6 first6-udp ipv4-no-header udp-broadcast udp-later udp-options",
		"tcp port 443":        "fin tcp6",
		"udp port 53":         "dns dns-reply dns6",
		"ip6 and tcp":         "first6-tcp later6-tcp syn6 tcp6 tcp6-trailing",
		"src host 192.0.2.9":  "tcp-options",
		"src and dst net 10":  "tcp-same-ports udp-options",
		"dst host ff02::16":   "report6",
		"ip multicast":        "igmp pim vrrp udp-broadcast",
		"ip6 multicast":       "neighbour6 pim6 report6",
		"portrange 5000-6000": "dns dns-reply dns6",
		"greater 1000":        "echo-1500",
		"icmp[icmptype] == 8": "echo echo-first echo-options echo-1500",
		"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and src net 10": "syn fin",
		"icmp6[icmp6type] >= icmp6-neighborsolicit":             "neighbour6",
		"ip[6:2] & 0x1fff != 0 and tcp":                         "tcp-later tcp-last",
		"len = 0":                                               "empty",
		"not ip and not ip6":                                    "version-0 version-15 version-5",
	} {
		f, err := Compile(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		expected := map[string]bool{}
		for _, name := range strings.Fields(want) {
			if _, ok := made[name]; !ok {
				t.Errorf("%q: no packet %q", expr, name)
			}
			expected[name] = true
		}
		got := map[string]bool{}
		for name, packet := range made {
			if f.Match(packet) {
				got[name] = true
			}
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%q matches (-want +got):\n%s", expr, diff)
		}
	}
}

// TestPastTheEnd: a test that reads past the end fails the whole filter, also
// under "not" and before "or".
func TestPastTheEnd(t *testing.T) {
	echo := packets()["echo"]
	for _, expr := range []string{
		"ip[100] = 1", "not ip[100] = 1", "ip[100] = 1 or icmp", "not (ip[100] = 1 or icmp)", "len / (len - len) = 1 or icmp",
	} {
		f, err := Compile(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if f.Match(echo) {
			t.Errorf("%q matches", expr)
		}
	}
	// What is decided before is not read.
	f, err := Compile("icmp or ip[100] = 1")
	if err != nil {
		t.Fatal(err)
	}
	if !f.Match(echo) {
		t.Errorf("%q does not match", f)
	}
}

func TestString(t *testing.T) {
	for _, row := range append(expressions[:len(expressions):len(expressions)], namedExpressions...) {
		want := row.want
		if want == "" {
			want = row.expr
		}
		f, err := Compile(row.expr)
		if err != nil {
			t.Errorf("%q: %v", row.expr, err)
			continue
		}
		if got := f.String(); got != want {
			t.Errorf("%q is understood as %q, want %q", row.expr, got, want)
		}
		checkCanonical(t, f)
	}
}

// checkCanonical: String is an expression, which says of itself what it is.
func checkCanonical(t testing.TB, f *Filter) *Filter {
	t.Helper()
	text := f.String()
	again, err := Compile(text)
	if err != nil {
		t.Fatalf("String gives %q: %v", text, err)
	}
	if got := again.String(); got != text {
		t.Fatalf("String gives %q, which gives %q", text, got)
	}
	return again
}

func TestEmptyMatchesAll(t *testing.T) {
	for _, expr := range []string{"", " \t\r\n "} {
		f, err := Compile(expr)
		if err != nil {
			t.Fatalf("%q: %v", expr, err)
		}
		if f.String() != "" {
			t.Errorf("%q: String is %q", expr, f)
		}
		for name, packet := range packets() {
			if !f.Match(packet) {
				t.Errorf("%q does not match %s", expr, name)
			}
		}
	}
	if !new(Filter).Match(nil) {
		t.Error("the zero Filter does not match")
	}
}

// TestNesting: what nests without bound is refused, what is only long is not.
func TestNesting(t *testing.T) {
	repeat := strings.Repeat
	for _, tt := range []struct {
		name, expr string
		ok         bool
	}{
		{"parentheses", repeat("(", 500) + "tcp" + repeat(")", 500), true},
		{"many parentheses", repeat("(", 10_000) + "tcp" + repeat(")", 10_000), false},
		{"open parentheses", repeat("(", 10_000), false},
		{"ids", "port " + repeat("(", 10_000) + "80", false},
		{"ids with not", "port " + repeat("not ", 10_000) + "80", false},
		{"not", repeat("not ", 100) + "tcp", true},
		{"much not", repeat("!", 101) + "tcp", false},
		{"minus", repeat("-", 900) + "1 = 1", true},
		{"minus len", repeat("-", 101) + "len = 1", false},
		{"much minus", repeat("-", 10_000) + "len = 1", false},
		{"sum", "len" + repeat(" + 1", 100) + " > 0", true},
		{"long sum", "len" + repeat(" + 1", 101) + " > 0", false},
		{"remainders", "len" + repeat(" % len", 100) + " > 0", true},
		{"many remainders", "len" + repeat(" % len", 10_000) + " > 0", false},
		{"brackets", repeat("ip[", 100) + "0" + repeat("]", 100) + " > 0", true},
		{"many brackets", repeat("ip[", 10_000), false},
		{"or", "tcp" + repeat(" or tcp", 5_000), true},
		{"inherited", "port 1" + repeat(" or 1", 5_000), true},
		{"alternating", "tcp" + repeat(" and tcp or tcp", 50), true},
		{"much alternating", "tcp" + repeat(" and tcp or tcp", 51), false},
		{"right", "tcp" + repeat(" or (tcp", 100) + repeat(")", 100), true},
		{"far right", "tcp" + repeat(" or (tcp", 101) + repeat(")", 101), false},
	} {
		f, err := Compile(tt.expr)
		if !tt.ok {
			if err == nil {
				t.Errorf("%s: no error", tt.name)
			} else if text := err.Error(); strings.HasPrefix(tt.name, "m") && !strings.Contains(text, "nested too deep") {
				t.Errorf("%s: %s", tt.name, text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		checkCanonical(t, f)
		f.Match(packets()["syn"])
	}
}

// TestConcurrently is for the race detector.
func TestConcurrently(t *testing.T) {
	f, err := Compile("tcp port 80 or (icmp[icmptype] == icmp-echo and net 10.0.0.0/8)")
	if err != nil {
		t.Fatal(err)
	}
	made := packets()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 100 {
				if !f.Match(made["syn"]) || !f.Match(made["echo"]) || f.Match(made["dns"]) {
					t.Error("another result than alone")
				}
			}
		})
	}
	group.Wait()
}

func TestMatchDoesNotAllocate(t *testing.T) {
	whole := wholePackets()
	for _, row := range expressions {
		f, err := Compile(row.expr)
		if err != nil {
			t.Errorf("%q: %v", row.expr, err)
			continue
		}
		if n := testing.AllocsPerRun(2, func() {
			for _, packet := range whole.packets {
				f.Match(packet)
			}
		}); n != 0 {
			t.Errorf("%q: %v allocations", row.expr, n)
		}
	}
}

// TestStandardLibraryAlone: nothing else is needed to read a packet's bytes.
func TestStandardLibraryAlone(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := goparser.ParseFile(gotoken.NewFileSet(), path, nil, goparser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") || first == "netstackd" {
				t.Errorf("%s imports %s", path, name)
			}
		}
	}
}

// TestDocumented: the package comment lists every word of the subset, and what
// is refused is not a word of it too.
func TestDocumented(t *testing.T) {
	file, err := goparser.ParseFile(gotoken.NewFileSet(), "doc.go", nil, goparser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, word := range strings.FieldsFunc(file.Doc.Text(), func(r rune) bool {
		return !(r < 128 && isAlphanumeric(byte(r))) && r != '-' && r != '\\'
	}) {
		documented[word] = true
	}
	check := func(word string) {
		t.Helper()
		if !documented[word] {
			t.Errorf("doc.go lacks %s", word)
		}
		if refusals[strings.TrimPrefix(word, `\`)] != "" {
			t.Errorf("%s is refused as well", word)
		}
	}
	for word := range ownWords {
		check(word)
	}
	for word := range protocols {
		check(word)
	}
	for word := range services {
		check(word)
	}
	for word := range protocolNumbers {
		if isKeyword(word) {
			word = `\` + word
		}
		check(word)
	}
}

// checkHeads checks that what the first bytes of a packet decide the whole packet does
// not change, however many they are.
func checkHeads(t testing.TB, f *Filter, packet []byte) {
	t.Helper()
	for n := range len(packet) + 1 {
		if match, decided := f.MatchHead(packet[:n]); decided && match != f.Match(packet) {
			t.Fatalf("%q of %x: %v by the first %d bytes, %v by all", f, packet, match, n, !match)
		}
	}
}

// TestMatchHead: no beginning of a packet decides otherwise than the whole, and what
// looks at headers is decided by them.
func TestMatchHead(t *testing.T) {
	c := wholePackets()
	for _, row := range expressions {
		f, err := Compile(row.expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, packet := range c.packets {
			checkHeads(t, f, packet)
		}
	}
	packet := ipv4("192.0.2.1", "192.0.2.2", protoTCP, 0, nil, append(tcp(49152, 80, 0x10), make([]byte, 60000)...))
	for expr, want := range map[string][2]bool{ // match, decided
		"":                                  {true, true},
		"icmp":                              {false, true},
		"not icmp":                          {true, true},
		"tcp dst port 80":                   {true, true},
		"host 192.0.2.9":                    {false, true},
		"tcp[tcpflags] & tcp-ack != 0":      {true, true},
		"tcp[(tcp[12] & 0xf0) >> 2:4] == 0": {false, false},
		"icmp and greater 100":              {false, false},
		"len > 100":                         {false, false},
		"ip[50000] = 0 or tcp":              {false, false},
	} {
		f, err := Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		if match, decided := f.MatchHead(packet[:40]); match != want[0] || decided != want[1] {
			t.Errorf("%q: %v, decided %v, want %v", expr, match, decided, want)
		}
	}
}
