//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"netstackd/cmd/netstackconform/internal/host"
	"netstackd/cmd/netstackconform/internal/report"
	"netstackd/cmd/netstackconform/internal/suite"
)

// conform runs the cases at the hosts, and prints and writes what came of it.
func conform(opts *options, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := host.Check(); err != nil {
		return err
	}
	if slices.ContainsFunc(opts.hosts, func(name string) bool { return name != linux }) {
		if err := findBinary(opts.binary); err != nil {
			return err
		}
	}
	r := &report.Report{Cases: opts.cases, Netstack: netstack, Reference: reference, GVisor: gVisor(opts.binary)}
	begin := time.Now()
	r.Hosts = runAll(ctx, opts)
	r.Took = time.Since(begin)
	write := r.WriteTable
	if opts.one {
		write = func(w io.Writer) error { return r.WritePackets(w, opts.verbose) }
	}
	err := errors.Join(write(stdout), toFile(opts.json, r.WriteJSON), toFile(opts.junit, r.WriteJUnit))
	if opts.report != "" {
		names, also := r.WriteDeviations(opts.report)
		err = errors.Join(err, also)
		fmt.Fprintf(stderr, "%d deviations of netstack written to %s\n", len(names), opts.report)
	}
	for _, wrong := range r.Wrong() {
		err = errors.Join(err, errors.New(wrong))
	}
	return err
}

// findBinary reports whether netstackd is there.
func findBinary(name string) error {
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("find netstackd: %w: make build makes it, or name it with -netstackd", err)
	}
	return nil
}

// runAll runs the cases at all hosts at once.
func runAll(ctx context.Context, opts *options) []*suite.HostResult {
	place := map[*suite.Case]int{}
	for i, c := range opts.all {
		place[c] = i
	}
	results := make([]*suite.HostResult, len(opts.hosts))
	var hosts sync.WaitGroup
	for i, name := range opts.hosts {
		hosts.Go(func() {
			// For good: the thread is in the host's namespace, and is thrown
			// away with its goroutine.
			runtime.LockOSThread()
			results[i] = suite.Run(ctx, newHost(name, opts.binary), opts.cases, func(c *suite.Case) int { return place[c] })
		})
	}
	hosts.Wait()
	return results
}

// toFile writes a file, unless it has no name.
func toFile(name string, to func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(to(f), f.Close())
}

// gVisor is the version of gVisor that a netstackd was built with, as it says,
// or else that of this program.
func gVisor(binary string) string {
	if out, err := host.Version(binary); err == nil {
		if m := regexp.MustCompile(`gvisor\S*\s+(v\S+)`).FindSubmatch(out); m != nil {
			return string(m[1])
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if strings.HasPrefix(d.Path, "gvisor.dev/") {
				return d.Version
			}
		}
	}
	return "version unknown"
}
