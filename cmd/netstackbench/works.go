//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"netstackd/cmd/netstackbench/internal/load"
	"netstackd/cmd/netstackbench/internal/report"
)

// work is one thing that every path does.
type work struct {
	name    string // for -only
	title   string
	figures []figure
	targets []report.Target // Work and Of are filled in by catalogue
	// kinds are the paths that do it; nil means everybody.
	kinds   []string
	quick   bool // done by -quick too
	million bool // done with -million alone
	// addresses is how many the host has; 0 means one.
	addresses int
	// rounds is how many there are at most; 0 means as many as asked for. Each has
	// a new host if it is to be fresh.
	rounds int
	fresh  bool
	// patience is how long it may take beside its window.
	patience time.Duration
	do       func(*site, load.Window) (outcome, error)
}

// hosts are the addresses that the host has for it.
func (w *work) hosts() []netip.Prefix { return hostAddrs(max(w.addresses, 1)) }

// figure is a value that a work yields.
type figure struct {
	name, unit   string
	lessIsBetter bool
}

// site is where a work is done: one host, seen from the kernel's side.
type site struct {
	// host is the host's first address, last its last one.
	host, last netip.Addr
	// started is how long the host took until it was up.
	started time.Duration
	// resident reads the host's memory in bytes.
	resident func() (uint64, error)
	// sources gives the kernel's side more addresses, so many, and returns them.
	sources func(int) ([]netip.Addr, error)
	// hold has so many connections held until it is told to release them.
	hold func(to netip.AddrPort, from []netip.Addr, n int) (h heldReply, release func(), err error)
}

func (s *site) port(n uint16) netip.AddrPort { return netip.AddrPortFrom(s.host, n) }

// The ports of the services.
const (
	echoPort    = 7
	discardPort = 9
	chargenPort = 19
)

// outcome is what one round of a work yields. It travels to the outer process as
// JSON.
type outcome struct {
	// Values by figure.
	Values map[string]float64
	// Amount is how much was done in the measured time: GiB or operations, as
	// Per says; 0 if the CPU time is for nothing that can be counted.
	Amount float64
	Per    string
	// Sent and Lost are datagrams or echo requests.
	Sent, Lost uint64
	Notes      []string
}

// The figures.
const (
	throughput = "throughput"
	rate       = "rate"
	meanRTT    = "mean RTT"
	p99RTT     = "p99 RTT"
	resident   = "resident memory"
	perHeld    = "memory per connection"
	held       = "connections held"
	startTime  = "time to start"
	echoRate   = "rate of UDP echoes"
	growth     = "memory after by memory before"
)

// The paths that do a work: those whose services can be compared, or these and
// netstackd with its trace on. The minimal responder only answers pings.
var (
	hosts        = []string{report.Kernel, report.Netstackd, report.FDBased, report.WireGuard}
	hostsTracing = append(slices.Clone(hosts), report.Compare)
)

// traceLost is the part of the trace that -trace compare may lose.
const traceLost = 0.01

// catalogue is every work there is, in the order in which they are done.
func catalogue() []*work {
	works := []*work{
		idle(),
		bulk("in", 1, 0.8, 6), bulk("in", 4, 0.75, 6), bulk("in", 64, 0, 0),
		bulk("out", 1, 1.0, 10), bulk("out", 4, 0.8, 10), bulk("out", 64, 0, 0),
		exchange(1), exchange(16),
		connects(1), connects(4),
		datagrams(64, 64, 1), datagrams(1400, 64, 1), datagrams(1400, 88, 44), datagrams(65000, 4, 1),
		flood(), paced(),
		hold(1), hold(1000), hold(50000),
		addresses(1), addresses(1000),
		million(),
	}
	for _, w := range works {
		for i := range w.targets {
			t := &w.targets[i]
			t.Work = w.name
			if t.Of == "" {
				t.Of = report.Netstackd
			}
		}
	}
	return works
}

// bulk is TCP one way. The targets are fractions of the kernel's and multiples
// of fdbased's throughput, 0 if there is none.
func bulk(way string, streams int, ofKernel, ofFDBased float64) *work {
	w := &work{
		name:    fmt.Sprintf("tcp-%s-%d", way, streams),
		title:   fmt.Sprintf("TCP %s, %s", way, count(streams, "stream", "streams")),
		figures: []figure{{throughput, "Gbit/s", false}},
		kinds:   hosts, quick: streams < 64,
		do: func(s *site, window load.Window) (outcome, error) {
			move, port := load.Send, uint16(discardPort)
			if way == "out" {
				move, port = load.Receive, chargenPort
			}
			r, err := move(s.port(port), streams, window)
			if err != nil {
				return outcome{}, err
			}
			return outcome{Values: map[string]float64{throughput: r.Gbits()}, Amount: gibibytes(r), Per: "GiB"}, nil
		},
	}
	if ofKernel != 0 {
		w.kinds = hostsTracing
		w.targets = []report.Target{
			{Figure: throughput, Against: report.Kernel, Least: ofKernel},
			{Figure: throughput, Against: report.FDBased, Least: ofFDBased},
			{Figure: throughput, Of: report.Compare, Against: report.Netstackd, Least: 0.85, TraceLost: traceLost},
		}
	}
	return w
}

