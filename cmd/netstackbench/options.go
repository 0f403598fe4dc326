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
	"time"
)

// options is what the command line sets.
type options struct {
	quick  bool
	list   bool
	rounds int
	// warm and length of each measurement.
	warm, length time.Duration
	works        []*work
	paths        []path
	output
}

// output is where results go beside the terminal: file names, empty if not wanted.
type output struct{ json, chart string }

// The defaults of the two ways to run.
const (
	fullRounds, fullWarm, fullLength    = 5, 200 * time.Millisecond, 700 * time.Millisecond
	quickRounds, quickWarm, quickLength = 3, 75 * time.Millisecond, 250 * time.Millisecond
)

const usage = `Usage: netstackbench [flags]
       netstackbench race [flags]    who answers the ping? see race -help
       netstackbench soak [flags]    load with faults underneath; see soak -help

netstackbench measures netstackd beside the kernel, netstack on other links, and a
minimal responder: one run, in network namespaces of its own, interleaved rounds.

  -netstackd LIST  binaries, comma separated, each with flags behind it if need be,
                   as in: 'bin/netstackd,old/netstackd -mtu 9000'
                   (default bin/netstackd)
  -quick           the main works alone, shorter: under a minute
  -only REGEXP     works by name, as in '^tcp'; see -list
  -paths LIST      paths by name, comma separated, * stands for anything
                   (default all; see -list)
  -rounds N        rounds (default 5, with -quick 3)
  -time DURATION   each measurement (default 700ms, with -quick 250ms)
  -million         also make 1,000,000 connections and weigh netstackd 90 s later
  -json FILE       write everything to a file
  -chart FILE      draw FILE.png or FILE.svg
  -list            print the works and paths that would be measured, and exit

It needs root, or a system that allows user namespaces, and /dev/net/tun. A trace
is written below $TMPDIR and removed.

Exit status: 0 when all was measured, 1 when a path failed, 2 for wrong usage.
`

// parse reads the command line. The error is flag.ErrHelp after -help.
func parse(args []string, stderr io.Writer) (*options, error) {
	opts := &options{}
	var only, paths, binaries string
	var million bool
	flags := flag.NewFlagSet("netstackbench", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&opts.quick, "quick", false, "")
	flags.BoolVar(&opts.list, "list", false, "")
	flags.BoolVar(&million, "million", false, "")
	flags.IntVar(&opts.rounds, "rounds", 0, "")
	flags.DurationVar(&opts.length, "time", 0, "")
	flags.StringVar(&only, "only", "", "")
	flags.StringVar(&paths, "paths", "*", "")
	flags.StringVar(&binaries, "netstackd", "bin/netstackd", "")
	flags.StringVar(&opts.json, "json", "", "")
	flags.StringVar(&opts.chart, "chart", "", "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: see -help", err)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: there are only flags, see -help", flags.Arg(0))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	opts.defaults(given)
	if err := opts.check(); err != nil {
		return nil, err
	}
	if opts.works, err = chooseWorks(only, opts.quick, million); err != nil {
		return nil, err
	}
	all, err := allPaths(binaries)
	if err != nil {
		return nil, err
	}
	if opts.paths, err = choosePaths(all, paths); err != nil {
		return nil, err
	}
	if opts.list {
		return opts, nil
	}
	return opts, checkBinaries(opts.paths)
}

// defaults sets what was not given.
func (o *options) defaults(given map[string]bool) {
	rounds, length := fullRounds, fullLength
	o.warm = fullWarm
	if o.quick {
		rounds, o.warm, length = quickRounds, quickWarm, quickLength
	}
	if !given["rounds"] {
		o.rounds = rounds
	}
	if !given["time"] {
		o.length = length
	}
}

func (o *options) check() error {
	switch {
	case o.rounds < 1 || o.rounds > 1000:
		return fmt.Errorf("-rounds %d: give a number from 1 to 1000", o.rounds)
	case o.length < 50*time.Millisecond || o.length > time.Minute:
		return fmt.Errorf("-time %v: give a time from 50ms to 1m", o.length)
	}
	return o.output.check()
}

func (o *output) check() error {
	if o.chart != "" && !slices.Contains([]string{".png", ".svg"}, filepath.Ext(o.chart)) {
		return fmt.Errorf("-chart %s: give a file that ends in .png or .svg", o.chart)
	}
	for name, file := range map[string]string{"-json": o.json, "-chart": o.chart} {
		if file == "" {
			continue
		}
		// Now, not after minutes of work.
		if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
			return fmt.Errorf("%s %s: %s is no directory", name, file, filepath.Dir(file))
		}
	}
	return nil
}

// chooseWorks are the works to do.
func chooseWorks(only string, quick, million bool) ([]*work, error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("-only %s: %w", only, err)
	}
	var chosen []*work
	for _, w := range catalogue() {
		// Who names a work wants it, quick or not.
		if (quick && !w.quick && only == "") || w.million != (million && w.million) || !pattern.MatchString(w.name) {
			continue
		}
		chosen = append(chosen, w)
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-only %s: no such work, see -list (million needs -million)", only)
	}
	return chosen, nil
}

// choosePaths are the paths whose name one of the patterns matches.
func choosePaths(all []path, list string) ([]path, error) {
	paths, unknown := choose(all, list, func(p path) string { return p.Name })
	if unknown != nil {
		return nil, fmt.Errorf("-paths %s: no path is called so, see -list", *unknown)
	}
	return paths, nil
}

// choose returns those whose name one of the patterns of a list matches, or else a
// pattern that matches none.
func choose[T any](all []T, list string, name func(T) string) (chosen []T, unknown *string) {
	take := make([]bool, len(all))
	for pattern := range strings.SplitSeq(list, ",") {
		known := false
		for i, one := range all {
			if matches(pattern, name(one)) {
				take[i], known = true, true
			}
		}
		if !known {
			return nil, &pattern
		}
	}
	for i, one := range all {
		if take[i] {
			chosen = append(chosen, one)
		}
	}
	return chosen, nil
}

// matches tells whether name is pattern, in which * stands for anything.
func matches(pattern, name string) bool {
	quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
	return regexp.MustCompile("^(?:" + quoted + ")$").MatchString(name)
}
