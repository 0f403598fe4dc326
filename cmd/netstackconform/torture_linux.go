package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackconform/internal/host"
	"netstackd/cmd/netstackconform/internal/torture"
	"netstackd/stack"
)

const tortureUsage = `Usage: netstackconform torture [flags]

netstackconform torture sends hostile packets through the whole way of netstackd
around a fake device, link, hooks, netstack and back, with its guard on and strict,
with and without offload, each in a process of its own; and then to the netstackd
binary through a real TUN device, in a network namespace of its own. Nothing may panic
or hang, memory and goroutines stay flat, every packet has one fate, and netstack does
nothing otherwise than the reference host says but what a conformance case lists.

  -packets N      how many, over all four ways (default 10000000); 0 for none
  -tun-packets N  how many through TUN devices, over all four ways (default 1000000)
  -seed N         which; the same seed makes the same packets (default any, printed)
  -time DURATION  how long a way may take at most; 0 is no bound (default 10m)
  -guard LIST     on, strict, off (default on,strict); without its guard a netstack dies
  -settle DURATION
                  how long a netstackd at a TUN device may take afterwards until it
                  holds no more than early on; 0 does not look (default 90s)
  -netstackd FILE the binary (default bin/netstackd)
  -json FILE      write everything to a file

TUN devices need root, or CAP_SYS_ADMIN as under unshare -rn, and /dev/net/tun.

Exit status: 0 when all is well; 1 when something was found, or the run failed; 2
for wrong usage.
`

// tortureOptions is what the command line of torture sets.
type tortureOptions struct {
	packets, tunPackets, seed uint64
	time, settle              time.Duration
	guards                    []string
	binary, json              string
	// way is not nil in the process of one way.
	way *torture.Config
}

func parseTorture(args []string) (*tortureOptions, error) {
	o := &tortureOptions{}
	var guards, way string
	flags := flag.NewFlagSet("netstackconform torture", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Uint64Var(&o.packets, "packets", 10_000_000, "")
	flags.Uint64Var(&o.tunPackets, "tun-packets", 1_000_000, "")
	flags.DurationVar(&o.settle, "settle", 90*time.Second, "")
	flags.StringVar(&o.binary, "netstackd", "bin/netstackd", "")
	flags.Uint64Var(&o.seed, "seed", rand.Uint64()>>32, "")
	flags.DurationVar(&o.time, "time", 10*time.Minute, "")
	flags.StringVar(&guards, "guard", "on,strict", "")
	flags.StringVar(&o.json, "json", "", "")
	flags.StringVar(&way, "way", "", "") // what the command gives its own processes
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: see torture -help", err)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: there are only flags, see torture -help", flags.Arg(0))
	case o.packets == 0 && o.tunPackets == 0:
		return nil, errors.New("-packets 0 and -tun-packets 0 leave nothing to send: give one of them")
	case o.time < 0 || o.settle < 0:
		return nil, errors.New("-time and -settle expect none or more")
	}
	for word := range strings.SplitSeq(guards, ",") {
		if word != "on" && word != "strict" && word != "off" {
			return nil, fmt.Errorf("-guard %q: expected on, strict or off", word)
		}
		o.guards = append(o.guards, word)
	}
	if way != "" {
		o.way = &torture.Config{}
		if err := json.Unmarshal([]byte(way), o.way); err != nil {
			return nil, fmt.Errorf("-way: %w", err)
		}
	}
	return o, nil
}

// runTorture is run for the subcommand.
func runTorture(args []string, stdout, stderr io.Writer) int {
	o, err := parseTorture(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, tortureUsage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "netstackconform: %v\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.way != nil {
		err = oneWay(ctx, *o.way, stdout)
	} else {
		err = allWays(ctx, o, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "netstackconform: %v\n", err)
		return 1
	}
	return 0
}

