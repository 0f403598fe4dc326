package stack

import (
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

// patient has connections give way by their age alone, which tests set.
func patient(connections, total int) limits {
	lim := defaultLimits()
	lim.connections, lim.total, lim.patience = connections, total, time.Hour
	return lim
}

// age makes a connection one that has made no progress for long.
func (p *pair) age(c *gonet.TCPConn) {
	p.t.Helper()
	s := p.host.current().sources
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.seats {
		if a, terr := v.ep.GetRemoteAddress(); terr == nil && toAddrPort(a).String() == c.LocalAddr().String() {
			v.active.Store(int64(time.Since(epoch) - 2*v.listener.patience))
			return
		}
	}
	p.t.Fatalf("the host has no connection of %v", c.LocalAddr())
}

// held opens a connection and waits until it has its place.
func (p *pair) held(family int, port uint16) *gonet.TCPConn {
	p.t.Helper()
	s := p.host.current().sources
	places := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		n := 0
		for v := range s.seats {
			if _, terr := v.ep.GetRemoteAddress(); terr == nil {
				n++
			}
		}
		return n
	}
	before := places()
	c := p.dial(families[family].host, port)
	eventually(p.t, "the connection has its place", func() bool { return places() > before })
	return c
}

// echoes reports whether a connection is served.
func echoes(c *gonet.TCPConn) bool {
	_ = c.SetDeadline(time.Now().Add(patience))
	_, err := roundTrip(c, "x")
	return err == nil
}

// TestGiveWay: where there is no room, a connection without progress gives way, the
// longest first, and none that makes progress.
func TestGiveWay(t *testing.T) {
	t.Parallel()
	p := newPair(t, patient(4, 0))
	var conns []*gonet.TCPConn
	for range 4 {
		conns = append(conns, p.held(0, 7))
	}
	refused := func(want uint64) {
		t.Helper()
		if c, err := p.tryDial(families[0].host, 7); err == nil {
			if echoes(c) {
				t.Error("a connection over the limit is served")
			}
			c.Close()
		}
		wantDrops(t, p, DropConnectionLimit, want)
	}
	refused(1)
	p.age(conns[2])
	time.Sleep(rescan) // it has just been looked in vain
	if !echoes(p.dial(families[0].host, 7)) {
		t.Error("nobody gives way")
	}
	wantDrops(t, p, DropGaveWay, 1)
	for i, c := range conns {
		if got := echoes(c); got != (i != 2) {
			t.Errorf("connection %d is served: %v", i, got)
		}
	}
	refused(2)
	wantDrops(t, p, DropGaveWay, 1)
	if got := p.counters("echo"); got.Open != 4 || got.Refused != 2 || got.GaveWay != 1 {
		t.Errorf("counters %+v", got)
	}
}

// TestProgress: a byte now and then is none.
func TestProgress(t *testing.T) {
	var v seat
	for range 2 * progress / 3 {
		v.move(1)
	}
	if v.active.Load() != 0 {
		t.Error("a few bytes are progress")
	}
	v.move(progress)
	if v.active.Load() == 0 || v.moved.Load() != 0 {
		t.Errorf("many bytes are none: active %d, moved %d", v.active.Load(), v.moved.Load())
	}
}

// TestFairShare: a source that has all places gives some to others, whatever it does
// with them, but not to more of its own.
func TestFairShare(t *testing.T) {
	t.Parallel()
	p := newPair(t, patient(4, 0))
	for range 4 {
		p.held(0, 7)
	}
	if c, err := p.tryDial(families[0].host, 7); err == nil {
		if echoes(c) {
			t.Error("nobody is to give way to a fifth of the same source")
		}
		c.Close()
	}
	wantDrops(t, p, DropConnectionLimit, 1) // a search in vain, which is no other's fault
	if !echoes(p.dial(families[1].host, 7)) {
		t.Error("another source does not get in")
	}
	wantDrops(t, p, DropGaveWay, 1)
	for range 2 { // now there are three and one: no more than a fair share
		if c, err := p.tryDial(families[1].host, 7); err == nil {
			if echoes(c) {
				t.Error("a source gets more than its share")
			}
			c.Close()
		}
	}
	wantDrops(t, p, DropConnectionLimit, 3)
	eventually(t, "all places counted", func() bool {
		p.host.current().sources.mu.Lock()
		defer p.host.current().sources.mu.Unlock()
		return len(p.host.current().sources.seats) == 4 && len(p.host.current().sources.open) == 2
	})
}

// TestTotalLimit: all services together have a limit, and any connection gives way for
// any, but those of iperf3 for none.
func TestTotalLimit(t *testing.T) {
	t.Parallel()
	p := newPair(t, patient(4, 5))
	speed := p.held(0, 5201)
	old := p.held(0, 9)
	for _, port := range []uint16{7, 7, 19} {
		p.held(0, port)
	}
	if c, err := p.tryDial(families[0].host, 80); err == nil {
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("a connection over the limit got %d bytes", n)
		}
		c.Close()
	}
	wantDrops(t, p, DropTotalLimit, 1)
	p.age(speed)
	p.age(old)
	time.Sleep(rescan)
	resp, err := p.web().Get("http://172.16.0.2/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	wantDrops(t, p, DropGaveWay, 1)
	if p.counters("discard").GaveWay != 1 || p.counters("iperf3").GaveWay != 0 {
		t.Error("another connection gave way")
	}
}

// TestOwnShare: of all places each service keeps some for itself.
func TestOwnShare(t *testing.T) {
	t.Parallel()
	p := newPair(t, patient(100, 32)) // two for each of the five
	for range 24 {
		p.held(0, 7)
	}
	if c, err := p.tryDial(families[0].host, 7); err == nil {
		if echoes(c) {
			t.Error("a service takes what others keep")
		}
		c.Close()
	}
	wantDrops(t, p, DropTotalLimit, 1)
	for _, port := range []uint16{9, 9, 19, 19, 80, 80, 5201, 5201} {
		p.held(0, port)
	}
	wantDrops(t, p, DropTotalLimit, 1)
	if got := len(p.host.current().sources.seats); got != 32 {
		t.Errorf("%d connections, want 32", got)
	}
}

// TestSetLimits: what changes holds for what comes then.
func TestSetLimits(t *testing.T) {
	t.Parallel()
	p := newPair(t, patient(1, 0))
	stays := p.held(0, 7)
	if err := p.host.SetLimits(Limits{Connections: 2, Idle: time.Second, HalfOpen: 5}); err != nil {
		t.Fatal(err)
	}
	p.dial(families[0].host, 7)
	eventually(t, "idle connection closed", func() bool { return p.drops(DropIdle) == 1 && p.counters("echo").Open == 1 })
	if !echoes(stays) {
		t.Error("the first connection does not stay")
	}
	for _, wrong := range []Limits{{Connections: -1}, {Total: -1}, {PerSource: -1}, {HalfOpen: -1}, {Idle: -1}} {
		if err := p.host.SetLimits(wrong); err == nil {
			t.Errorf("%+v are accepted", wrong)
		}
	}
}
