package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// refusal is a command line that is wrong.
type refusal struct {
	name string
	args []string
}

// after returns the arguments of a command line that would be right without
// what comes after the address.
func after(args ...string) []string { return append([]string{"-addr", "172.16.0.2/24"}, args...) }

var refusals = []refusal{
	{"nothing", nil},
	{"only a host", []string{"-host", "172.16.0.1"}},

	{"not an address", []string{"-addr", "localhost/24"}},
	{"empty address", []string{"-addr", ""}},
	{"no prefix length", []string{"-addr", "172.16.0.2"}},
	{"empty prefix length", []string{"-addr", "172.16.0.2/"}},
	{"prefix length too long", []string{"-addr", "172.16.0.2/33"}},
	{"IPv6 prefix length too long", []string{"-addr", "fd00::2/129"}},
	{"a netmask", []string{"-addr", "172.16.0.2/255.255.255.0"}},
	{"leading zeros", []string{"-addr", "172.016.0.2/24"}},
	{"a zone", []string{"-addr", "fe80::2%eth0/64"}},
	{"two addresses in one", []string{"-addr", "172.16.0.2/24,172.16.0.3/24"}},
	{"control characters", []string{"-addr", "172.16.0.2/24\n\x1b[2J"}},
	{"the whole Internet", []string{"-addr", "172.16.0.2/0"}},
	{"the whole IPv6 Internet", []string{"-addr", "2001:db8::2/0"}},
	{"network address", []string{"-addr", "172.16.0.0/24"}},
	{"network address of a /30", []string{"-addr", "10.0.0.4/30"}},
	{"broadcast address", []string{"-addr", "172.16.0.255/24"}},
	{"broadcast address of a /30", []string{"-addr", "10.0.0.7/30"}},
	{"subnet-router anycast address", []string{"-addr", "fd00:172::/64"}},
	{"limited broadcast", []string{"-addr", "255.255.255.255/32"}},
	{"reserved", []string{"-addr", "240.0.0.2/24"}},
	{"multicast", []string{"-addr", "224.0.0.5/24"}},
	{"IPv6 multicast", []string{"-addr", "ff02::1/64"}},
	{"loopback", []string{"-addr", "127.0.0.2/8"}},
	{"IPv6 loopback", []string{"-addr", "::1/128"}},
	{"unspecified", []string{"-addr", "0.0.0.0/24"}},
	{"IPv6 unspecified", []string{"-addr", "::/64"}},
	{"network 0", []string{"-addr", "0.1.2.3/24"}},
	{"IPv4 mapped into IPv6", []string{"-addr", "::ffff:172.16.0.2/120"}},
	{"the same address twice", after("-addr", "172.16.0.2/24")},
	{"the same address in two prefixes", after("-addr", "172.16.0.2/16")},

	{"/32 without -host", []string{"-addr", "172.16.0.2/32"}},
	{"/128 without -host", []string{"-addr", "fd00:172::2/128"}},
	{"/32 without -host beside a subnet", after("-addr", "10.9.9.9/32")},
	{"/32 with -host of the other family", []string{"-addr", "172.16.0.2/32", "-host", "fd00::1"}},
	{"/32 with two hosts", []string{"-addr", "10.9.9.9/32", "-host", "172.16.0.1", "-host", "172.16.0.3"}},
	{"two /128 with one -host", []string{"-addr", "fd09::8/128", "-addr", "fd09::9/128", "-host", "fd00::1"}},
	{"/128 with the -host of a subnet", []string{"-addr", "fd00::2/64", "-addr", "fd09::9/128", "-host", "fd00::1"}},
	{"a full pair", []string{"-addr", "10.0.0.0/31", "-addr", "10.0.0.1/31"}},
	{"a full subnet", []string{"-addr", "10.0.0.1/30", "-addr", "10.0.0.2/30"}},
	{"a full IPv6 pair", []string{"-addr", "fd00::/127", "-addr", "fd00::1/127"}},

	{"-host with a prefix length", after("-host", "172.16.0.1/24")},
	{"-host that is no address", after("-host", "router")},
	{"-host with a zone", []string{"-addr", "fe80::2/64", "-host", "fe80::1%eth0"}},
	{"-host in no prefix", after("-host", "172.17.0.1")},
	{"-host in no prefix, the first address taken", []string{"-addr", "172.16.0.1/24", "-host", "172.17.0.1"}},
	{"-host of no family", after("-host", "fd00:172::1")},
	{"-host of no family the other way round", []string{"-addr", "fd00::2/64", "-host", "172.16.0.1"}},
	{"-host is netstack's", after("-host", "172.16.0.2")},
	{"-host twice", after("-host", "172.16.0.1", "-host", "172.16.0.1")},
	{"-host network address", after("-host", "172.16.0.0")},
	{"-host broadcast address", after("-host", "172.16.0.255")},
	{"-host anycast address", []string{"-addr", "fd00::2/64", "-host", "fd00::"}},
	{"-host multicast", after("-host", "224.0.0.1")},
	{"-host loopback", after("-host", "127.0.0.1")},
	{"-host unspecified", after("-host", "::")},
	{"-host mapped", after("-host", "::ffff:172.16.0.1")},

	{"empty device name", after("-tun", "")},
	{"device name too long", after("-tun", "sixteen-letters-")},
	{"device name with a slash", after("-tun", "a/b")},
	{"device name with a pattern", after("-tun", "tun%d")},
	{"device name with a space", after("-tun", "my tun")},

	{"descriptor no number", after("-tun-fd", "tun")},
	{"descriptor of a standard stream", after("-tun-fd", "0")},
	{"descriptor negative", after("-tun-fd", "-1")},
	{"descriptor beyond numbers", after("-tun-fd", "2147483648")},
	{"descriptor and name", after("-tun-fd", "3", "-tun", "tun7")},
	{"descriptor and host", after("-tun-fd", "3", "-host", "172.16.0.1")},
	{"descriptor and MTU", after("-no-configure", "-tun-fd", "3", "-mtu", "1500")},
	{"prepared device and host", after("-no-configure", "-host", "172.16.0.1")},
	{"prepared device and MTU", after("-no-configure", "-mtu", "1500")},
	{"-no-configure maybe", after("-no-configure=maybe")},

	{"MTU no number", after("-mtu", "big")},
	{"MTU empty", after("-mtu", "")},
	{"MTU with a unit", after("-mtu", "1500B")},
	{"MTU negative", after("-mtu", "-1")},
	{"MTU too small", after("-mtu", "575")},
	{"MTU too large", after("-mtu", "65521")},
	{"MTU beyond numbers", after("-mtu", "99999999999999999999")},
	{"MTU too small for IPv6", after("-addr", "fd00::2/64", "-mtu", "1279")},

	{"offload maybe", after("-offload", "maybe")},
	{"offload empty", after("-offload", "")},
	{"offload in capitals", after("-offload", "ON")},
	{"polling no duration", after("-busy-poll", "often")},
	{"polling empty", after("-busy-poll", "")},
	{"polling without a unit", after("-busy-poll", "50")},
	{"polling negative", after("-busy-poll", "-50us")},
	{"polling too long", after("-busy-poll", "10.001ms")},
	{"polling beyond numbers", after("-busy-poll", "99999999999h")},

	{"unknown service", after("-services", "echo,telnet")},
	{"no service", after("-services", "")},
	{"an empty service", after("-services", "echo,,http")},
	{"a service twice", after("-services", "echo,http,echo")},
	{"none and a service", after("-services", "none,echo")},

	{"guard with a mend that there is not", after("-guard", "strict,-everything")},
	{"guard with a mend that is not left out", after("-guard", "strict,reserved-flag")},
	{"guard with an empty mend", after("-guard", "strict,")},
	{"guard on, which mends nothing", after("-guard", "on,-reserved-flag")},
	{"no guard at all", after("-guard", "")},
	{"guard maybe", after("-guard", "maybe")},
	{"trace level", after("-trace", "everything")},
	{"trace level empty", after("-trace", "")},
	{"trace format", after("-trace-format", "xml")},
	{"trace nowhere", after("-trace-out", "")},
	{"log level", after("-log-level", "loud")},
	{"log level that silences", after("-log-level", "panic")},
	{"log format", after("-log-format", "xml")},
	{"version", after("-version=maybe")},

	{"unknown flag", after("-teleport")},
	{"unknown flag with control characters", after("-tele\nport\x1b[2J=1")},
	{"too many dashes", after("---mtu", "1500")},
	{"a dash with a value", after("-=7")},
	{"no value", after("-mtu")},
	{"no address", []string{"-addr"}},
	{"-respond nobody known", after("-respond", "kernel")},
	{"-respond nobody", after("-respond", "")},
	{"-respond fifo nowhere", after("-respond", "fifo")},
	{"-respond fifo in nothing", after("-respond", "fifo:")},
	{"-respond exec nothing", after("-respond", "exec: ")},
	{"-respond exec without a command", after("-respond", "exec")},
	{"-respond mcp somewhere", after("-respond", "mcp:/tmp")},
	{"-respond twice for all", after("-respond", "byhand", "-respond", "fifo:/tmp")},
	{"-respond twice for one", after("-respond", "172.16.0.2=byhand", "-respond", "172.16.0.2=fifo:/tmp")},
	{"-respond for nothing", after("-respond", "172.16.0.2=")},
	{"-respond for another's address", after("-respond", "172.16.0.3=byhand")},
	{"-respond for no address", after("-respond", "host=byhand")},
	{"-respond two ways to MCP", []string{"-addr", "172.16.0.2/24", "-addr", "172.16.0.3/24", "-respond", "mcp", "-respond", "172.16.0.3=mcp:stdio"}},
	{"-respond mcp:stdio and a trace", after("-respond", "mcp:stdio", "-trace", "compare", "-trace-out", "-")},
	{"-respond mcp:stdio and a capture", after("-respond", "mcp:stdio", "-pcapng", "-")},
	{"-shadow nobody known", after("-shadow", "kernel")},
	{"-shadow twice", after("-shadow", "byhand,byhand")},
	{"-shadow nobody", after("-shadow", "")},
	{"-send-bad-replies of nobody", after("-send-bad-replies")},
	{"-send-bad-replies maybe", after("-respond", "fifo:/tmp", "-send-bad-replies=maybe")},
	{"-exec-user of nobody", after("-exec-user", "nobody")},
	{"-exec-user nobody", after("-respond", "exec:true", "-exec-user", "")},
	{"-contain maybe", after("-contain", "maybe")},
	{"-user nobody named", after("-user", "")},
	{"-connections of none", after("-connections", "0")},
	{"-connections of too many", after("-connections", "1000001")},
	{"-connections-per-source below none", after("-connections-per-source", "-1")},
	{"-connections-total below none", after("-connections-total", "-1")},
	{"-half-open of none", after("-half-open", "0")},
	{"-half-open of too many", after("-half-open", "65536")},
	{"-idle-timeout of nothing", after("-idle-timeout", "0")},
	{"-idle-timeout without a unit", after("-idle-timeout", "60")},
	{"-memory-limit too small", after("-memory-limit", "63MiB")},
	{"-memory-limit of no size", after("-memory-limit", "much")},
	{"-pcapng without a name", after("-pcapng", "")},
	{"-pcapng-rotate of no unit", after("-pcapng", "x.pcapng", "-pcapng-rotate", "1M")},
	{"-pcapng-rotate without a file", after("-pcapng-rotate", "1MB")},
	{"-pcapng-rotate of a stream", after("-pcapng", "-", "-pcapng-rotate", "1MB")},
	{"-on-panic something else", after("-on-panic", "restart")},
	{"-quarantine without a name", after("-quarantine", "")},
	{"-quarantine to standard output", after("-quarantine", "-")},
	{"-quarantine and -pcapng the same", after("-quarantine", "x.pcapng", "-pcapng", "x.pcapng")},
	{"two owners of standard output", after("-trace", "compare", "-trace-out", "-", "-pcapng", "-")},
	{"-trace-sample as a part", after("-trace-sample", "0.1")},
	{"-trace-sample of nothing", after("-trace-sample", "1/0")},
	{"-inject of an unknown kind", after("-inject", "outbound icmp spoil=1%")},
	{"-inject of too much", after("-inject", "corrupt=101%")},
	{"-respond mcp without -http", after("-respond", "mcp")},
	{"-respond mcp for an address without -http", after("-respond", "172.16.0.2=mcp")},
	{"-http of nothing", after("-http", "")},
	{"-http without a port", after("-http", "127.0.0.1")},
	{"-http with a port alone", after("-http", "8080")},
	{"-http with no number for a port", after("-http", "127.0.0.1:http")},
	{"-http with a port too large", after("-http", "127.0.0.1:65536")},
	{"-http with a name", after("-http", "example.net:8080")},
	{"-http as an URL", after("-http", "http://127.0.0.1:8080/")},
	{"-http on every address", after("-http", ":8080")},
	{"-http on an address that others reach", after("-http", "192.0.2.1:8080")},
	{"-http on a socket without a name", after("-http", "unix:")},
	{"-http on an abstract socket", after("-http", "unix:@netstackd")},
	{"-http on a path too long", after("-http", "unix:/"+strings.Repeat("x", 107))},
	{"-http-token-file without a name", after("-http", ":8080", "-http-token-file", "")},
	{"-http-token-file without -http", after("-http-token-file", "token")},
	{"-captures too many", after("-captures", "65")},
	{"-captures below none", after("-captures", "-1")},
	{"-config", after("-config", "x.yaml")},
	{"a filter", after("icmp")},
	{"a filter of several words", after("host", "172.16.0.1", "and", "icmp")},
	{"a filter that is quoted", after("icmp[icmptype] == 8")},
	{"a filter that does not parse", after("-trace", "packets", "icmp", "or", "foo")},
	{"a filter for Ethernet", after("-trace", "packets", "ether host 1:2:3:4:5:6")},
	{"a flag behind a filter", after("-trace", "packets", "icmp", "-mtu", "1400")},
	{"a flag behind an argument", []string{"icmp", "-addr", "172.16.0.2/24"}},
	{"a flag of 100,000 bytes", after("-" + strings.Repeat("x", 100_000))},
	{"a value of 100,000 bytes", after("-mtu", strings.Repeat("x", 100_000))},
	{"an answerer of 100,000 bytes for another's address", after("-respond", "172.16.0.3=exec:"+strings.Repeat("x", 100_000))},
	{"an argument of 100,000 bytes", after(strings.Repeat("icmp or ", 12_500) + "icmp")},
	{"a flag of 100,000 bytes behind a filter", after("icmp", "-"+strings.Repeat("x", 100_000))},
	{"an argument of control characters", after("\x1b[2J\n")},
}

// TestRefusals gives every wrong command line. What is said is in
// testdata/refusals.golden, for people to read whether it says what to do.
func TestRefusals(t *testing.T) {
	var said strings.Builder
	for _, r := range refusals {
		_, err := Parse(r.args, nil)
		if err == nil || errors.Is(err, ErrHelp) {
			t.Errorf("%s: netstackd %q is accepted: %v", r.name, r.args, err)
			continue
		}
		if strings.ContainsFunc(err.Error(), func(c rune) bool { return !unicode.IsPrint(c) }) {
			t.Errorf("%s: not one line that can be printed: %q", r.name, err)
		}
		if len(err.Error()) > maxRefusal {
			t.Errorf("%s: a line of %d bytes", r.name, len(err.Error()))
		}
		shown := fmt.Sprintf("%q", r.args)
		if len(shown) > 1000 {
			shown = shown[:100] + "…"
		}
		fmt.Fprintf(&said, "%s\n\t%s\n\t%v\n", r.name, shown, err)
	}
	golden(t, "testdata/refusals.golden", said.String())
}

// golden holds what is printed against a file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file: %v; -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), -update rewrites it:\n%s", path, diff)
	}
}
