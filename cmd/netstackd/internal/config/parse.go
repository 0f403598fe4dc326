package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sirupsen/logrus"

	"netstackd/hooks/capture"
	"netstackd/hooks/faults"
	"netstackd/hooks/filter"
	"netstackd/hooks/trace"
	"netstackd/link"
	"netstackd/stack"
)

// ErrHelp is returned by [Parse] if the arguments ask for help.
var ErrHelp = flag.ErrHelp

// Parse turns arguments, without the program's name, into a Config. An error
// is one line that says what was expected.
func Parse(args []string) (*Config, error) {
	c := defaults()
	var hosts []netip.Addr
	fs := flags(&c, &hosts)
	if err := fs.Parse(args); err != nil {
		return nil, flagError(err)
	}
	if c.Version {
		return &c, nil
	}
	if err := c.parseFilter(fs.Args()); err != nil {
		return nil, err
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if err := c.shareOutput(given); err != nil {
		return nil, err
	}
	if err := c.complete(hosts); err != nil {
		return nil, err
	}
	if err := c.completeRespond(given); err != nil {
		return nil, err
	}
	if err := c.checkHTTP(); err != nil {
		return nil, err
	}
	return &c, nil
}

// flags returns the flags, which set c, and what -host names, hosts.
func flags(c *Config, hosts *[]netip.Addr) *flag.FlagSet {
	fs := flag.NewFlagSet("netstackd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Func("addr", "", func(s string) error {
		p, err := parseAddr(s, c.Addresses)
		c.Addresses = append(c.Addresses, p)
		return err
	})
	fs.Func("host", "", func(s string) error {
		a, err := parseHost(s)
		*hosts = append(*hosts, a)
		return err
	})
	fs.Func("tun", "", func(s string) error {
		c.TUN = s
		if err := link.CheckName(s); err != nil {
			// It quotes the name, which stands there already.
			return errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf("name device %q: ", s)))
		}
		return nil
	})
	fs.Func("mtu", "", func(s string) (err error) {
		c.MTU, err = strconv.Atoi(s)
		if err != nil || c.MTU < minMTU || c.MTU > maxMTU {
			return fmt.Errorf("expected bytes from %d to %d", minMTU, maxMTU)
		}
		return nil
	})
	fs.Func("offload", "", func(s string) (err error) {
		c.Offload, err = link.ParseOffload(s)
		return err
	})
	fs.Func("busy-poll", "", func(s string) (err error) {
		c.BusyPoll, err = time.ParseDuration(s)
		if err != nil || c.BusyPoll < 0 || c.BusyPoll > maxBusyPoll {
			return fmt.Errorf("expected a duration from 0 to %v, as in 50us", maxBusyPoll)
		}
		return nil
	})
	fs.Func("services", "", func(s string) (err error) {
		c.Services, err = parseServices(s)
		return err
	})
	fs.Func("connections", "", func(s string) (err error) {
		c.Connections, err = strconv.Atoi(s)
		if err != nil || c.Connections < 1 || c.Connections > maxConnections {
			return fmt.Errorf("expected how many TCP connections each service may have, from 1 to %d", maxConnections)
		}
		return nil
	})
	respondAll := false
	fs.Func("respond", "", func(s string) error { return c.parseRespond(s, &respondAll) })
	fs.Func("shadow", "", func(s string) (err error) {
		c.Shadow, err = parseShadow(s)
		return err
	})
	fs.BoolFunc("send-bad-replies", "", func(s string) (err error) {
		c.SendBadReplies, err = parseBool(s)
		return err
	})
	fs.Func("exec-user", "", func(s string) error {
		c.ExecUser = s
		if s == "" {
			return errors.New("expected a user's name or number, as in nobody")
		}
		return nil
	})
	fs.Func("guard", "", func(s string) error {
		c.Guard = s == "on"
		return oneOf(s, "off", "on")
	})
	fs.Func("trace", "", func(s string) error {
		c.Trace = trace.Level(s)
		if s == "off" {
			c.Trace = ""
		}
		return oneOf(s, "off", string(trace.Packets), string(trace.Compare), string(trace.Explain))
	})
	fs.Func("trace-format", "", func(s string) error {
		c.TraceFormat = trace.Format(s)
		return oneOf(s, string(trace.Text), string(trace.JSON))
	})
	fs.Func("trace-out", "", func(s string) error {
		c.TraceOut = s
		if s == "" {
			return errors.New(`expected a file's name, or "-" for standard output`)
		}
		return nil
	})
	fs.Func("trace-sample", "", func(s string) (err error) {
		n, ok := strings.CutPrefix(s, "1/")
		if c.Sample, err = strconv.ParseUint(n, 10, 32); !ok || err != nil || c.Sample == 0 {
			return errors.New("expected 1/N, as in 1/100 for each hundredth packet")
		}
		return nil
	})
	fs.Func("pcapng", "", func(s string) error {
		c.Pcapng = s
		if s == "" {
			return errors.New(`expected a file's name, or "-" for standard output`)
		}
		return nil
	})
	fs.Func("pcapng-rotate", "", func(s string) (err error) {
		c.PcapngRotate, err = capture.ParseSize(s)
		return err
	})
	fs.Func("inject", "", func(s string) error {
		rule, err := faults.Parse(s)
		c.Inject = append(c.Inject, rule)
		return err
	})
	c.httpFlags(fs)
	fs.Func("log-level", "", func(s string) (err error) {
		if err := oneOf(s, "error", "warning", "info", "debug", "trace"); err != nil {
			return err
		}
		c.LogLevel, err = logrus.ParseLevel(s)
		return err
	})
	fs.Func("log-format", "", func(s string) error {
		c.LogJSON = s == "json"
		return oneOf(s, "text", "json")
	})
	fs.BoolFunc("version", "", func(s string) (err error) {
		c.Version, err = parseBool(s)
		return err
	})
	return fs
}

