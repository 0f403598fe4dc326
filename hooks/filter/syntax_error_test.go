package filter

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// refused are expressions that are not of the subset.
var refused = []string{
	// Words that mean something to pcap-filter, and nothing here.
	"icmp or foo port 80",
	"ether host 01:02:03:04:05:06",
	"ether proto \\ip",
	"arp",
	"vlan 100 and icmp",
	"mpls",
	"pppoes",
	"geneve",
	"gateway snup",
	"broadcast",
	"ip broadcast",
	"multicast",
	"tcp multicast",
	"inbound",
	"outbound and icmp",
	"ip protochain 6",
	"ip6 protochain \\tcp",
	"wlan addr1 0:1:2:3:4:5",
	"type mgt",
	"ifname eth0",
	"vpi 3",
	"llc",
	"carp",
	"byte 0 = 4",
	"ether[0] & 1 != 0",
	"tcp and link[0] = 1",
	// What would have to be looked up, or is of another layer.
	"host example.org",
	"host localhost or ::1",
	"net loopback",
	"host 01:02:03:04:05:06",
	"host 1-2-3-4-5-6",
	"src host 0102.0304.0506",
	"host $1a",
	"port frobnicate",
	"ip proto frobnicate",
	`ip proto \icmp6`,
	"ip proto tcp",
	// Ids without their qualifiers.
	"10.0.0.1",
	"::1",
	"80",
	"icmp or 10.0.0.1",
	"tcp port 80 or icmp or 443",
	"icmp and 80",
	"tcp 80",
	"ip 10.0.0.1",
	"(10.0.0.1)",
	"tcp[0] = 1 or 2",
	"less 5 or 6",
	// Qualifiers that do not go together.
	"icmp port 80",
	"ip port 80",
	"icmp host 10.0.0.1",
	"tcp host 10.0.0.1",
	"tcp src 10.0.0.1",
	"tcp proto 6",
	"src proto 6",
	"ip6 host 10.0.0.1",
	"ip host ::1",
	"ip6 net 10.0.0.0/8",
	"src or host 10.0.0.1",
	"src or src host 10.0.0.1",
	"dst and port 80",
	"host net 10",
	// Ids that are none.
	"host",
	"port",
	"host tcp",
	"host 10.0.0.256",
	"host 10.0.0.300",
	"host 10.0.0.0x1",
	"host 10.0.0.1.2",
	"host ::1::",
	"host 1:2:3",
	"net 10/8",
	"net 10.0.0.0/33",
	"net 10.0.0.1/8",
	"net 10.0.0.0/",
	"net 10.0.0.0/x",
	"host 10.0.0.0/8",
	"src 10.0.0.0/8",
	"net 10.0.0.1 mask 255.0.0.0",
	"net 10.0.0.0 mask 8",
	"host 10.0.0.0 mask 255.0.0.0",
	"net 2001:db8::/129",
	"net 2001:db8::1/32",
	"net 2001:db8:: mask ffff::",
	"host 2001:db8::/32",
	"port 65536",
	"port 10.0.0.1",
	"port ::1",
	"port 80-90",
	"tcp port ntp",
	"udp port http or https",
	"portrange 80-",
	"portrange 80-70000",
	"portrange 80 - 90",
	"portrange http-https",
	"portrange 1-2-3",
	"proto 256",
	"proto 10.0.0.1",
	// Structure.
	"(tcp",
	"tcp)",
	"()",
	"tcp or",
	"or tcp",
	"tcp udp",
	"tcp or or udp",
	"not",
	"not and tcp",
	"tcp port (80 or udp port 53)",
	"host ((10.0.0.1) or 10.0.0.2)",
	"tcp port 80 or ((443 or 8080) or 22)",
	"port 80 or not",
	"host (10.0.0.1",
	"port (80",
	"port ()",
	"tcp mask 255.0.0.0",
	"less",
	"less (5)",
	"greater than 5",
	"tcp & udp",
	"tcp | udp",
	"tcp = 6",
	// Arithmetic.
	"5",
	"5 + 3",
	"(5 + 3)",
	"not 5 and tcp",
	"not (5 + 3)",
	"tcp and 5 + 3",
	"5 >",
	"5 > tcp",
	"5 = 5 = 5",
	"3-1 = 2",
	"tcp-1 = 2",
	"len > 0x1ffffffff",
	"len > 4294967296",
	"len > 089",
	"len > 1e3",
	"tcp[",
	"tcp[]",
	"tcp[0",
	"tcp[0:]",
	"tcp[0:3] = 1",
	"tcp[0:len] = 1",
	"tcp[0] 5",
	"tcp[0]",
	"tcp[udp] = 1",
	"ah[0] = 1",
	"(tcp)[0] = 1",
	"len / 0 = 1",
	"len % (3 - 3) = 1",
	"len << 32 = 1",
	"1 <",
	"len > (5",
	"len > (tcp",
	"-tcp = 1",
	// Characters.
	"tcp and \x00",
	"tcp\tor\nfoo",
	"хост 10.0.0.1",
	"tcp # comment",
	"tcp or \xff\xfe",
	"tcp _ udp",
	`ip proto \`,
	`"icmp or tcp"`,
	"port 80 or '443'",
}

// TestRefusals holds the messages to a golden file.
func TestRefusals(t *testing.T) {
	var out strings.Builder
	for _, expr := range refused {
		f, err := Compile(expr)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q is understood as %q (%v)", expr, f, err)
			continue
		}
		checkSyntaxError(t, expr, syntax)
		fmt.Fprintf(&out, "%s\n%s\n\n", syntax.Error(), syntax.Caret())
	}
	path := filepath.Join("testdata", "refusals.golden")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file (write it with -update): %v", err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("%s (-golden +got):\n%s", path, diff)
	}
}

// checkSyntaxError holds an error to what is true of all of them.
func checkSyntaxError(t testing.TB, expr string, e *SyntaxError) {
	t.Helper()
	if e.Expr != expr {
		t.Errorf("%q: Expr is %q", expr, e.Expr)
	}
	if e.Offset < 0 || e.Offset > len(expr) || !strings.HasPrefix(expr[e.Offset:], e.Word) {
		t.Fatalf("%q: no %q at %d", expr, e.Word, e.Offset)
	}
	if (e.Word == "") != (e.Offset == len(expr)) {
		t.Errorf("%q: word %q at %d of %d", expr, e.Word, e.Offset, len(expr))
	}
	if text := e.Error(); strings.ContainsAny(text, "\n\r\t") || !strings.Contains(text, e.Problem) || e.Problem == "" {
		t.Errorf("%q: message %q", expr, text)
	}
	lines := strings.Split(e.Caret(), "\n")
	if len(lines) != 2 || strings.Trim(lines[1], " ") != "^" || strings.Contains(lines[0], "\t") {
		t.Errorf("%q: caret %q", expr, lines)
	}
}

// TestRefusedByTcpdumpOrLeftOut: what libpcap would accept of the list of
// refusals is left out of the subset on purpose.
func TestRefusedByTcpdumpOrLeftOut(t *testing.T) {
	tcpdump := findTcpdump(t)
	leftOut := map[string]bool{}
	for _, expr := range []string{
		"arp", "pppoes", "ip broadcast", "carp", "byte 0 = 4", "geneve",
		"ether proto \\ip", "ether[0] & 1 != 0", "tcp and link[0] = 1",
		"portrange http-https", "portrange 1-2-3", "proto 256", "len % (3 - 3) = 1",
	} {
		leftOut[expr] = true
	}
	for _, expr := range refused {
		if strings.ContainsRune(expr, 0) {
			continue // no argument of a command can hold it
		}
		if strings.Contains(expr, "example") || strings.Contains(expr, "localhost") || strings.Contains(expr, "loopback") || strings.Contains(expr, "10.0.0.1.2") {
			continue // tcpdump would look it up
		}
		if strings.Contains(expr, "protochain") {
			continue // tcpdump accepts it, and makes a loop that no other VM than its own runs
		}
		_, err := compileBPF(tcpdump, expr, "-O")
		if got := err == nil; got != leftOut[expr] {
			t.Errorf("%q: tcpdump accepts: %v (%v), left out of the subset: %v", expr, got, err, leftOut[expr])
		}
	}
}

func TestCaret(t *testing.T) {
	for expr, want := range map[string]string{
		"icmp or foo port 80": "icmp or foo port 80\n        ^",
		"tcp or":              "tcp or\n      ^",
		"tcp\tor\nfoo":        "tcp or foo\n       ^",
		"хост":                "хост\n^",
		"tcp or хост":         "tcp or хост\n       ^",
		"tcp or \"ж\"":        "tcp or \"ж\"\n       ^",
		"\\ж foo":             "\\ж foo\n^",
		"host \\ж":            "host \\ж\n     ^",
		"host (\\жж and tcp":  "host (\\жж and tcp\n      ^",
	} {
		_, err := Compile(expr)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: error %v", expr, err)
			continue
		}
		if got := syntax.Caret(); got != want {
			t.Errorf("%q:\n%s\nwant\n%s", expr, got, want)
		}
	}
}
