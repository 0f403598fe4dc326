// Command netstackdemo shows in a few seconds what netstackd does, on a
// machine that has nothing but Linux and this binary: no ping, no iproute2.
//
// It runs itself again in a network namespace made for the occasion (as root
// directly, as anyone else inside a user namespace where the system allows
// one), starts netstackd there, and plays the neighbour on the kernel's side:
// it pings over IPv4 and IPv6, echoes over TCP and UDP, moves a large transfer
// over TCP, fetches the HTTP page and stops the daemon again. It prints the
// trace that the daemon wrote about the pings, and one table of results.
//
// The exit status is 0 only if every part worked. The namespace lives no
// longer than the processes in it, and each of them asks the kernel to be
// killed when its parent dies, so nothing of the demo outlives it.
//
//	netstackdemo -netstackd bin/netstackd
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// goodbye is how long the inner run may take to stop the daemon after its time
// is over or it was interrupted, before it is killed and the daemon with it.
const goodbye = 4 * time.Second

// options is what the command line sets.
type options struct {
	// daemon is the path of the netstackd binary.
	daemon string
	// pings is how many echo requests go to each address.
	pings int
	// mebibytes is the size of the TCP transfer, each way.
	mebibytes int
	// limit bounds the whole demo.
	limit time.Duration
}

// The main goroutine keeps the main thread: a parent-death signal fires when
// the thread that started the child ends, not when the process does.
func init() { runtime.LockOSThread() }

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as parameters. It returns the exit status:
// 0 every part worked, 1 some part did not, 2 usage.
func run(args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "netstackdemo: %v\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	outer, inside := os.LookupEnv(outerNamespace)
	limit := opts.limit
	if !inside {
		// The inner run is the one that can say what took too long.
		limit += goodbye
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the demo took longer than %v", opts.limit))
	defer cancel()
	if !inside {
		return reexecute(ctx, args, stdout, stderr)
	}
	if err := enter(outer); err != nil {
		fmt.Fprintf(stderr, "netstackdemo: %v\n", err)
		return 1
	}
	return demonstrate(ctx, opts, stdout, stderr)
}

// parse reads the command line. The error is flag.ErrHelp after -help.
func parse(args []string, stderr io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("netstackdemo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&opts.daemon, "netstackd", "bin/netstackd", "path of the netstackd binary")
	flags.IntVar(&opts.pings, "pings", 5, "echo requests to each address")
	flags.IntVar(&opts.mebibytes, "mib", 256, "size of the TCP transfer in MiB, each way")
	flags.DurationVar(&opts.limit, "limit", 50*time.Second, "time after which the demo gives up")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(stderr)
		flags.Usage()
		return opts, err
	}
	switch {
	case err != nil:
		return opts, err
	case flags.NArg() > 0:
		return opts, fmt.Errorf("unexpected argument %q: there are only flags, see -help", flags.Arg(0))
	case opts.pings < 1 || opts.pings > 1000:
		return opts, fmt.Errorf("-pings %d: give a number from 1 to 1000", opts.pings)
	case opts.mebibytes < 1 || opts.mebibytes > 1<<16:
		return opts, fmt.Errorf("-mib %d: give a number from 1 to 65536", opts.mebibytes)
	case opts.limit <= 0:
		return opts, fmt.Errorf("-limit %v: give a time above zero", opts.limit)
	}
	return opts, nil
}
