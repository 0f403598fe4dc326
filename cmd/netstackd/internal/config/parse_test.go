package config

import (
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/serve"
	"netstackd/hooks/faults"
	"netstackd/hooks/filter"
	"netstackd/hooks/guard"
	"netstackd/hooks/trace"
	"netstackd/link"
	"netstackd/stack"
)

// strict is the guard that makes every mend but those named.
func strict(without ...string) guard.Mode {
	m := guard.Mode{On: true}
	for i, mend := range guard.List() {
		if !slices.Contains(without, mend.Name) {
			m.Mends |= 1 << i
		}
	}
	return m
}

// comparers let go-cmp look into what has no exported fields.
var comparers = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b *filter.Filter) bool {
		return (a == nil) == (b == nil) && (a == nil || a.String() == b.String())
	}),
	cmp.Comparer(func(a, b faults.Rule) bool { return a.String() == b.String() }),
	cmpopts.IgnoreUnexported(Config{}),
}

// addresses parses the list of what netstack owns.
func addresses(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// kernel parses the list of what the kernel gets, as ip(8) takes it.
func kernel(list ...string) []link.Address {
	var out []link.Address
	for _, s := range list {
		local, peer, ok := strings.Cut(s, " peer ")
		a := link.Address{}
		if ok {
			addr := netip.MustParseAddr(local)
			a.Local, a.Peer = netip.PrefixFrom(addr, addr.BitLen()), netip.MustParseAddr(peer)
		} else {
			a.Local = netip.MustParsePrefix(s)
		}
		out = append(out, a)
	}
	return out
}

func compiled(expression string) *filter.Filter {
	f, err := filter.Compile(expression)
	if err != nil {
		panic(err)
	}
	return f
}

func rules(texts ...string) []faults.Rule {
	var all []faults.Rule
	for _, text := range texts {
		r, err := faults.Parse(text)
		if err != nil {
			panic(err)
		}
		all = append(all, r)
	}
	return all
}

// TestParse takes command lines that are right and wants the whole Config.
func TestParse(t *testing.T) {
	all := []string{"echo", "discard", "chargen", "http", "iperf3"}
	both := []string{"netstack", "byhand"}
	const offload = link.OffloadAuto // by default
	base := func(change func(*Config)) Config {
		c := Config{
			Addresses: addresses("172.16.0.2/24"), Kernel: kernel("172.16.0.1/24"),
			TUN: "netstack0", MTU: 1500, Offload: offload, BusyPoll: 50 * time.Microsecond,
			Services: all, Respond: "netstack", Guard: guard.Mode{On: true}, Contain: true, Connections: 1024,
			IdleTimeout: 5 * time.Minute, MemoryLimit: 1 << 30, Captures: 16,
			HalfOpen:    stack.DefaultHalfOpen,
			TraceFormat: trace.Text, TraceOut: "-", Sample: 1, LogLevel: logrus.InfoLevel,
		}
		change(&c)
		return c
	}
	for _, tt := range []struct {
		args string // behind -addr 172.16.0.2/24
		want Config
	}{
		{"", base(func(*Config) {})},
		{"-tun tun7", base(func(c *Config) { c.TUN = "tun7" })},
		{"--tun=tun7", base(func(c *Config) { c.TUN = "tun7" })},
		{"-tun tun7 -no-configure", base(func(c *Config) { c.TUN, c.NoConfigure, c.Kernel = "tun7", true, nil })},
		{"-tun-fd 3", base(func(c *Config) { c.TUNFD, c.Kernel = 3, nil })},
		{"-addr 10.9.9.9/32 -tun-fd 3 -no-configure", base(func(c *Config) {
			c.Addresses, c.TUNFD, c.NoConfigure, c.Kernel = addresses("172.16.0.2/24", "10.9.9.9/32"), 3, true, nil
		})},
		{"-mtu 576", base(func(c *Config) { c.MTU = 576 })},
		{"-mtu 65520", base(func(c *Config) { c.MTU = 65520 })},
		{"-mtu 1400 -mtu 9000", base(func(c *Config) { c.MTU = 9000 })},
		{"-offload auto", base(func(c *Config) { c.Offload = link.OffloadAuto })},
		{"-offload on", base(func(c *Config) { c.Offload = link.OffloadOn })},
		{"-offload off", base(func(c *Config) { c.Offload = link.OffloadOff })},
		{"-offload on -offload auto", base(func(c *Config) { c.Offload = link.OffloadAuto })},
		{"-busy-poll 0", base(func(c *Config) { c.BusyPoll = 0 })},
		{"-busy-poll 0s", base(func(c *Config) { c.BusyPoll = 0 })},
		{"-busy-poll 1ns", base(func(c *Config) { c.BusyPoll = 1 })},
		{"-busy-poll 20us", base(func(c *Config) { c.BusyPoll = 20 * time.Microsecond })},
		{"-busy-poll 20µs", base(func(c *Config) { c.BusyPoll = 20 * time.Microsecond })},
		{"-busy-poll 10ms", base(func(c *Config) { c.BusyPoll = 10 * time.Millisecond })},
		{"-services all", base(func(*Config) {})},
		{"-services none", base(func(c *Config) { c.Services = nil })},
		{"-services http,echo", base(func(c *Config) { c.Services = []string{"http", "echo"} })},
		{"-connections-per-source 0", base(func(*Config) {})},
		{"-connections-per-source 9 -idle-timeout 1s", base(func(c *Config) { c.PerSource, c.IdleTimeout = 9, time.Second })},
		{"-memory-limit 64MiB", base(func(c *Config) { c.MemoryLimit = 64 << 20 })},
		{"-captures 0", base(func(c *Config) { c.Captures = 0 })},
		{"-captures 64", base(func(c *Config) { c.Captures = 64 })},
		{"-respond netstack", base(func(*Config) {})},
		{"-respond byhand", base(func(c *Config) { c.Respond, c.Shadow = "byhand", both })},
		{"-respond byhand -shadow none", base(func(c *Config) { c.Respond = "byhand" })},
		{"-shadow byhand,netstack", base(func(c *Config) { c.Shadow = []string{"byhand", "netstack"} })},
		{"-respond 172.16.0.2=fifo:/tmp/ -send-bad-replies", base(func(c *Config) {
			c.RespondFor = map[netip.Addr]string{netip.MustParseAddr("172.16.0.2"): "fifo:/tmp"}
			c.Shadow, c.SendBadReplies = both, true
		})},
		{"-respond exec:A=b -exec-user daemon", base(func(c *Config) { c.Respond, c.Shadow, c.ExecUser = "exec:A=b", both, "daemon" })},
		{"-respond mcp -http unix:x", base(func(c *Config) {
			c.Respond, c.Shadow, c.HTTP = "mcp", both, serve.Address{Network: "unix", Address: "x"}
		})},
		{"-respond mcp:stdio -trace compare", base(func(c *Config) {
			c.Respond, c.Shadow, c.Trace, c.TraceOut = "mcp:stdio", both, trace.Compare, ""
		})},
		{"-guard off", base(func(c *Config) { c.Guard = guard.Mode{} })},
		{"-guard strict", base(func(c *Config) { c.Guard = strict() })},
		{"-guard strict,-reserved-flag", base(func(c *Config) { c.Guard = strict("reserved-flag") })},
		{"-guard strict,-class-e-error,-reserved-flag", base(func(c *Config) { c.Guard = strict("reserved-flag", "class-e-error") })},
		{"-guard off -guard on", base(func(*Config) {})},
		{"-trace off", base(func(*Config) {})},
		{"-trace packets", base(func(c *Config) { c.Trace = trace.Packets })},
		{"-trace compare", base(func(c *Config) { c.Trace = trace.Compare })},
		{"-trace explain", base(func(c *Config) { c.Trace = trace.Explain })},
		{"-trace compare -trace off", base(func(*Config) {})},
		{"-trace compare -trace-format json -trace-out t.json", base(func(c *Config) {
			c.Trace, c.TraceFormat, c.TraceOut = trace.Compare, trace.JSON, "t.json"
		})},
		{"-trace-format text", base(func(*Config) {})},
		{"-trace-out -", base(func(*Config) {})},
		{"-trace packets -trace-sample 1/100", base(func(c *Config) { c.Trace, c.Sample = trace.Packets, 100 })},
		{"-pcapng f.pcapng -pcapng-rotate 10MB", base(func(c *Config) { c.Pcapng, c.PcapngRotate = "f.pcapng", 10_000_000 })},
		// What was not asked for gives way to what was.
		{"-trace compare -pcapng -", base(func(c *Config) { c.Trace, c.TraceOut, c.Pcapng = trace.Compare, "", "-" })},
		{"-trace compare -trace-out t -pcapng -", base(func(c *Config) { c.Trace, c.TraceOut, c.Pcapng = trace.Compare, "t", "-" })},
		{"-trace packets icmp or tcp port 80", base(func(c *Config) { c.Trace, c.Filter = trace.Packets, compiled("icmp or tcp port 80") })},
		{"-pcapng f.pcapng -- not icmp", base(func(c *Config) { c.Pcapng, c.Filter = "f.pcapng", compiled("not icmp") })},
		{"-inject corrupt=1% -inject drop=1/1000", base(func(c *Config) { c.Inject, c.Offload = rules("corrupt=1%", "drop=1/1000"), link.OffloadOff })},
		{"-http localhost:8080", base(func(c *Config) { c.HTTP = serve.Address{Network: "tcp", Address: "127.0.0.1:8080"} })},
		{"-http unix:run/x.sock", base(func(c *Config) { c.HTTP = serve.Address{Network: "unix", Address: "run/x.sock"} })},
		{"-http :80 -http-token-file t", base(func(c *Config) {
			c.HTTP, c.HTTPTokenFile = serve.Address{Network: "tcp", Address: ":80"}, "t"
		})},
		{"-log-level error", base(func(c *Config) { c.LogLevel = logrus.ErrorLevel })},
		{"-log-level warning", base(func(c *Config) { c.LogLevel = logrus.WarnLevel })},
		{"-log-level info", base(func(*Config) {})},
		{"-log-level debug", base(func(c *Config) { c.LogLevel = logrus.DebugLevel })},
		{"-log-level trace", base(func(c *Config) { c.LogLevel = logrus.TraceLevel })},
		{"-log-format json", base(func(c *Config) { c.LogJSON = true })},
		{"-log-format json -log-format text", base(func(*Config) {})},
		{"-version=false", base(func(*Config) {})},
		{"-version", base(func(c *Config) { c.Version, c.Kernel = true, nil })},
		{"--", base(func(*Config) {})},
	} {
		got, err := Parse(append([]string{"-addr", "172.16.0.2/24"}, strings.Fields(tt.args)...), nil)
		if err != nil {
			t.Errorf("%s: %v", tt.args, err)
			continue
		}
		if diff := cmp.Diff(tt.want, *got, comparers); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.args, diff)
		}
	}
}