// oneWay runs one way in this process, and writes what it came to as JSON.
func oneWay(ctx context.Context, c torture.Config, stdout io.Writer) error {
	log := logrus.New()
	log.SetOutput(io.Discard)
	stack.SetProcessLog(log)
	outcome, err := torture.Run(ctx, c, log)
	if err != nil {
		outcome.Wrong = append(outcome.Wrong, err.Error())
	}
	return json.NewEncoder(stdout).Encode(outcome)
}

// allWays runs all ways, one after the other.
func allWays(ctx context.Context, o *tortureOptions, stdout, stderr io.Writer) error {
	if o.tunPackets > 0 {
		if err := errors.Join(host.Check(), findBinary(o.binary)); err != nil {
			return err
		}
	}
	r := &torture.Report{Seed: o.seed}
	fmt.Fprintf(stderr, "%d packets, %d through TUN devices, seed %d\n", o.packets, o.tunPackets, o.seed)
	for _, part := range []struct {
		packets uint64
		run     func(torture.Config) (*torture.Outcome, error)
	}{
		{o.packets, func(c torture.Config) (*torture.Outcome, error) {
			fmt.Fprintf(stderr, "%d packets through %s\n", c.Packets, c.Name())
			return process(ctx, c)
		}},
		{o.tunPackets, func(c torture.Config) (*torture.Outcome, error) {
			c.Limit, c.Settle = true, o.settle
			fmt.Fprintf(stderr, "%d packets through a TUN device, %s\n", c.Packets, c.Name())
			return torture.RunTUN(ctx, c, o.binary)
		}},
	} {
		if part.packets == 0 {
			continue
		}
		ways := o.ways(part.packets, uint64(len(r.Ways)))
		for _, c := range ways {
			outcome, err := part.run(c)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if outcome == nil {
				return err
			}
			if err != nil {
				outcome.Wrong = append(outcome.Wrong, err.Error())
			}
			r.Ways = append(r.Ways, outcome)
		}
	}
	err := errors.Join(r.WriteText(stdout), toFile(o.json, r.WriteJSON))
	if n := r.Unwell(); n > 0 {
		err = errors.Join(err, fmt.Errorf("torture: not well on %d of %d ways, with seed %d", n, len(r.Ways), o.seed))
	}
	return err
}

// ways are those by which so many packets go, of which the first has a number.
func (o *tortureOptions) ways(packets, first uint64) (ways []torture.Config) {
	for _, guard := range o.guards {
		for _, offload := range []bool{true, false} {
			ways = append(ways, torture.Config{
				Seed: o.seed, Part: first + uint64(len(ways)), Time: o.time, Guard: guard, Offload: offload, Limit: offload && guard != "strict", Watch: true,
			})
		}
	}
	for i := range ways {
		ways[i].Packets = packets / uint64(len(ways))
	}
	ways[0].Packets += packets % uint64(len(ways))
	return ways
}

// endPatience is how long a way may take to end once its time is over.
const endPatience = 3 * time.Minute

// process runs a way in a process of its own: one that netstack's death ends is told
// of.
func process(ctx context.Context, c torture.Config) (*torture.Outcome, error) {
	way, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	bounded, cancel := context.WithCancel(ctx)
	if c.Time > 0 {
		bounded, cancel = context.WithTimeout(ctx, c.Time+endPatience)
	}
	defer cancel()
	cmd := exec.CommandContext(bounded, self, "torture", "-way", string(way))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		if ctx.Err() != nil {
			return cmd.Process.Signal(os.Interrupt)
		}
		return cmd.Process.Signal(syscall.SIGQUIT) // it hangs, and tells where
	}
	cmd.WaitDelay = 10 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return torture.Dead(c, err, errs.String()), nil
	}
	o := &torture.Outcome{}
	if err := json.Unmarshal(out.Bytes(), o); err != nil {
		return nil, fmt.Errorf("read what came of %s: %w", c.Name(), err)
	}
	return o, nil
}
