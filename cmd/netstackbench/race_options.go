//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// raceOptions is what the command line of a race sets.
type raceOptions struct {
	list bool
	// rounds, and in each as many pings to an answerer over either IP version.
	rounds, pings int
	// interval is between pings, length an answerer's share of a round, patience
	// how long a ping waits.
	interval, length, patience time.Duration
	racers                     []racer
	daemon                     []string
	output
}

const raceUsage = `Usage: netstackbench race [flags]

The same pings go to the kernel, netstack, the reference host, a shell at the
FIFOs, a process, an agent over MCP, and to commands of yours: in network
namespaces of its own, interleaved rounds. Each is timed as ping has it, and graded
by netstackd.

  -exec NAME=COMMAND  one more answerer, as netstackd -respond exec:COMMAND starts
                      it; repeatable
  -answerers LIST     answerers by name, comma separated, * stands for anything
                      (default all; see -list)
  -netstackd COMMAND  the binary, with flags behind it if need be
                      (default bin/netstackd)
  -rounds N           rounds (default 5)
  -pings N            pings a round to each answerer, over IPv4 and as many over
                      IPv6 (default 50)
  -interval DURATION  from ping to ping; 0: each when the last is answered
                      (default 5ms)
  -time DURATION      each answerer's share of a round: later no ping begins, but
                      the first over either IP version (default 600ms)
  -patience DURATION  how long a ping waits for its reply (default 2s)
  -json FILE          write everything to a file
  -chart FILE         draw FILE.png or FILE.svg
  -list               print the answerers that would take part, and exit

Who leaves a ping unanswered is asked no more in that round; who leaves the first
one unanswered, not at all. An agent that needs most of a minute:

  netstackbench race -exec 'agent=./my-agent' -answerers netstack,agent \
    -patience 2m -rounds 1 -pings 3 -time 10m

It needs root, or a system that allows user namespaces, and /dev/net/tun; with root
commands run as nobody.

Exit status: 0 when everybody answered something, 1 when somebody did not, 2 for
wrong usage.
`

// parseRace reads the command line behind the word race. The error is flag.ErrHelp
// after -help.
func parseRace(args []string, stderr io.Writer) (*raceOptions, error) {
	opts := &raceOptions{}
	var names, daemon string
	var commands []string
	flags := flag.NewFlagSet("netstackbench race", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&opts.list, "list", false, "")
	flags.IntVar(&opts.rounds, "rounds", 5, "")
	flags.IntVar(&opts.pings, "pings", 50, "")
	flags.DurationVar(&opts.interval, "interval", 5*time.Millisecond, "")
	flags.DurationVar(&opts.length, "time", 600*time.Millisecond, "")
	flags.DurationVar(&opts.patience, "patience", 2*time.Second, "")
	flags.StringVar(&names, "answerers", "*", "")
	flags.StringVar(&daemon, "netstackd", "bin/netstackd", "")
	flags.Func("exec", "", func(s string) error { commands = append(commands, s); return nil })
	flags.StringVar(&opts.json, "json", "", "")
	flags.StringVar(&opts.chart, "chart", "", "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, raceUsage)
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: see race -help", err)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: there are only flags, see race -help", flags.Arg(0))
	}
	if err := opts.check(); err != nil {
		return nil, err
	}
	all, err := withCommands(builtInRacers(), commands)
	if err != nil {
		return nil, err
	}
	if opts.racers, err = chooseRacers(all, names); err != nil {
		return nil, err
	}
	opts.daemon = strings.Fields(daemon)
	if len(opts.daemon) == 0 {
		return nil, errors.New("-netstackd: give the path of a netstackd binary, as `make build` makes it")
	}
	if opts.list {
		return opts, nil
	}
	return opts, checkBinary(opts.daemon[0])
}

func (o *raceOptions) check() error {
	switch {
	case o.rounds < 1 || o.rounds > 1000:
		return fmt.Errorf("-rounds %d: give a number from 1 to 1000", o.rounds)
	case o.pings < 1 || o.pings > 10000:
		return fmt.Errorf("-pings %d: give a number from 1 to 10000", o.pings)
	case o.interval < 0 || o.interval > 10*time.Second:
		return fmt.Errorf("-interval %v: give a time from 0 to 10s", o.interval)
	case o.length < 10*time.Millisecond || o.length > time.Hour:
		return fmt.Errorf("-time %v: give a time from 10ms to 1h", o.length)
	case o.patience < 10*time.Millisecond || o.patience > 10*time.Minute:
		return fmt.Errorf("-patience %v: give a time from 10ms to 10m", o.patience)
	}
	return o.output.check()
}

// maxRacerName is the length of the longest name of an answerer, in characters:
// the table and the chart have to hold it.
const maxRacerName = 24

// withCommands adds answerers that the command line names, each NAME=COMMAND.
func withCommands(all []racer, commands []string) ([]racer, error) {
	for _, s := range commands {
		name, command, ok := strings.Cut(s, "=")
		switch {
		case !ok || strings.TrimSpace(command) == "":
			return nil, fmt.Errorf("-exec %q: expected NAME=COMMAND, as in mine=./answer.sh", s)
		case name == "" || len([]rune(name)) > maxRacerName || strings.ContainsFunc(name, unfit):
			return nil, fmt.Errorf("-exec %q: name it with 1 to %d letters, digits or signs, but for spaces, commas and *", s, maxRacerName)
		case slices.ContainsFunc(all, func(r racer) bool { return r.name == name }):
			return nil, fmt.Errorf("-exec %q: another answerer is called %s: give it another name", s, name)
		}
		all = append(all, racer{name: name, label: name, respond: "exec:" + command})
	}
	return all, nil
}

// unfit tells of a character that no name may have.
func unfit(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == ',' || r == '*' }

// chooseRacers are those whose name one of the patterns matches.
func chooseRacers(all []racer, list string) ([]racer, error) {
	chosen, unknown := choose(all, list, func(r racer) string { return r.name })
	if unknown != nil {
		return nil, fmt.Errorf("-answerers %s: no answerer is called so, see race -list", *unknown)
	}
	return chosen, nil
}

// listRacers prints who there is to choose from.
func listRacers(w io.Writer, opts *raceOptions) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range opts.racers {
		fmt.Fprintf(table, "%s\t%s\n", r.name, r.about())
	}
	// A terminal or a pipe: if it fails nobody reads the list.
	_ = table.Flush()
}