// TestKernel: which addresses the kernel gets, for which are netstack's and
// which were asked for.
func TestKernel(t *testing.T) {
	for _, tt := range []struct {
		name, args string
		want       []link.Address
	}{
		{"a subnet", "-addr 172.16.0.2/24", kernel("172.16.0.1/24")},
		{"the first address is netstack's", "-addr 172.16.0.1/24", kernel("172.16.0.2/24")},
		{"the last address is netstack's", "-addr 172.16.0.254/24", kernel("172.16.0.1/24")},
		{"far from the first", "-addr 10.1.2.3/8", kernel("10.0.0.1/8")},
		{"a subnet of two hosts", "-addr 10.0.0.2/30", kernel("10.0.0.1/30")},
		{"the other of two hosts", "-addr 10.0.0.1/30", kernel("10.0.0.2/30")},
		{"a pair", "-addr 10.0.0.1/31", kernel("10.0.0.0/31")},
		{"the other way round", "-addr 10.0.0.0/31", kernel("10.0.0.1/31")},
		{"an IPv6 subnet", "-addr fd00:172::2/64", kernel("fd00:172::1/64")},
		{"the first IPv6 address is netstack's", "-addr fd00:172::1/64", kernel("fd00:172::2/64")},
		{"an IPv6 subnet of three hosts", "-addr fd00::1/126", kernel("fd00::2/126")},
		{"the last IPv6 address is one too", "-addr fd00::1/126 -addr fd00::2/126", kernel("fd00::3/126")},
		{"an IPv6 pair", "-addr fd00::1/127", kernel("fd00::/127")},
		{"an IPv6 pair the other way round", "-addr fd00::/127", kernel("fd00::1/127")},
		{"link-local", "-addr fe80::2/64", kernel("fe80::1/64")},
		{"both families", "-addr 172.16.0.2/24 -addr fd00:172::2/64", kernel("172.16.0.1/24", "fd00:172::1/64")},
		{"two addresses in one prefix", "-addr 172.16.0.1/24 -addr 172.16.0.2/24", kernel("172.16.0.3/24")},
		{"two prefixes", "-addr 10.0.0.2/24 -addr 10.0.1.2/24", kernel("10.0.0.1/24", "10.0.1.1/24")},
		{"nested prefixes, the wide one first", "-addr 10.0.0.2/16 -addr 10.0.0.3/24", kernel("10.0.0.1/16", "10.0.0.4/24")},
		{"nested prefixes, the narrow one first", "-addr 10.0.0.3/24 -addr 10.0.0.2/16", kernel("10.0.0.1/24", "10.0.0.4/16")},
		{"past 0.0.0.0/8", "-addr 100.0.0.1/1", kernel("1.0.0.0/1")},

		{"-host", "-addr 172.16.0.2/24 -host 172.16.0.9", kernel("172.16.0.9/24")},
		{"-host before -addr", "-host 172.16.0.9 -addr 172.16.0.2/24", kernel("172.16.0.9/24")},
		{"two in one prefix", "-addr 172.16.0.2/24 -host 172.16.0.9 -host 172.16.0.8", kernel("172.16.0.9/24", "172.16.0.8/24")},
		{"for one of two prefixes", "-addr 172.16.0.2/24 -addr fd00::2/64 -host fd00::9", kernel("172.16.0.1/24", "fd00::9/64")},
		{"in a pair", "-addr 10.0.0.1/31 -host 10.0.0.0", kernel("10.0.0.0/31")},
		{"in nested prefixes, the wide one first", "-addr 10.0.0.2/16 -addr 10.0.0.3/24 -host 10.0.0.9", kernel("10.0.0.9/16")},
		{"in nested prefixes, the narrow one first", "-addr 10.0.0.3/24 -addr 10.0.9.9/16 -host 10.0.0.9", kernel("10.0.0.9/16")},
		{"in the wide one alone", "-addr 10.0.0.3/24 -addr 10.0.9.8/16 -host 10.0.9.9", kernel("10.0.0.1/24", "10.0.9.9/16")},

		{"a single address", "-addr 10.9.9.9/32 -host 172.16.0.1", kernel("172.16.0.1 peer 10.9.9.9")},
		{"a single IPv6 address", "-addr fd09::9/128 -host fd00::1", kernel("fd00::1 peer fd09::9")},
		{"several from one host", "-addr 10.9.9.8/32 -addr 10.9.9.9/32 -host 172.16.0.1",
			kernel("172.16.0.1 peer 10.9.9.8", "172.16.0.1 peer 10.9.9.9")},
		{"several from a host each", "-addr 10.9.9.8/32 -addr 10.9.9.9/32 -host 172.16.0.1 -host 172.16.0.2",
			kernel("172.16.0.1 peer 10.9.9.8", "172.16.0.2 peer 10.9.9.9")},
		{"several IPv6 from a host each", "-addr fd09::8/128 -addr fd09::9/128 -host fd00::1 -host fd00::2",
			kernel("fd00::1 peer fd09::8", "fd00::2 peer fd09::9")},
		{"from the host of a prefix", "-addr 10.9.9.9/32 -addr 172.16.0.2/24 -host 172.16.0.1",
			kernel("172.16.0.1/24", "172.16.0.1 peer 10.9.9.9")},
		{"from a host that is free", "-addr 172.16.0.2/24 -addr 10.9.9.9/32 -host 172.16.0.1 -host 10.1.1.1",
			kernel("172.16.0.1/24", "10.1.1.1 peer 10.9.9.9")},
		{"of both families", "-addr 10.9.9.9/32 -addr fd09::9/128 -host fd00::1 -host 172.16.0.1",
			kernel("172.16.0.1 peer 10.9.9.9", "fd00::1 peer fd09::9")},
		{"within another prefix", "-addr 172.16.0.2/24 -addr 172.16.0.1/32", kernel("172.16.0.3/24")},
		{"within another IPv6 prefix", "-addr fd00::9/128 -addr fd00::2/64 -host fd00::1", kernel("fd00::1/64")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse(strings.Fields(tt.args), nil)
			if err != nil {
				t.Fatalf("%s: %v", tt.args, err)
			}
			if diff := cmp.Diff(tt.want, c.Kernel, comparers); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.args, diff)
			}
			checkConfig(t, c)
		})
	}
}

