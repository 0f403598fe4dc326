//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// soakOptions is what the command line of a soak sets. It travels to the process in
// the namespace as JSON.
type soakOptions struct {
	Minutes float64
	Seed    uint64
	Idle    int
	Daemon  []string
	// Dir is a folder of the run.
	Dir string
	output
}

const soakUsage = `Usage: netstackbench soak [flags]

Load of every kind on netstackd, and faults underneath, first each in turn and then
at random, in a network namespace of its own. At the end every loss has to be
explained by a fault or by what the kernel says that it dropped, no reply may
differ, and memory and goroutines have to be back where they were.

  -minutes N          minutes under load, at least until each fault was made once
                      (default 2)
  -seed N             the order of the faults and all that is random in them
                      (default: another one each time, which is printed)
  -idle N             idle connections at a time
                      (default 50000, under 10 minutes 5000)
  -netstackd COMMAND  the binary, with flags behind it if need be
                      (default bin/netstackd)
  -json FILE          write everything to a file

It needs root, or a system that allows user namespaces, and /dev/net/tun. iperf3
takes part if it is installed.

Exit status: 0 when it has passed, 1 when it has not, 2 for wrong usage.
`

// The idle connections of a long run, and of a short one.
const (
	idleLong, idleShort = 50_000, 5_000
	longMinutes         = 10
)

// parseSoak reads the command line behind the word soak. The error is flag.ErrHelp
// after -help.
func parseSoak(args []string, stderr io.Writer) (*soakOptions, error) {
	opts := &soakOptions{}
	var daemon string
	flags := flag.NewFlagSet("netstackbench soak", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Float64Var(&opts.Minutes, "minutes", 2, "")
	flags.Uint64Var(&opts.Seed, "seed", 0, "")
	flags.IntVar(&opts.Idle, "idle", 0, "")
	flags.StringVar(&daemon, "netstackd", "bin/netstackd", "")
	flags.StringVar(&opts.json, "json", "", "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, soakUsage)
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: see soak -help", err)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: there are only flags, see soak -help", flags.Arg(0))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["seed"] {
		opts.Seed = uint64(rand.Uint32())
	}
	if !given["idle"] {
		opts.Idle = idleShort
		if opts.Minutes >= longMinutes {
			opts.Idle = idleLong
		}
	}
	opts.Daemon = strings.Fields(daemon)
	switch {
	case !(opts.Minutes >= 0 && opts.Minutes <= 100_000): // no number is neither
		return nil, fmt.Errorf("-minutes %v: give a number from 0 to 100000", opts.Minutes)
	case opts.Idle < 1 || opts.Idle > idleMost:
		return nil, fmt.Errorf("-idle %d: give a number from 1 to %d", opts.Idle, idleMost)
	case len(opts.Daemon) == 0:
		return nil, errors.New("-netstackd: give the path of a netstackd binary, as `make build` makes it")
	}
	if err := opts.output.check(); err != nil {
		return nil, err
	}
	return opts, checkBinary(opts.Daemon[0])
}

// idleMost leaves each of the sources some ports for other loads.
const idleMost = holdSources * 25_000

// length is how long the load with faults lasts.
func (o *soakOptions) length() time.Duration {
	return time.Duration(math.Round(o.Minutes * float64(time.Minute)))
}
