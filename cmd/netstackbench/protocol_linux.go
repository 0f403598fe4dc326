package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"time"

	"netstackd/hooks/trace"
)

// request is what the outer process asks of a worker, one JSON value each.
type request struct {
	Do string
	// Path of an open: which one the worker is for. TraceDir is where a trace
	// may be written.
	Path     *path  `json:",omitempty"`
	TraceDir string `json:",omitempty"`
	// Addresses of a start: the host's.
	Addresses []netip.Prefix `json:",omitempty"`
	// Work of a run.
	Work string `json:",omitempty"`
	// Pings of a ping.
	Pings *pings `json:",omitempty"`
	// Warm and Length of a run.
	Warm, Length time.Duration `json:",omitempty"`
}

// What a worker can do.
const (
	doOpen  = "open"  // be a path
	doStart = "start" // start a host
	doRun   = "run"   // do one round of a work
	doPing  = "ping"  // ping it for a race
	doStop  = "stop"  // stop the host
)

// reply answers a request.
type reply struct {
	Error string   `json:",omitempty"`
	Round *round   `json:",omitempty"` // of a run
	Pongs *pongs   `json:",omitempty"` // of a ping
	End   *hostEnd `json:",omitempty"` // of a stop
}

// pings are those of one answerer in one round, to one of its addresses.
type pings struct {
	To    netip.Addr
	Count int
	// Interval from one to the next; Length after which none begins but the first;
	// Patience how long each waits.
	Interval, Length, Patience time.Duration
}

// pongs are what came back. None is asked for after one that is not answered.
type pongs struct {
	Sent int
	RTT  []time.Duration `json:",omitempty"`
}

// round is one measured round.
type round struct {
	Outcome outcome
	// Server and Total are CPU seconds in the measured time.
	Server, Total float64
	// Resident and Peak are the host's memory in bytes.
	Resident, Peak uint64
}

// hostEnd is what a host said when it was stopped.
type hostEnd struct {
	// Packets and TraceLost of a host that traces.
	Packets, TraceLost uint64
	Traced             bool
	Notes              []string `json:",omitempty"`
	// Answerers are netstackd's scorecards, Says its last warnings and what its
	// answerer said last.
	Answerers []trace.Scorecard `json:",omitempty"`
	Says      []string          `json:",omitempty"`
}

// add adds what another host of the same path said.
func (e *hostEnd) add(other *hostEnd) {
	e.Packets += other.Packets
	e.TraceLost += other.TraceLost
	e.Traced = e.Traced || other.Traced
	e.Notes = append(e.Notes, other.Notes...)
}

// answer reads requests until there are no more, and writes a reply to each.
func answer(in io.Reader, out io.Writer, handle func(request) reply) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var r request
		if err := decoder.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		if err := encoder.Encode(handle(r)); err != nil {
			return fmt.Errorf("write reply: %w", err)
		}
	}
}