// checkConfig wants what every Config promises: netstack's addresses and the
// kernel's are different ones that hosts can have, and each of netstack's is
// on the other end of one of the kernel's.
func checkConfig(t *testing.T, c *Config) {
	t.Helper()
	kernels := map[link.Address]bool{}
	for _, k := range c.Kernel {
		if kernels[k] {
			t.Errorf("the kernel gets %v twice", k)
		}
		kernels[k] = true
		if why := unusable(k.Local); why != "" {
			t.Errorf("the kernel gets %v: %s", k, why)
		}
		if k.Peer.IsValid() && (!k.Local.IsSingleIP() || k.Peer.Is4() != k.Local.Addr().Is4()) {
			t.Errorf("the kernel gets %v, which has a peer", k)
		}
	}
	for _, p := range c.Addresses {
		if why := unusable(p); why != "" {
			t.Errorf("netstack gets %v: %s", p, why)
		}
		reached := false
		for _, k := range c.Kernel {
			if k.Local.Addr() == p.Addr() {
				t.Errorf("the kernel gets %v, which is netstack's", k)
			}
			reached = reached || k.Peer == p.Addr() || k.Local.Contains(p.Addr())
		}
		if !reached && !c.Prepared() {
			t.Errorf("none of the kernel's addresses %v reaches %v", c.Kernel, p)
		}
	}
}