func exchange(connections int) *work {
	return &work{
		name:    fmt.Sprintf("rr-%d", connections),
		title:   fmt.Sprintf("request and response of 64 bytes over TCP, %s", count(connections, "connection", "connections")),
		figures: []figure{{rate, "/s", false}},
		targets: []report.Target{{Figure: rate, Against: report.Kernel, Least: 0.35}},
		kinds:   hosts, quick: connections == 1,
		do: func(s *site, window load.Window) (outcome, error) {
			r, err := load.Exchange(s.port(echoPort), connections, 64, window)
			return operations(r, err)
		},
	}
}

// connects are what netperf calls TCP_CRR: a connection for each message. Only
// the message proves that somebody accepted the connection.
func connects(clients int) *work {
	w := &work{
		name:    fmt.Sprintf("connects-%d", clients),
		title:   fmt.Sprintf("TCP connections made, used for 64 bytes there and back, and reset, by %s", count(clients, "client", "clients")),
		figures: []figure{{rate, "/s", false}},
		kinds:   hosts, quick: clients == 1,
		do: func(s *site, window load.Window) (outcome, error) {
			r, err := load.Connect(s.port(echoPort), clients, 64, window)
			return operations(r, err)
		},
	}
	if clients == 1 {
		w.targets = []report.Target{{Figure: rate, Against: report.Kernel, Least: 0.8}}
	}
	return w
}

// datagrams are sent one by one, or each of them as one super-datagram that the
// link may get whole.
func datagrams(size, outstanding, each int) *work {
	w := &work{
		name:    fmt.Sprintf("udp-%d", size),
		title:   fmt.Sprintf("UDP datagrams of %s echoed, %d outstanding", count(size, "byte", "bytes"), outstanding),
		figures: []figure{{rate, "/s", false}},
		kinds:   hosts, quick: size == 1400 && each == 1,
		do: func(s *site, window load.Window) (outcome, error) {
			r, err := load.Datagrams(s.port(echoPort), size, outstanding, each, window)
			if err != nil {
				return outcome{}, err
			}
			return outcome{
				Values: map[string]float64{rate: r.Rate()}, Amount: gibibytes(r), Per: "GiB", Sent: r.Sent, Lost: r.Lost,
			}, nil
		},
	}
	switch {
	case each > 1:
		w.name += "-gso"
		w.title += fmt.Sprintf(", sent %d as one", each)
	case size == 1400:
		w.targets = []report.Target{{Figure: rate, Against: report.FDBased, Least: 3}}
	}
	return w
}

func flood() *work {
	w := ping("ping-flood", "ping flood", 0)
	w.targets = []report.Target{{Figure: meanRTT, Against: report.Minimal, Most: 0.5}}
	w.quick = true
	return w
}

func paced() *work {
	return ping("ping-paced", "ping, one each 2 ms", 2*time.Millisecond)
}

func ping(name, title string, interval time.Duration) *work {
	return &work{
		name: name, title: title,
		figures: []figure{{meanRTT, "µs", true}, {p99RTT, "µs", true}},
		do: func(s *site, window load.Window) (outcome, error) {
			p, err := load.Ping(s.host, interval, window)
			if err != nil {
				return outcome{}, err
			}
			return outcome{
				Values: map[string]float64{
					meanRTT: microseconds(p.RTT.Mean()), p99RTT: microseconds(p.RTT.Quantile(99)),
				},
				Amount: float64(p.Operations), Per: "op", Sent: p.Sent, Lost: p.Lost,
			}, nil
		},
	}
}

// operations is the outcome of what is counted.
func operations(r load.Result, err error) (outcome, error) {
	if err != nil {
		return outcome{}, err
	}
	return outcome{Values: map[string]float64{rate: r.Rate()}, Amount: float64(r.Operations), Per: "op"}, nil
}

func gibibytes(r load.Result) float64 { return float64(r.Bytes) / (1 << 30) }

func mebibytes(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// count is "1 stream" or "4 streams".
func count(n int, one, many string) string {
	switch {
	case n == 1:
		return "1 " + one
	case n >= 1000:
		return fmt.Sprintf("%d,%03d %s", n/1000, n%1000, many)
	}
	return fmt.Sprintf("%d %s", n, many)
}
