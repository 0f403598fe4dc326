package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"netstackd/cmd/netstackbench/internal/report"
)

// race holds a race and prints the league table. It returns the exit status.
func race(opts *raceOptions, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := holdRace(ctx, opts, stderr)
	if err == nil {
		err = errors.Join(r.WriteTable(stdout), write(opts.json, r.WriteJSON), chart(opts.chart, r))
	}
	if err != nil {
		fmt.Fprintf(stderr, "netstackbench: %v\n", err)
		return 1
	}
	for _, a := range r.Answerers {
		if a.Error != "" {
			return 1
		}
	}
	return 0
}

// entrant is an answerer in a race, and its worker.
type entrant struct {
	racer
	*member
	result report.Answerer
	// v4 and v6 are round trips.
	v4, v6 []time.Duration
}

// holdRace has everybody answer the same pings, in turn.
func holdRace(ctx context.Context, opts *raceOptions, log io.Writer) (_ *report.Race, err error) {
	begin := time.Now()
	r := &report.Race{Date: begin, Machine: machine(), Run: report.RaceRun{
		Rounds: opts.rounds, Pings: opts.pings, Interval: opts.interval, Length: opts.length, Patience: opts.patience,
		Netstackd: strings.Join(opts.daemon, " "),
	}}
	dir, err := raceFolder()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := checkTUN(); err != nil {
		return nil, err
	}
	var all []*entrant
	defer func() {
		for _, e := range all {
			e.close()
		}
	}()
	for _, racer := range opts.racers {
		e := &entrant{racer: racer, member: &member{path: racer.path(opts.daemon, dir)}, result: report.Answerer{
			Name: racer.name, Label: racer.label, About: racer.about(),
		}}
		all = append(all, e)
		if err := e.open(ctx); err != nil {
			return nil, err
		}
		fmt.Fprintf(log, "%6.1f s  %s begins\n", time.Since(begin).Seconds(), e.name)
		e.enter(ctx, opts)
	}
	for round := range opts.rounds {
		fmt.Fprintf(log, "%6.1f s  round %d of %d\n", time.Since(begin).Seconds(), round+1, opts.rounds)
		for i := range all {
			all[(i+round)%len(all)].round(ctx, opts)
		}
	}
	for _, e := range all {
		r.Answerers = append(r.Answerers, e.finish(ctx, opts))
	}
	r.Answerers = append(r.Answerers, published()...)
	r.Rank()
	r.Run.Took = time.Since(begin)
	return r, context.Cause(ctx)
}

// enter starts the answerer and sends the first ping, which may find it starting:
// it counts, but not among the times.
func (e *entrant) enter(ctx context.Context, opts *raceOptions) {
	if err := e.start(ctx, raceAddrs); err != nil {
		e.result.Error = err.Error()
		return
	}
	first := e.ping(ctx, opts, &pings{To: hostAddr.Addr(), Count: 1, Patience: opts.patience})
	if first == nil {
		return
	}
	if len(first.RTT) == 0 {
		e.result.Error = fmt.Sprintf("no answer within %v", opts.patience)
		return
	}
	us := microseconds(first.RTT[0])
	e.result.First = &us
}

// round sends the pings of a round, over IPv4, then over IPv6.
func (e *entrant) round(ctx context.Context, opts *raceOptions) {
	var both []time.Duration
	plan := pings{Count: opts.pings, Interval: opts.interval, Length: opts.length / 2, Patience: opts.patience}
	for i, times := range []*[]time.Duration{&e.v4, &e.v6} {
		if e.result.Error != "" || ctx.Err() != nil {
			return
		}
		plan.To = raceAddrs[i].Addr()
		if got := e.ping(ctx, opts, &plan); got != nil {
			*times = append(*times, got.RTT...)
			both = append(both, got.RTT...)
		}
	}
	if t := report.TimesOf(both); t != nil {
		e.result.Rounds = append(e.result.Rounds, t.P50)
	}
}

// ping has the worker ping, and counts. It returns nil after an error, which stands
// in the result.
func (e *entrant) ping(ctx context.Context, opts *raceOptions, plan *pings) *pongs {
	answer, err := e.ask(ctx, request{Do: doPing, Pings: plan}, plan.Length+2*opts.patience+opts.interval)
	if err == nil && answer.Pongs == nil {
		err = errors.New("the load generator told nothing")
	}
	if err != nil {
		e.result.Error = err.Error()
		return nil
	}
	e.result.Requests += uint64(answer.Pongs.Sent)
	e.result.Answered += uint64(len(answer.Pongs.RTT))
	return answer.Pongs
}

// finish stops the answerer and returns how it has done.
func (e *entrant) finish(ctx context.Context, opts *raceOptions) report.Answerer {
	a := e.result
	a.IPv4, a.IPv6 = report.TimesOf(e.v4), report.TimesOf(e.v6)
	a.Times = report.TimesOf(append(append([]time.Duration(nil), e.v4...), e.v6...))
	end, err := e.stop(ctx)
	if err != nil && a.Error == "" {
		a.Error = err.Error()
	}
	if end != nil {
		for i := range end.Answerers {
			if end.Answerers[i].Live {
				a.Card = &end.Answerers[i]
			}
		}
		if a.Answered < a.Requests {
			a.Notes = append(a.Notes, end.Says...)
		}
	}
	if c := a.Card; c != nil && c.Answered > a.Answered {
		a.Notes = append(a.Notes, fmt.Sprintf("%d right replies came after ping had given up: -patience %v is too little",
			c.Answered-a.Answered, opts.patience))
	}
	return a
}
