package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"netstackd/hooks/faults"
	"netstackd/link"
)

// ErrHelp is returned by [Parse] if the arguments ask for help.
var ErrHelp = flag.ErrHelp

// Parse turns arguments, without the program's name, the environment, as
// os.Environ returns it, and the file that one of them names, into a Config.
// Where more than one sets the same, the arguments win over the environment and
// that over the file, also where what is set is a list. What is wrong is refused
// wherever it stands, with an error of one line that says what was expected.
func Parse(args, environ []string) (*Config, error) {
	c, err := parse(args, environ)
	return c, bounded(err)
}

func parse(args, environ []string) (*Config, error) {
	table := settings()
	byFlag, err := flagValues(table, args)
	if err != nil {
		return nil, err
	}
	flags, err := drafted(table, byFlag)
	switch {
	case err != nil:
		return nil, err
	case flags.Version:
		return &flags.Config, nil
	}
	byVariable, err := environmentValues(table, environ)
	if err != nil {
		return nil, err
	}
	byFile := map[string][]value{}
	if path := last(byVariable["config"], byFlag["config"]); path != nil {
		if byFile, err = fileValues(table, path.text); err != nil {
			return nil, err
		}
	}
	// Each is checked for itself: what another overrides may be wrong, too.
	for _, some := range []map[string][]value{byVariable, byFile} {
		if _, err := drafted(table, some); err != nil {
			return nil, err
		}
	}
	d, err := drafted(table, byFile, byVariable, byFlag)
	if err != nil {
		return nil, err
	}
	for _, check := range []func() error{d.checkFilter, d.shareOutput, d.checkPrepared, d.complete, d.completeRespond, d.checkHTTP} {
		if err := check(); err != nil {
			return nil, d.locate(err)
		}
	}
	return &d.Config, nil
}

// drafted sets on top of the defaults what each of the sources has, of which the
// later win.
func drafted(table []setting, sources ...map[string][]value) (*draft, error) {
	d := &draft{Config: defaults()}
	d.given = map[string]value{}
	for i := range table {
		s := &table[i]
		var values []value
		for _, source := range sources {
			if v, ok := source[s.name]; ok {
				values = v
			}
		}
		for _, v := range values {
			if err := s.apply(d, v); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// last returns the last value of the last source that has one, or nil.
func last(sources ...[]value) *value {
	for _, values := range slices.Backward(sources) {
		if len(values) > 0 {
			return &values[len(values)-1]
		}
	}
	return nil
}

// flagValues takes the arguments apart. The words behind the flags are one
// expression.
func flagValues(table []setting, args []string) (map[string][]value, error) {
	values := map[string][]value{}
	fs := flag.NewFlagSet("netstackd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	for _, s := range table {
		take := func(text string) error {
			values[s.name] = append(values[s.name], value{text: text})
			return nil
		}
		switch {
		case s.expression:
		case s.toggle != nil:
			fs.BoolFunc(s.name, "", take)
		default:
			fs.Func(s.name, "", take)
		}
	}
	if err := fs.Parse(args); err != nil {
		return nil, flagError(err)
	}
	for _, w := range fs.Args() {
		if len(w) > 1 && w[0] == '-' && (w[1] == '-' || unicode.IsLetter(rune(w[1]))) {
			return nil, fmt.Errorf("flag %s stands behind the filter expression: flags come first", quote(w))
		}
	}
	if fs.NArg() > 0 {
		values["filter"] = []value{{text: strings.Join(fs.Args(), " ")}}
	}
	return values, nil
}

// flagError words the errors of package flag as the rest are worded, and quotes
// what it does not.
func flagError(err error) error {
	for prefix, format := range map[string]string{
		"flag provided but not defined: ": "unknown flag %s: netstackd -help lists them all",
		"bad flag syntax: ":               "%s is no flag: netstackd -help lists them all",
		"flag needs an argument: ":        "flag %s needs a value: netstackd -help says which",
	} {
		if what, ok := strings.CutPrefix(err.Error(), prefix); ok {
			if prefix != "flag needs an argument: " {
				what = quote(what)
			}
			return fmt.Errorf(format, what)
		}
	}
	return err
}

// checkFilter wants something to be traced, if a filter stands behind the flags.
// One in the file or the environment may wait for a trace.
func (d *draft) checkFilter() error {
	v, given := d.given["filter"]
	if given && v.origin == (origin{}) && d.Trace == "" && d.Pcapng == "" {
		return fmt.Errorf("filter expression %s limits what is traced, and nothing is: give -trace or -pcapng as well", quote(v.text))
	}
	return nil
}

// shareOutput sees to it that standard output has one owner: what was not asked
// for gives way.
func (d *draft) shareOutput() error {
	if d.PcapngRotate > 0 && (d.Pcapng == "" || d.Pcapng == "-") {
		return errors.New("-pcapng-rotate needs the name of a file to begin with: give -pcapng FILE")
	}
	if d.Quarantine != "" && (d.Quarantine == d.Pcapng || d.Quarantine == d.TraceOut) {
		return fmt.Errorf("-quarantine %s is written otherwise, too: give it a file of its own", d.Quarantine)
	}
	stdio := d.uses(RespondMCPStdio)
	_, given := d.given["trace-out"]
	switch {
	case d.Pcapng == "-" && stdio:
		return errors.New("-pcapng - and -respond mcp:stdio both want standard output: give the capture a file")
	case d.TraceOut != "-" || d.Pcapng != "-" && !stdio:
		return nil
	case given && stdio:
		return errors.New("-trace-out - and -respond mcp:stdio both want standard output: give the trace a file")
	case given:
		return errors.New("-trace-out - and -pcapng - both want standard output: give one of them a file")
	}
	d.TraceOut = ""
	return nil
}

// complete checks what takes more than one setting, and gives the kernel its
// addresses.
func (d *draft) complete() (err error) {
	if len(d.Addresses) == 0 {
		return errors.New("-addr is missing: give the address that this host shall own, as in -addr 172.16.0.2/24")
	}
	if !d.Prepared() && d.MTU < minMTUIPv6 && slices.ContainsFunc(d.Addresses, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		return fmt.Errorf("-mtu %d is too small for IPv6: give at least -mtu %d, or no IPv6 address", d.MTU, minMTUIPv6)
	}
	if faults.NeedWholeChecksums(d.Inject) {
		// Else the kernel would complete a right checksum over the damage.
		if d.Offload == link.OffloadOn {
			return errors.New("-inject corrupt and truncate need whole checksums: give -offload off, or leave -offload out")
		}
		d.Offload = link.OffloadOff
	}
	if !d.Prepared() {
		d.Kernel, err = kernelAddresses(d.Addresses, d.Hosts)
	}
	return err
}

// checkPrepared refuses to configure a device that somebody else does.
func (d *draft) checkPrepared() error {
	if !d.Prepared() {
		return nil
	}
	with := "-no-configure"
	if d.TUNFD != 0 {
		with = "-tun-fd"
		if _, given := d.given["tun"]; given {
			return errors.New("-tun does not go with -tun-fd: the descriptor's device has its name: leave one of them out")
		}
	}
	for _, refused := range []struct{ name, why string }{
		{"host", "the kernel's side has the addresses that it was given"},
		{"mtu", "the MTU is the device's own"},
	} {
		if _, given := d.given[refused.name]; given {
			return fmt.Errorf("-%s does not go with %s, which configures nothing: %s: leave one of them out", refused.name, with, refused.why)
		}
	}
	return nil
}
