package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"netstackd/cmd/netstackbench/internal/report"
)

// bench measures and prints. It returns the exit status.
func bench(opts *options, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, failed, err := measure(ctx, opts, stderr)
	if err == nil {
		r.Judge(targets(opts.works))
		err = errors.Join(r.WriteTable(stdout), write(opts.json, r.WriteJSON), chart(opts.chart, r))
	}
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "netstackbench: %v\n", err)
		return 1
	case failed:
		return 1
	}
	return 0
}

// targets are those of the works.
func targets(works []*work) []report.Target {
	var all []report.Target
	for _, w := range works {
		all = append(all, w.targets...)
	}
	return all
}

// write writes a file, unless it has no name.
func write(name string, to func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(to(f), f.Close())
}

// chart draws the report, unless the file has no name.
func chart(name string, r interface {
	WriteChart(w io.Writer, format string) error
}) error {
	return write(name, func(w io.Writer) error { return r.WriteChart(w, strings.TrimPrefix(filepath.Ext(name), ".")) })
}

// measure does all works. failed tells whether a path failed at one.
func measure(ctx context.Context, opts *options, log io.Writer) (r *report.Report, failed bool, err error) {
	begin := time.Now()
	r = &report.Report{Date: begin, Machine: machine(), Run: report.Run{
		Quick: opts.quick, Rounds: opts.rounds, Warm: opts.warm, Length: opts.length, Binaries: map[string]string{},
	}}
	traceDir, err := os.MkdirTemp("", "netstackbench-")
	if err != nil {
		return nil, false, fmt.Errorf("make a folder for traces: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(traceDir)) }()

	var members []*member
	defer func() {
		for _, m := range members {
			m.close()
		}
	}()
	for _, p := range opts.paths {
		m := &member{path: p, traceDir: traceDir}
		members = append(members, m)
		if p.Command != nil {
			r.Run.Binaries[p.Name] = p.about()
		}
		if p.Kind != report.Kernel {
			if err := checkTUN(); err != nil {
				return nil, false, err
			}
		}
		// Here rather than at the first work: if namespaces cannot be made, that
		// is all there is to say.
		if err := m.open(ctx); err != nil {
			return nil, false, err
		}
	}
	for i, w := range opts.works {
		fmt.Fprintf(log, "%6.1f s  %d of %d: %s\n", time.Since(begin).Seconds(), i+1, len(opts.works), w.name)
		results, err := interleave(ctx, opts, w, members, i)
		if err != nil {
			return nil, false, err
		}
		for _, f := range w.figures {
			g := report.Group{Work: w.name, Title: w.title, Figure: f.name, Unit: f.unit, LessIsBetter: f.lessIsBetter}
			for _, result := range results {
				row := result.row(f.name)
				failed = failed || row.Error != ""
				g.Rows = append(g.Rows, row)
			}
			r.Groups = append(r.Groups, g)
		}
	}
	r.Run.Took = time.Since(begin)
	return r, failed, nil
}

// interleave does a work on all paths that do it. turn rotates their order.
func interleave(ctx context.Context, opts *options, w *work, members []*member, turn int) ([]*result, error) {
	var results []*result
	for _, m := range members {
		if w.doneBy(m.path.Kind) {
			r := &result{member: m}
			r.err = m.start(ctx, w.hosts())
			results = append(results, r)
		}
	}
	rounds := opts.rounds
	if w.rounds != 0 {
		rounds = min(rounds, w.rounds)
	}
	for i := range rounds {
		for j := range results {
			r := results[(i+j+turn)%len(results)]
			if r.err == nil && w.fresh && i > 0 {
				r.again(ctx, w)
			}
			if r.err == nil {
				r.run(ctx, opts, w)
			}
		}
	}
	for _, r := range results {
		r.stop(ctx)
	}
	return results, context.Cause(ctx)
}

// doneBy tells whether a kind of path does the work.
func (w *work) doneBy(kind string) bool { return w.kinds == nil || slices.Contains(w.kinds, kind) }
