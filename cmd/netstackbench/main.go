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
//	outer process ── JSON over pipes ──▶ worker, one a path, in its namespace
//	                                       │ kernel's sockets   │ starts, weighs, stops
//	                                       └──── link ────▶ host process
//
// The outer process is bench_linux.go (rounds, report), with a member (member_linux.go)
// for each path and a peer (peer_linux.go) for each worker. options.go reads the
// command line, paths.go knows the paths, works.go and growth.go the works with
// their figures and targets, machine_linux.go describes where it all runs.
//
// The worker is worker_linux.go: host_linux.go starts the host, usage_linux.go
// tells what it costs, trace_linux.go looks after its trace file, holder_linux.go
// holds many connections. namespace_linux.go makes the namespaces, and
// protocol_linux.go is what goes through the pipes.
//
// netstackbench race lets answerers of pings compete: race_options.go reads its
// command line, racers.go knows the answerers, race_linux.go holds the race with
// the same workers, in which race_ping_linux.go sends the pings, companion_linux.go
// runs what answers at the FIFOs or over MCP, and agent_linux.go is the latter.
//
// netstackbench soak has netstackd stand load with faults underneath:
// soak_options.go reads its command line, soak_linux.go starts the process that does
// it, soak_run_linux.go is that, with the loads of soak_loads_linux.go and the faults
// of soak_faults_linux.go. soak_daemon_linux.go is netstackd, soak_watch_linux.go
// weighs it and reads its trace, soak_disk_linux.go keeps the disk of its capture.
//
// internal/load makes the traffic, internal/serve holds the hosts that are not
// netstackd, internal/soak the endless loads and the account of what they lost, and
// internal/report does the arithmetic and the printing.
//
// Exit status: 0 if every path did every work, whether or not targets are met, or a
// soak has passed; 1 if not; 2 for wrong usage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"text/tabwriter"
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
	if len(args) > 0 && args[0] == "race" {
		opts, err := parseRace(args[1:], stderr)
		switch {
		case err != nil:
			return refused(err, stderr)
		case opts.list:
			listRacers(stdout, opts)
			return 0
		}
		return race(opts, stdout, stderr)
	}
	if len(args) > 0 && args[0] == "soak" {
		opts, err := parseSoak(args[1:], stderr)
		if err != nil {
			return refused(err, stderr)
		}
		return soakRun(opts, stdout, stderr)
	}
	opts, err := parse(args, stderr)
	switch {
	case err != nil:
		return refused(err, stderr)
	case opts.list:
		list(stdout, opts)
		return 0
	}
	return bench(opts, stdout, stderr)
}

// refused tells of a command line that was not understood, or that asked for help.
func refused(err error, stderr io.Writer) (status int) {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintf(stderr, "netstackbench: %v\n", err)
	return 2
}

// roleVariable is the environment variable that says which part of the benchmark
// a process is; without it, the outer one.
const roleVariable = "NETSTACKBENCH_ROLE"

// list prints what there is to choose from.
func list(w io.Writer, opts *options) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "works:")
	for _, work := range opts.works {
		fmt.Fprintf(table, "  %s\t%s\n", work.name, work.title)
	}
	fmt.Fprintln(table, "paths:")
	for _, p := range opts.paths {
		fmt.Fprintf(table, "  %s\t%s\n", p.Name, p.about())
	}
	// A terminal or a pipe: if it fails nobody reads the list.
	_ = table.Flush()
}