func parseBool(s string) (bool, error) {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, errors.New("expected no value, or true or false")
	}
	return b, nil
}

// parseFilter compiles the words behind the flags, which are one expression.
func (c *Config) parseFilter(words []string) (err error) {
	if len(words) == 0 {
		return nil
	}
	for _, w := range words {
		if len(w) > 1 && w[0] == '-' && (w[1] == '-' || unicode.IsLetter(rune(w[1]))) {
			return fmt.Errorf("flag %q stands behind the filter expression: flags come first", w)
		}
	}
	if c.Trace == "" && c.Pcapng == "" {
		return fmt.Errorf("filter expression %q limits what is traced, and nothing is: give -trace or -pcapng as well", strings.Join(words, " "))
	}
	c.Filter, err = filter.Compile(strings.Join(words, " "))
	return err
}

// shareOutput sees to it that standard output has one owner. given holds the
// flags that were given: what was not asked for gives way.
func (c *Config) shareOutput(given map[string]bool) error {
	if c.PcapngRotate > 0 && (c.Pcapng == "" || c.Pcapng == "-") {
		return errors.New("-pcapng-rotate needs the name of a file to begin with: give -pcapng FILE")
	}
	stdio := c.uses(RespondMCPStdio)
	switch {
	case c.Pcapng == "-" && stdio:
		return errors.New("-pcapng - and -respond mcp:stdio both want standard output: give the capture a file")
	case c.TraceOut != "-" || c.Pcapng != "-" && !stdio:
		return nil
	case given["trace-out"] && stdio:
		return errors.New("-trace-out - and -respond mcp:stdio both want standard output: give the trace a file")
	case given["trace-out"]:
		return errors.New("-trace-out - and -pcapng - both want standard output: give one of them a file")
	}
	c.TraceOut = ""
	return nil
}

// complete checks what takes more than one flag, and gives the kernel its
// addresses.
func (c *Config) complete(hosts []netip.Addr) (err error) {
	if len(c.Addresses) == 0 {
		return errors.New("-addr is missing: give the address that this host shall own, as in -addr 172.16.0.2/24")
	}
	if c.MTU < minMTUIPv6 && slices.ContainsFunc(c.Addresses, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		return fmt.Errorf("-mtu %d is too small for IPv6: give at least -mtu %d, or no IPv6 address", c.MTU, minMTUIPv6)
	}
	if faults.NeedWholeChecksums(c.Inject) {
		// Else the kernel would complete a right checksum over the damage.
		if c.Offload == link.OffloadOn {
			return errors.New("-inject corrupt and truncate need whole checksums: give -offload off, or leave -offload out")
		}
		c.Offload = link.OffloadOff
	}
	c.Kernel, err = kernelAddresses(c.Addresses, hosts)
	return err
}

// flagError words the errors of package flag as the rest are worded, and quotes
// what it does not.
func flagError(err error) error {
	for prefix, format := range map[string]string{
		"flag provided but not defined: ": "unknown flag %q: netstackd -help lists them all",
		"bad flag syntax: ":               "%q is no flag: netstackd -help lists them all",
		"flag needs an argument: ":        "flag %s needs a value: netstackd -help says which",
	} {
		if what, ok := strings.CutPrefix(err.Error(), prefix); ok {
			return fmt.Errorf(format, what)
		}
	}
	return err
}

func oneOf(s string, names ...string) error {
	if slices.Contains(names, s) {
		return nil
	}
	last := len(names) - 1
	return fmt.Errorf("expected %s or %s", strings.Join(names[:last], ", "), names[last])
}

func parseAddr(s string, before []netip.Prefix) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, errors.New("expected an address and the length of its prefix, as in 172.16.0.2/24 or fd00:172::2/64")
	}
	if p.Bits() == 0 {
		return p, errors.New("a prefix of length 0 is the whole Internet; give that of the link, as in 172.16.0.2/24 or fd00:172::2/64")
	}
	if slices.ContainsFunc(before, func(b netip.Prefix) bool { return b.Addr() == p.Addr() }) {
		return p, errors.New("the address is given twice")
	}
	if why := unusable(p); why != "" {
		return p, fmt.Errorf("%s; give one that a host can have, as in %s", why, example(p))
	}
	return p, nil
}

func parseHost(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return a, errors.New("expected an address without prefix length or zone, as in 172.16.0.1")
	}
	if why := unusable(netip.PrefixFrom(a, a.BitLen())); why != "" {
		return a, fmt.Errorf("%s; give one that a host can have, as in 172.16.0.1 or fd00:172::1", why)
	}
	return a, nil
}

func parseServices(s string) ([]string, error) {
	known := stack.ServiceNames()
	switch s {
	case "all":
		return known, nil
	case "none":
		return nil, nil
	}
	list := strings.Split(s, ",")
	for i, name := range list {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown service %q: expected a list of %s, or all, or none", name, strings.Join(known, ","))
		}
		if slices.Contains(list[:i], name) {
			return nil, fmt.Errorf("service %q is given twice", name)
		}
	}
	return list, nil
}
