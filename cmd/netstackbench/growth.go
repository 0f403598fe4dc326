//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"

	"netstackd/cmd/netstackbench/internal/load"
	"netstackd/cmd/netstackbench/internal/report"
)

// idle weighs a host that has nothing to do.
func idle() *work {
	return &work{
		name: "idle", title: "a host that has just started",
		figures: []figure{{resident, "MiB", true}},
		targets: []report.Target{{Figure: resident, Most: 40}},
		kinds:   hostsTracing, quick: true, rounds: 1,
		do: func(s *site, window load.Window) (outcome, error) {
			window.Mark()
			time.Sleep(window.Length)
			window.Mark()
			bytes, err := s.resident()
			return outcome{Values: map[string]float64{resident: mebibytes(bytes)}}, err
		},
	}
}

// holdSources is how many addresses the clients spread over: each has 28,232
// ports.
const holdSources = 4

// hold opens connections and keeps them. The host may refuse some; how many it
// held and why no more is what the row says.
func hold(connections int) *work {
	w := &work{
		name:    fmt.Sprintf("hold-%d", connections),
		title:   count(connections, "TCP connection", "TCP connections") + " held, each used once",
		figures: []figure{{held, "", false}, {resident, "MiB", true}},
		kinds:   hosts, rounds: 1, patience: 2 * time.Minute,
		do: func(s *site, window load.Window) (outcome, error) { return holdOnce(s, connections, window) },
	}
	if connections > 1 {
		w.figures = append(w.figures, figure{perHeld, "KiB", true})
	}
	return w
}

func holdOnce(s *site, connections int, window load.Window) (outcome, error) {
	sources, err := s.sources(holdSources)
	if err != nil {
		return outcome{}, err
	}
	before, err := s.resident()
	if err != nil {
		return outcome{}, err
	}
	window.Mark()
	h, release, err := s.hold(s.port(echoPort), sources, connections)
	window.Mark()
	defer release()
	if err != nil {
		return outcome{}, err
	}
	if h.Held == 0 {
		return outcome{}, errors.New(h.Why)
	}
	after, err := s.resident()
	if err != nil {
		return outcome{}, err
	}
	o := outcome{
		Values: map[string]float64{
			held: float64(h.Held), resident: mebibytes(after),
			perHeld: max(0, float64(after)-float64(before)) / 1024 / float64(h.Held),
		},
		Amount: float64(h.Held), Per: "op",
	}
	if h.Why != "" {
		o.Notes = append(o.Notes, fmt.Sprintf("%d of %d connections: %s", h.Held, connections, h.Why))
	}
	return o, nil
}

// addresses starts a host with so many addresses and talks to the last one.
func addresses(n int) *work {
	return &work{
		name:    fmt.Sprintf("addresses-%d", n),
		title:   fmt.Sprintf("a host with %s, the last one used", count(n, "address", "addresses")),
		figures: []figure{{startTime, "ms", true}, {meanRTT, "µs", true}, {echoRate, "/s", false}, {resident, "MiB", true}},
		kinds:   hostsTracing, addresses: n, rounds: 3, fresh: true,
		do: func(s *site, window load.Window) (outcome, error) {
			p, err := load.Ping(s.last, 0, window)
			if err != nil {
				return outcome{}, err
			}
			window.Mark = func() {} // the costs are those of the pings
			last := *s
			last.host = s.last
			d, err := load.Datagrams(last.port(echoPort), 1400, 64, 1, window)
			if err != nil {
				return outcome{}, err
			}
			bytes, err := s.resident()
			return outcome{
				Values: map[string]float64{
					startTime: microseconds(s.started) / 1000, meanRTT: microseconds(p.RTT.Mean()),
					echoRate: d.Rate(), resident: mebibytes(bytes),
				},
				Amount: float64(p.Operations), Per: "op", Sent: p.Sent + d.Sent, Lost: p.Lost + d.Lost,
			}, err
		},
	}
}

const (
	// millionConnections are made, and millionRest is how long the host then has to give
	// back what they took.
	millionConnections = 1_000_000
	millionRest        = 90 * time.Second
	// millionStep is how long connections are made before they are counted again.
	millionStep = 5 * time.Second
)

// million weighs a host before and after very many connections.
func million() *work {
	return &work{
		name:    "million",
		title:   "1,000,000 connections made, used and reset, and 90 s of rest",
		figures: []figure{{growth, "", true}, {resident, "MiB", true}},
		targets: []report.Target{{Figure: growth, Least: 0.8, Most: 1.2}, {Figure: resident, Most: 40 * 1.2}},
		kinds:   []string{report.Netstackd}, million: true, rounds: 1, patience: 15 * time.Minute,
		do: func(s *site, window load.Window) (outcome, error) {
			time.Sleep(window.Length)
			before, err := s.resident()
			if err != nil {
				return outcome{}, err
			}
			window.Mark()
			made := uint64(0)
			for made < millionConnections {
				r, err := load.Connect(s.port(echoPort), 4, 1, load.Window{Length: millionStep, Mark: func() {}})
				if err != nil {
					return outcome{}, fmt.Errorf("after %d connections: %w", made, err)
				}
				made += r.Operations
			}
			window.Mark()
			busy, err := s.resident()
			if err != nil {
				return outcome{}, err
			}
			time.Sleep(millionRest)
			after, err := s.resident()
			return outcome{
				Values: map[string]float64{growth: float64(after) / float64(before), resident: mebibytes(after)},
				Amount: float64(made), Per: "op",
				Notes: []string{fmt.Sprintf("%.1f MiB before, %.1f just after %d connections, %.1f after the rest",
					mebibytes(before), mebibytes(busy), made, mebibytes(after))},
			}, err
		},
	}
}
