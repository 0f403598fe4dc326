//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"netstackd/cmd/netstackconform/internal/catalogue"
	"netstackd/cmd/netstackconform/internal/suite"
)

// options is what the command line sets.
type options struct {
	binary string
	// all are all cases there are, cases those to run.
	all, cases []*suite.Case
	hosts      []string
	// one says that the packets of a single case are to be shown.
	one, verbose, list  bool
	json, junit, report string
}

const usage = `Usage: netstackconform [flags]
       netstackconform torture [flags]

netstackconform asks hosts what the RFCs ask of hosts, through real TUN devices in
network namespaces of its own, and prints who does otherwise.

  -netstackd FILE  the binary (default bin/netstackd)
  -hosts LIST      comma separated: netstack (netstackd without its guard and its
                   checks), guard-on, guard-strict, linux, reference (default all)
  -only REGEXP     cases whose name or group matches; see -list
  -case ID         one case, with its packets in hex; with -v each in words
  -slow            also the cases that wait for a minute
  -list            print the cases, and exit
  -json FILE       write everything to a file
  -junit FILE      write JUnit XML, a test suite for each host
  -report DIR      write a Markdown file for each deviation of netstack

It needs root, or CAP_SYS_ADMIN as under unshare -rn, and /dev/net/tun.

Exit status: 0 when all was run, whoever deviates; 1 when the reference host fails
a MUST, or a host could not be run; 2 for wrong usage.
`

// parse reads the command line. The error is flag.ErrHelp after -help.
func parse(args []string) (*options, error) {
	opts := &options{all: catalogue.All()}
	var only, id, hosts string
	var slow bool
	flags := flag.NewFlagSet("netstackconform", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&opts.binary, "netstackd", "bin/netstackd", "")
	flags.StringVar(&hosts, "hosts", strings.Join(hostNames(), ","), "")
	flags.StringVar(&only, "only", "", "")
	flags.StringVar(&id, "case", "", "")
	flags.BoolVar(&opts.verbose, "v", false, "")
	flags.BoolVar(&opts.list, "list", false, "")
	flags.BoolVar(&slow, "slow", false, "")
	flags.StringVar(&opts.json, "json", "", "")
	flags.StringVar(&opts.junit, "junit", "", "")
	flags.StringVar(&opts.report, "report", "", "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: see -help", err)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: there are only flags, see -help", flags.Arg(0))
	case id != "" && only != "":
		return nil, errors.New("-case and -only both choose cases: give one")
	case opts.verbose && id == "":
		return nil, errors.New("-v shows the packets of one case: give -case ID")
	}
	if opts.one = id != ""; opts.one {
		only = "^" + regexp.QuoteMeta(id) + "$"
	}
	if opts.cases, err = choose(opts.all, only); err != nil {
		return nil, err
	}
	if !slow && !opts.one && !opts.list {
		// They are there when they are named, or all that is asked for is what
		// there is.
		quick := slices.DeleteFunc(slices.Clone(opts.cases), func(c *suite.Case) bool { return c.Long })
		if len(quick) == 0 && len(opts.cases) > 0 {
			return nil, fmt.Errorf("-only %s: these cases wait for a minute: give -slow", only)
		}
		opts.cases = quick
	}
	if len(opts.cases) == 0 && opts.one {
		return nil, fmt.Errorf("-case %s: there is no such case, see -list", id)
	}
	if len(opts.cases) == 0 {
		return nil, fmt.Errorf("-only %s: no case is called so, see -list", only)
	}
	if opts.hosts, err = chooseHosts(hosts); err != nil {
		return nil, err
	}
	return opts, checkFolders(opts)
}

// choose returns the cases whose name or group matches.
func choose(all []*suite.Case, only string) ([]*suite.Case, error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("-only %s: %w", only, err)
	}
	var chosen []*suite.Case
	for _, c := range all {
		if pattern.MatchString(c.ID) || pattern.MatchString(c.Group) {
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}

// chooseHosts returns the hosts named, in the order of the table.
func chooseHosts(list string) ([]string, error) {
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(hostNames(), name) {
			return nil, fmt.Errorf("-hosts %q: no host is called so: there are %s", name, strings.Join(hostNames(), ", "))
		}
		wanted[name] = true
	}
	return slices.DeleteFunc(hostNames(), func(name string) bool { return !wanted[name] }), nil
}

// checkFolders tells of files that cannot be written before anything is run.
func checkFolders(opts *options) error {
	for _, f := range []struct{ flag, file string }{{"-json", opts.json}, {"-junit", opts.junit}, {"-report", opts.report}} {
		if f.file == "" {
			continue
		}
		dir := filepath.Dir(filepath.Clean(f.file))
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fmt.Errorf("%s %s: %s is no directory", f.flag, f.file, dir)
		}
	}
	return nil
}

// list prints the cases.
func list(w io.Writer, cases []*suite.Case) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	group := ""
	for _, c := range cases {
		if c.Group != group {
			group = c.Group
			fmt.Fprintln(table, group)
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", c.ID, c.Requirement, c.RFC, c.Title)
	}
	return table.Flush()
}
