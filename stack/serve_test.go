package stack

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// set changes the services of the host.
func (p *pair) set(services ...string) {
	p.t.Helper()
	if err := p.host.SetServices(services); err != nil {
		p.t.Fatal(err)
	}
}

// page reads the host's.
func (p *pair) page() string {
	p.t.Helper()
	c := p.dial(families[0].host, 80)
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		p.t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// TestSetServices: a service that is taken away accepts nothing any more, and its
// connections are reset and counted; the others do not notice. It comes back, with what
// it has counted.
func TestSetServices(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	stays := p.held(0, 9)
	for round := range uint64(3) {
		for family, f := range families {
			if err := transferTo(p, full(f.host, 7)); err != nil {
				t.Error("TCP:", err) // it leaves a connection in TIME-WAIT, now and then
			}
			if got, err := ask(p.datagrams(f.client, 0, f.host, 7), []byte("hi")); err != nil || string(got) != "hi" {
				t.Errorf("UDP: got %q, %v", got, err)
			}
			eventually(t, "no connection", func() bool {
				return p.counters("echo").Open+p.counters("http").Open == 0 || family > 0 && p.counters("echo").Open == 1
			})
			p.held(family, 7)
			p.held(family, 80)
			p.held(family, 5201)
		}
		if !strings.Contains(p.page(), "5201") {
			t.Error("the page does not show iperf3")
		}
		before := p.counters("echo")
		// The page's own connection, and those of transferTo, may be there yet, or not.
		eventually(t, "two connections each", func() bool {
			return p.counters("echo").Open == 2 && p.counters("http").Open == 2 && p.counters("iperf3").Open == 2
		})
		p.set("discard")
		for _, name := range []string{"echo", "http", "iperf3"} {
			if got := p.counters(name); got.Off != 2*(round+1) || got.Open != 0 {
				t.Errorf("%s: %d reset, %d open, want %d and none", name, got.Off, got.Open, 2*(round+1))
			}
		}
		wantDrops(t, p, DropServiceOff, 6*(round+1))
		if got := p.counters("echo"); got.Connections != before.Connections || got.Datagrams != before.Datagrams {
			t.Errorf("echo has counted %+v, and before %+v", got, before)
		}
		for _, f := range families {
			for _, port := range []uint16{7, 80, 5201} {
				if c, err := p.tryDial(f.host, port); err == nil {
					c.Close()
					t.Errorf("port %d of %s is open", port, f.name)
				}
			}
			if got, err := ask(p.datagrams(f.client, 0, f.host, 7), []byte("hi")); err == nil {
				t.Errorf("UDP: got %q", got)
			}
		}
		var open []string
		for _, l := range p.host.Listeners() {
			open = append(open, l.Protocol+" "+l.Service)
		}
		if diff := cmp.Diff([]string{"tcp discard", "udp discard"}, open); diff != "" {
			t.Errorf("listeners (-want +got):\n%s", diff)
		}
		p.set("http", "discard")
		if page := p.page(); strings.Contains(page, "5201") || !strings.Contains(page, "TCP port 80") {
			t.Errorf("the page shows\n%s", page)
		}
		p.set(ServiceNames()...)
	}
	if _, err := io.WriteString(stays, "x"); err != nil {
		t.Error(err)
	}
	eventually(t, "what ended is forgotten", func() bool { return len(p.host.current().services.Load().ending) == 0 })
	if n := p.counters("discard").Open; n != 1 {
		t.Errorf("discard has %d connections, had one", n)
	}
}

// TestSetServicesReset: the client of a service that is taken away is told by a reset.
func TestSetServicesReset(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	c := p.held(0, 19)
	p.set()
	for buf := make([]byte, 1<<16); ; {
		if _, err := c.Read(buf); err != nil {
			if errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "reset") {
				t.Errorf("the connection ends with %v, want a reset", err)
			}
			return
		}
	}
}

// TestSetServicesRefused: what is refused changes nothing.
func TestSetServicesRefused(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	p.set("echo")
	const want = `set services: service "telnet": not one of echo, discard, chargen, http, iperf3`
	if err := p.host.SetServices([]string{"telnet"}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	// Somebody else has a port, so that the others are not opened either.
	other, err := listenTCP(p.host.current().stack, "other", 19, defaultLimits(), newSources(defaultLimits()), nil, nil, silentLog())
	if err != nil {
		t.Fatal(err)
	}
	const inUse = "set services: bind chargen to TCP port 19: port is in use"
	if err := p.host.SetServices([]string{"discard", "chargen"}); err == nil || err.Error() != inUse {
		t.Errorf("got %v, want %s", err, inUse)
	}
	if c, err := p.tryDial(families[0].host, 9); err == nil {
		c.Close()
		t.Error("discard is open")
	}
	if err := transferTo(p, full(families[0].host, 7)); err != nil {
		t.Error(err)
	}
	other.close()
	p.set("discard", "chargen")
	p.host.Close()
	if err := p.host.SetServices([]string{"echo"}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("of a host that is closed: %v", err)
	}
}

// TestSetServicesRebuilt: a netstack that takes another's place has the services that
// were set last.
func TestSetServicesRebuilt(t *testing.T) {
	if !isolated(t) {
		return
	}
	r := newRebuilding(t)
	r.set("echo", "http")
	r.host.current().cover(WhereService, func() { panic("for the test") })
	r.set("echo") // at whatever time of the rebuild
	r.wantRebuilt(1)
	for _, l := range r.host.Listeners() {
		if l.Service != "echo" {
			t.Errorf("%s is open", l.Service)
		}
	}
	if err := r.host.Close(); err != nil {
		t.Error(err)
	}
}