// TestHelp: all spellings ask for help, also among other arguments.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"-help"}, {"--help"}, {"-addr", "172.16.0.2/24", "-help", "-nonsense"}} {
		if c, err := Parse(args, nil); !errors.Is(err, ErrHelp) || c != nil {
			t.Errorf("%q: %+v, %v, want ErrHelp", args, c, err)
		}
	}
}

// TestUsage: the usage tells of each flag that the parser knows, with the
// default, and of no other; and fits a terminal.
func TestUsage(t *testing.T) {
	known := map[string]bool{}
	Usage := Usage()
	for _, s := range settings() {
		if s.expression {
			continue
		}
		known[s.name] = true
		if !regexp.MustCompile(`(?m)^  -` + s.name + ` `).MatchString(Usage) {
			t.Errorf("the usage does not tell of -%s", s.name)
		}
	}
	if len(known) < 12 {
		t.Errorf("the parser knows %d flags", len(known))
	}
	for _, m := range regexp.MustCompile(`(?m)^  -([a-z-]+)`).FindAllStringSubmatch(Usage, -1) {
		if !known[m[1]] {
			t.Errorf("the usage tells of -%s, which the parser does not know", m[1])
		}
	}
	for _, want := range []string{
		"(default netstack0)", "(default 1500)", "(default all)", "(default on)", "(default off)", "(default text)", "(default -)", "(default info)",
	} {
		if !strings.Contains(Usage, want) {
			t.Errorf("the usage does not say %s", want)
		}
	}
	for l := range strings.Lines(Usage) {
		if len(l) > 100 {
			t.Errorf("a line of %d bytes: %s", len(l), l)
		}
	}
}

// FuzzParse gives the parser any arguments, which are the lines of the input.
// It refuses them in one line without a control character, or gives a Config
// that keeps its promises.
func FuzzParse(f *testing.F) {
	for _, r := range refusals {
		f.Add(strings.Join(r.args, "\n"))
	}
	f.Add("-addr\n172.16.0.2/24\n-addr\nfd00:172::2/64\n-host\n172.16.0.9\n-trace\ncompare")
	f.Add("-addr\n10.9.9.9/32\n-addr\n10.9.9.8/31\n-host\n10.9.9.1")
	f.Add("-addr\n10.0.0.3/24\n-addr\n10.0.9.9/16\n-addr\n10.0.0.4/29\n-host\n10.0.0.9")
	f.Fuzz(func(t *testing.T, input string) {
		var args []string
		for l := range strings.Lines(input) {
			args = append(args, strings.TrimSuffix(l, "\n"))
		}
		// An argument with an end of line in it.
		args = append(args, strings.Split(input, "\x00")[1:]...)
		c, err := Parse(args, nil)
		if err != nil {
			text := err.Error()
			if text == "" || len(text) > 4096+len(input)*10 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q: %q", args, text)
			}
			return
		}
		if !c.Version {
			checkConfig(t, c)
		}
	})
}
