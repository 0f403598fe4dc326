package main

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackbench/internal/load"
)

// ping sends the pings of one round to one address. It ends with the first that is
// not answered.
func (w *worker) ping(plan *pings) (*pongs, error) {
	if w.host == nil {
		return nil, errors.New("no host runs")
	}
	// One for all rounds: a reply that comes late must not pass for the next one's.
	p := w.pingers[plan.To]
	if p == nil {
		var err error
		if p, err = load.NewPinger(plan.To, plan.Patience); err != nil {
			return nil, err
		}
		if w.pingers == nil {
			w.pingers = map[netip.Addr]*load.Pinger{}
		}
		w.pingers[plan.To] = p
	}
	got := &pongs{}
	begin := time.Now()
	for next := begin; got.Sent < plan.Count && (got.Sent == 0 || time.Since(begin) < plan.Length); got.Sent++ {
		load.Pause(time.Until(next))
		next = time.Now().Add(plan.Interval)
		rtt, answered, err := p.Ping(w.alive)
		if err == nil {
			err = w.alive()
		}
		if err != nil {
			return nil, err
		}
		if !answered {
			got.Sent++
			break
		}
		got.RTT = append(got.RTT, rtt)
	}
	return got, nil
}

// alive is an error if the host or what is beside it has ended, or if nobody waits
// for the result any more.
func (w *worker) alive() error {
	requests := []unix.PollFd{{Fd: int32(os.Stdin.Fd())}}
	if n, _ := unix.Poll(requests, 0); n > 0 { // closed: nothing else is asked of the poll
		return errors.New("nobody waits for the pings any more")
	}
	if err := w.host.running(); err != nil {
		return err
	}
	if w.beside != nil {
		return w.beside.running()
	}
	return nil
}
