//go:build linux

// Command netstackbench measures netstackd side by side with what it competes
// with, on this machine, in one run: the kernel, netstack on two other links, and
// the least program that answers a ping.
//
// Each path is a host in a process of its own and a load generator in another,
// which sits on the kernel's side of the link in a network namespace made for
// the path. The load generator is the same for all. Rounds are interleaved: each
// path in turn, then all of them again, so that what drifts on the machine
// drifts for all alike.
//
//		outer process ── JSON over pipes ──▶ worker, one a path, in its namespace
//		                                       │ kernel's sockets   │ starts, weighs, stops
//		                                       └──── link ────▶ host process
//
//	  - options.go reads the command line, paths.go knows the paths and works.go
//	    the works with their figures and targets.
//	  - bench_linux.go is the outer process: rounds, and the report.
//	  - worker_linux.go is the worker; host_linux.go the host it starts,
//	    usage_linux.go what that costs, trace_linux.go its trace file.
//	  - namespace_linux.go makes the namespaces, protocol_linux.go the pipes.
//	  - internal/load makes the traffic, internal/serve holds the hosts that are not
//	    netstackd, internal/report does the arithmetic and the printing.
//
// Exit status: 0 if every path did every work, whether or not targets are met; 1
// if one did not; 2 for wrong usage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
)

// The main goroutine keeps the main thread: a parent-death signal fires when
// the thread that started the child ends, not when the process does.
func init() { runtime.LockOSThread() }

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as parameters. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	if role, ok := os.LookupEnv(roleVariable); ok {
		if err := play(role, args); err != nil {
			fmt.Fprintf(stderr, "%s: %v\n", role, err)
			return 1
		}
		return 0
	}
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "netstackbench: %v\n", err)
		return 2
	}
	if opts.list {
		list(stdout, opts)
		return 0
	}
	return bench(opts, stdout, stderr)
}

// roleVariable is the environment variable that says which part of the benchmark
// a process is; without it, the outer one.
const roleVariable = "NETSTACKBENCH_ROLE"

// list prints what there is to choose from.
func list(w io.Writer, opts *options) {
	fmt.Fprintln(w, "works:")
	for _, work := range opts.works {
		fmt.Fprintf(w, "  %-16s %s\n", work.name, work.title)
	}
	fmt.Fprintln(w, "paths:")
	for _, p := range opts.paths {
		fmt.Fprintf(w, "  %-16s %s\n", p.Name, p.about())
	}
}
