package link

import (
	"net/netip"
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	for _, tc := range []struct {
		name string
		want string // in the error, "" for none
	}{
		{"netstack0", ""},
		{"a", ""},
		{"123456789012345", ""},
		{"tün", ""},
		{"...", ""},
		{"", "it is empty"},
		{"1234567890123456", "16 bytes long, 15 are allowed"},
		{"äöüäöüäö", "16 bytes"},
		{".", "reserved"},
		{"..", "reserved"},
		{"a/b", `contains '/'`},
		{"a:b", `contains ':'`},
		{"tun%d", `contains '%'`},
		{"a b", `contains ' '`},
		{"a\tb", `contains '\t'`},
		{"a\nb", `contains '\n'`},
		{"a\u00a0b", "contains"},
		{"a\x00b", "contains"},
		{"a\xffb", "contains"},
	} {
		checkError(t, tc.name, CheckName(tc.name), tc.want)
	}
}

func TestCheckConfig(t *testing.T) {
	prefixes := func(all ...string) (ps []netip.Prefix) {
		for _, s := range all {
			ps = append(ps, netip.MustParsePrefix(s))
		}
		return ps
	}
	for _, tc := range []struct {
		name string
		c    Config
		want string
	}{
		{"both families", Config{Name: "x", MTU: 1280, Kernel: []Address{addr("172.16.0.1/24"), addr("fd00::1/64")}, Netstack: prefixes("172.16.0.2/24", "fd00::2/64")}, ""},
		{"point-to-point", Config{Name: "x", MTU: 68, Kernel: []Address{addr("10.0.0.1/32", "10.9.9.9")}, Netstack: prefixes("10.9.9.9/32")}, ""},
		{"no name", Config{MTU: 1500}, "name device"},
		{"MTU 67", Config{Name: "x", MTU: 67}, "not between 68 and 65535"},
		{"MTU 65536", Config{Name: "x", MTU: 65536}, "not between 68 and 65535"},
		{"IPv6 in MTU 1279", Config{Name: "x", MTU: 1279, Netstack: prefixes("fd00::2/64")}, "IPv6 needs at least 1280"},
		{"no prefix", Config{Name: "x", MTU: 1500, Netstack: []netip.Prefix{{}}}, "no prefix"},
		{"no host prefix", Config{Name: "x", MTU: 1500, Kernel: []Address{{}}}, "no prefix"},
		{"mapped", Config{Name: "x", MTU: 1500, Netstack: prefixes("::ffff:1.2.3.4/120")}, "IPv4 address in IPv6 form"},
		{"families mixed", Config{Name: "x", MTU: 1500, Kernel: []Address{addr("10.0.0.1/32", "fd00::1")}}, "other family"},
		{"peer in a prefix", Config{Name: "x", MTU: 1500, Kernel: []Address{addr("10.0.0.1/24", "10.0.0.2")}}, "single address"},
		{"both ends the same", Config{Name: "x", MTU: 1500, Kernel: []Address{addr("10.0.0.1/24")}, Netstack: prefixes("10.0.0.1/24")}, "different"},
	} {
		checkError(t, tc.name, tc.c.check(), tc.want)
	}
}

func TestConflicts(t *testing.T) {
	for _, tc := range []struct {
		route, prefix string
		want          bool
	}{
		{"172.16.0.0/24", "172.16.0.0/24", true},
		{"172.16.0.0/12", "172.16.0.0/24", true},
		{"172.16.0.128/25", "172.16.0.0/24", true},
		{"172.16.0.9/32", "172.16.0.0/24", true},
		{"172.16.1.0/24", "172.16.0.0/24", false},
		{"0.0.0.0/0", "172.16.0.0/24", false},
		{"0.0.0.0/1", "10.0.0.0/24", true},
		{"::/0", "fd00::/64", false},
		{"fd00::/8", "fd00::/64", true},
		{"fe80::/64", "fe80::/64", false},
		{"fe80::/64", "fd00::/64", false},
		{"10.0.0.0/8", "fd00::/64", false},
	} {
		if got := conflicts(netip.MustParsePrefix(tc.route), netip.MustParsePrefix(tc.prefix)); got != tc.want {
			t.Errorf("conflicts(%s, %s) = %v", tc.route, tc.prefix, got)
		}
	}
}

// checkError wants an error of one line that contains want, or none for "".
func checkError(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%q: refused: %v", name, err)
	case want != "" && err == nil:
		t.Errorf("%q: not refused, want %q", name, want)
	case want != "" && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")):
		t.Errorf("%q: error is %q, want one line with %q", name, err, want)
	}
}
