package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"netstackd/cmd/netstackbench/internal/report"
)

// member is a path that takes part, and its worker.
type member struct {
	path     path
	traceDir string
	peer     *peer // nil if none runs
	running  bool  // it has a host
}

// open starts the worker.
func (m *member) open(ctx context.Context) error {
	var err error
	if m.peer, err = startPeer(); err != nil {
		return err
	}
	_, err = m.ask(ctx, request{Do: doOpen, Path: &m.path, TraceDir: m.traceDir}, 0)
	return err
}

// ask is peer.ask, and gets rid of a peer that is of no more use.
func (m *member) ask(ctx context.Context, r request, more time.Duration) (reply, error) {
	answer, err := m.peer.ask(ctx, r, replyPatience+more)
	if errors.Is(err, errWorker) {
		m.close()
	}
	return answer, err
}

// start starts a host with these addresses.
func (m *member) start(ctx context.Context, addresses []netip.Prefix) error {
	if m.peer == nil {
		if err := m.open(ctx); err != nil {
			return err
		}
	}
	_, err := m.ask(ctx, request{Do: doStart, Addresses: addresses}, 0)
	m.running = err == nil
	return err
}

// stop stops the host, if there is one.
func (m *member) stop(ctx context.Context) (*hostEnd, error) {
	if m.peer == nil || !m.running {
		return nil, nil
	}
	m.running = false
	answer, err := m.ask(ctx, request{Do: doStop}, 0)
	return answer.End, err
}

// closePatience is how long a worker may take to stop its host at the end.
const closePatience = 10 * time.Second

// close ends the worker.
func (m *member) close() {
	if m.peer != nil {
		m.peer.end(closePatience)
		m.peer, m.running = nil, false
	}
}

// result is what a member did of one work.
type result struct {
	member *member
	rounds []*round
	end    hostEnd // of all its hosts
	err    error   // the first
}

// again starts another host.
func (r *result) again(ctx context.Context, w *work) {
	if r.stop(ctx); r.err == nil {
		r.err = r.member.start(ctx, w.hosts())
	}
}

// stop stops the host and keeps what it said.
func (r *result) stop(ctx context.Context) {
	end, err := r.member.stop(ctx)
	if end != nil {
		r.end.add(end)
	}
	if r.err == nil {
		r.err = err
	}
}

// run does one round.
func (r *result) run(ctx context.Context, opts *options, w *work) {
	answer, err := r.member.ask(ctx, request{
		Do: doRun, Work: w.name, Warm: opts.warm, Length: opts.length,
	}, opts.warm+opts.length+w.patience)
	if err == nil && answer.Round == nil {
		err = errors.New("the load generator told nothing")
	}
	if err != nil {
		r.err = err
		return
	}
	r.rounds = append(r.rounds, answer.Round)
}

// row is the figure of that name.
func (r *result) row(figure string) report.Row {
	p := r.member.path
	row := report.Row{Path: p.Name, Kind: p.Kind, Binary: p.Binary}
	if r.err != nil {
		row.Error = r.err.Error()
		return row
	}
	var lost, sent uint64
	for _, one := range r.rounds {
		o := one.Outcome
		row.Samples = append(row.Samples, o.Values[figure])
		row.Notes = append(row.Notes, o.Notes...)
		lost, sent = lost+o.Lost, sent+o.Sent
	}
	row.Notes = slices.Compact(row.Notes)
	if lost > 0 {
		row.Notes = append(row.Notes, fmt.Sprintf("%d of %d packets were lost", lost, sent))
	}
	row.Cost = r.cost()
	row.Notes = append(row.Notes, r.end.Notes...)
	if r.end.Traced && r.end.Packets > 0 {
		lost := float64(r.end.TraceLost) / float64(r.end.Packets)
		row.TraceLost = &lost
	}
	return row
}

// cost is the median of what the rounds cost.
func (r *result) cost() *report.Cost {
	var server, total, resident, peak []float64
	c := &report.Cost{}
	for _, one := range r.rounds {
		if amount := one.Outcome.Amount; amount > 0 {
			c.Per = one.Outcome.Per
			server, total = append(server, one.Server/amount), append(total, one.Total/amount)
		}
		resident, peak = append(resident, float64(one.Resident)), append(peak, float64(one.Peak))
	}
	if c.Per != "" {
		c.Server, c.Total = report.Median(server), report.Median(total)
	}
	c.Resident, c.Peak = uint64(report.Median(resident)), uint64(report.Median(peak))
	return c
}
