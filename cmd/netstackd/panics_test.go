package main

import (
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/link"
	"netstackd/stack"
)

// TestPanicsWithoutQuarantine: the log has the packet and the trace, cut to what a line
// may have, of all that panicked before the end; who panics after it harms nothing.
func TestPanicsWithoutQuarantine(t *testing.T) {
	log, logged := logtest.NewNullLogger()
	p, err := openPanics(&config.Config{}, "netstack0", log, &notifier{log: log})
	if err != nil {
		t.Fatal(err)
	}
	p.panicked(stack.Panic{Where: stack.WhereInbound, Value: "first", Stack: "trace", Packets: [][]byte{{1}, make([]byte, 2*mostLogged)}, Connections: 3})
	p.panicked(stack.Panic{Where: stack.WhereService, Value: "second", Stack: "trace"})
	p.rebuilt(2 * time.Millisecond)
	p.start()
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	for range panicsQueued + 1 {
		p.panicked(stack.Panic{Value: "late"})
	}
	entries := logged.AllEntries()
	if len(entries) != 3 {
		t.Fatalf("%d lines, want 3", len(entries))
	}
	first, second, third := entries[0], entries[1], entries[2]
	if d := first.Data; first.Level != logrus.ErrorLevel || d["where"] != "inbound" || d["panic"] != "first" || d["stack"] != "trace" ||
		d["connections"] != uint64(3) || d["packet"] != strings.Repeat("00", mostLogged) {
		t.Errorf("of the first: %v %v", first.Level, d)
	}
	if _, ok := second.Data["packet"]; ok || second.Data["where"] != "service" {
		t.Errorf("of the second: %v", second.Data)
	}
	if third.Message != "netstack is rebuilt" || third.Data["after"] != 2*time.Millisecond {
		t.Errorf("of the third: %s %v", third.Message, third.Data)
	}
}

// TestReadiness: while netstack is rebuilt the host does not answer, whatever was found
// of the device before.
func TestReadiness(t *testing.T) {
	down := ""
	r := &readiness{down: func() string { return down }}
	if why := r.why(); why != "the host is coming up" {
		t.Errorf("at first %q", why)
	}
	r.device.Store(&link.Device{})
	r.seen.Store(&seen{at: time.Now().Add(time.Hour)})
	for _, want := range []string{"", "netstack is being rebuilt", ""} {
		if down = want; r.why() != want {
			t.Errorf("%q, want %q", r.why(), want)
		}
	}
}
