package stack

import (
	"io"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// listed are the connections of a host, and how many there are by state, none left
// out.
func listed(h *Host, limit int) (all []Connection, counts map[string]uint64) {
	counts = h.Connections(limit, func(c Connection) { all = append(all, c) }).States
	for state, n := range counts {
		if n == 0 {
			delete(counts, state)
		}
	}
	return all, counts
}

// echoed sends so many bytes and reads as many.
func echoed(t *testing.T, c io.ReadWriter, n int) {
	t.Helper()
	if _, err := c.Write(noise(n, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, n)); err != nil {
		t.Fatal(err)
	}
}

// TestConnections: each connection shows, oldest first, with its addresses and what
// it has moved, whoever serves it, and no more than asked for.
func TestConnections(t *testing.T) {
	p := newPair(t, defaultLimits())
	if all, counts := listed(p.host, 10); len(all)+len(counts) != 0 {
		t.Errorf("before any: %+v, %v", all, counts)
	}
	var want []Connection
	for _, f := range families {
		c := p.dial(f.host, 7)
		defer c.Close()
		echoed(t, c, 3000)
		want = append(want, Connection{
			Service: "echo", State: "established", In: 3000, Out: 3000,
			Local: netip.AddrPortFrom(f.host, 7), Remote: netip.MustParseAddrPort(c.LocalAddr().String()),
		})
	}
	web := p.dial(families[0].host, 80)
	defer web.Close()
	want = append(want, Connection{
		Service: "http", State: "established",
		Local: netip.AddrPortFrom(families[0].host, 80), Remote: netip.MustParseAddrPort(web.LocalAddr().String()),
	})
	eventually(t, "the third to be accepted", func() bool { return p.counters("http").Open == 1 })
	all, counts := listed(p.host, 10)
	measured := cmpopts.IgnoreFields(Connection{}, "Age", "Idle", "Received", "Sent", "RTT", "RTTVar", "RTO", "Window", "Threshold")
	if diff := cmp.Diff(want, all, measured, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]uint64{"established": 3}, counts); diff != "" {
		t.Errorf("by state (-want +got):\n%s", diff)
	}
	if e := all[0]; e.Sent < 3 || e.Received < 3 || e.RTT <= 0 || e.RTO <= 0 || e.Window == 0 || e.Idle < 0 || e.Idle > e.Age {
		t.Errorf("measured: %+v", e)
	}
	if all, counts := listed(p.host, 2); len(all) != 2 || counts["established"] != 3 {
		t.Errorf("two at most: %d shown of %v", len(all), counts)
	}
	for _, l := range p.host.Listeners() {
		if l.Protocol == "tcp" && (l.Service == "echo") != (*l.Open == 2 && *l.Accepted == 2) {
			t.Errorf("%s has %d open and %d accepted", l.Service, *l.Open, *l.Accepted)
		}
	}
}

// TestConnectionsEnd: a connection shows while netstack has it, its service or not,
// and is forgotten with it.
func TestConnectionsEnd(t *testing.T) {
	p := newPair(t, defaultLimits())
	web := p.dial(families[0].host, 80)
	if _, err := io.WriteString(web, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(web); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the host to wait for the client's end", func() bool {
		_, counts := listed(p.host, 0)
		return counts["fin-wait-2"] == 1
	})
	web.Close()
	eventually(t, "TIME-WAIT", func() bool {
		all, counts := listed(p.host, 1)
		return counts["time-wait"] == 1 && len(all) == 1 && all[0].Service == "http" && all[0].Out > 0
	})
	for range 300 {
		c := p.dial(families[1].host, 9)
		c.Close()
	}
	eventually(t, "netstack to forget those that the clients have closed", func() bool {
		runtime.GC()
		p.host.current().connections.mu.Lock()
		defer p.host.current().connections.mu.Unlock()
		n := 0
		for _, chunk := range p.host.current().connections.chunks {
			n += len(chunk)
		}
		return n == 1 // that in TIME-WAIT
	})
}

// TestConnectionsQueue: what a service does not take waits, and counts: echo does not
// once its client takes nothing.
func TestConnectionsQueue(t *testing.T) {
	p := newPair(t, defaultLimits())
	c := p.dial(families[0].host, 7)
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = c.Write(noise(64<<20, 1)) // until it is closed
	}()
	eventually(t, "bytes to wait", func() bool {
		totals := p.host.ConnectionTotals()
		all, _ := listed(p.host, 1)
		return len(all) == 1 && totals.Queue > 0 && all[0].Queue > 0
	})
	c.Close()
	<-written
}

// TestConnectionsWhileTheyCome: they can be looked at while they come and go.
func TestConnectionsWhileTheyCome(t *testing.T) {
	p := newPair(t, defaultLimits())
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				listed(p.host, 1000)
			}
		}
	}()
	for i := range 200 {
		c := p.dial(families[i%2].host, 7)
		echoed(t, c, 5)
		c.Close()
	}
	close(stop)
	<-done
}

// BenchmarkConnections looks at what a metric takes for 50,000 connections, which
// all are one here.
func BenchmarkConnections(b *testing.B) {
	p := newPair(b, defaultLimits())
	c := p.dial(families[0].host, 7)
	defer c.Close()
	for p.counters("echo").Open == 0 {
		time.Sleep(time.Millisecond)
	}
	var one *connection
	cs := &p.host.current().connections
	for _, chunk := range cs.chunks {
		for _, each := range chunk {
			one = each
		}
	}
	for cs.next = 1; cs.next < 50_000; cs.next++ {
		if cs.chunks[cs.next/chunkLen] == nil {
			cs.chunks[cs.next/chunkLen] = map[uint64]*connection{}
		}
		cs.chunks[cs.next/chunkLen][cs.next] = one
	}
	for b.Loop() {
		p.host.ConnectionTotals()
	}
}
