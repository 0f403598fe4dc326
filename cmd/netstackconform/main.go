//go:build linux

// Command netstackconform asks hosts what the RFCs ask of hosts, packet by
// packet, and shows in one table who does otherwise: gVisor's netstack alone,
// netstackd with its guard on and strict, the Linux kernel, and the reference
// host of hooks/byhand, which judges the others elsewhere and so has to be right
// first.
//
//	                    ┌── TUN ── netstackd -guard off     own namespace
//	cases ── raw packets┼── TUN ── netstackd -guard on      own namespace
//	                    ├── TUN ── netstackd -guard strict  own namespace
//	                    ├── TUN ── Linux kernel             own namespace
//	                    └── TUN ── the reference host       own namespace
//
// The reference host's echo replies are those of netstackd -respond byhand; what
// else hooks/byhand says of a packet it says in process. The table tells which
// was which.
//
// What is right is decided by the RFC that a case cites and by nothing else.
//
// options.go reads the command line, hosts.go knows the hosts, conform.go runs
// the cases at all hosts at once. internal/suite is the language of cases and
// what runs them, internal/catalogue the cases, and how to add one,
// internal/host the hosts, internal/report what is printed and written.
//
// Each host is behind a TUN device of its own, in a network namespace of its own. That needs CAP_SYS_ADMIN.
//
// Exit status: 0 when all was run, whoever deviates; 1 when the reference host
// fails a MUST, or a host could not be run; 2 for wrong usage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as parameters. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "torture" {
		return runTorture(args[1:], stdout, stderr)
	}
	opts, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "netstackconform: %v\n", err)
		return 2
	}
	if opts.list {
		err = list(stdout, opts.cases)
	} else {
		err = conform(opts, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "netstackconform: %v\n", err)
		return 1
	}
	return 0
}
