package stack

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

// set changes the services of the host.
func (p *pair) set(services ...string) {
	p.t.Helper()
	if err := p.host.SetServices(services); err != nil {
		p.t.Fatal(err)
	}
}

// readPage asks for the host's page over a connection, and reads as much as there is of it.
func readPage(t *testing.T, c net.Conn, version string) string {
	t.Helper()
	if _, err := io.WriteString(c, "GET / HTTP/"+version+"\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantEcho has a connection echo something.
func wantEcho(t *testing.T, c net.Conn) {
	t.Helper()
	const said = "hello"
	got := make([]byte, len(said))
	if _, err := io.WriteString(c, said); err != nil {
		t.Fatal("echo:", err)
	}
	if _, err := io.ReadFull(c, got); err != nil || string(got) != said {
		t.Fatalf("echo: got %q, %v", got, err)
	}
}

// TestSetServices: a service that is taken away accepts nothing any more, and its
// connections go on; the others do not notice. It comes back, with what it has counted.
func TestSetServices(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	stays := p.held(0, 9)
	for round := range uint64(3) {
		var echoes, pages, tests [2]*gonet.TCPConn
		for family, f := range families {
			if err := transferTo(p, full(f.host, 7)); err != nil {
				t.Error("TCP:", err) // it leaves a connection in TIME-WAIT, now and then
			}
			if got, err := ask(p.datagrams(f.client, 0, f.host, 7), []byte("hi")); err != nil || string(got) != "hi" {
				t.Errorf("UDP: got %q, %v", got, err)
			}
			// What transferTo has left may be there yet.
			eventually(t, "no other connection", func() bool { return p.counters("echo").Open == uint64(family) })
			echoes[family], pages[family], tests[family] = p.held(family, 7), p.held(family, 80), p.held(family, 5201)
			if page := readPage(t, pages[family], "1.1"); !strings.Contains(page, "5201") {
				t.Errorf("the page does not show iperf3:\n%s", page)
			}
		}
		before := p.counters("echo")
		p.set("discard")
		if got := p.counters("echo"); got.Open != 2 || got.Off != 0 || got.Connections != before.Connections || got.Datagrams != before.Datagrams {
			t.Errorf("echo has counted %+v, and before %+v", got, before)
		}
		if got := p.counters("iperf3"); got.Open != 0 || got.Off != 2*(round+1) {
			t.Errorf("iperf3 has counted %+v", got)
		}
		wantDrops(t, p, DropServiceOff, 2*(round+1))
		for family, f := range families {
			for _, port := range []uint16{7, 80, 5201} {
				if c, err := p.tryDial(f.host, port); err == nil {
					c.Close()
					t.Errorf("port %d of %s is open", port, f.name)
				}
			}
			if got, err := ask(p.datagrams(f.client, 0, f.host, 7), []byte("hi")); err == nil {
				t.Errorf("UDP: got %q", got)
			}
			wantEcho(t, echoes[family])
			if n, err := pages[family].Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("an idle connection of the page: %d bytes, %v, want its end", n, err)
			}
			if n, err := tests[family].Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("a connection of iperf3: %d bytes, %v, want its end", n, err)
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
		if page := readPage(t, p.dial(families[0].host, 80), "1.0"); strings.Contains(page, "5201") || !strings.Contains(page, "TCP port 80") {
			t.Errorf("the page shows\n%s", page)
		}
		p.set(ServiceNames()...)
		for _, c := range echoes {
			wantEcho(t, c)
			c.Close()
		}
		eventually(t, "what ended is forgotten", func() bool { return len(p.host.current().services.Load().ending) == 0 })
	}
	if _, err := io.WriteString(stays, "x"); err != nil {
		t.Error(err)
	}
	if n := p.counters("discard").Open; n != 1 {
		t.Errorf("discard has %d connections, had one", n)
	}
}

// TestSetServicesDrained: what does not end in time is reset, and counted.
func TestSetServicesDrained(t *testing.T) {
	t.Parallel()
	lim := defaultLimits()
	lim.drain = time.Millisecond
	p := newPair(t, lim)
	c := p.held(0, 19)
	p.set("echo")
	for buf := make([]byte, 1<<16); ; {
		if _, err := c.Read(buf); err != nil {
			if errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "reset") {
				t.Errorf("the connection ends with %v, want a reset", err)
			}
			break
		}
	}
	eventually(t, "what ended is forgotten", func() bool { return len(p.host.current().services.Load().ending) == 0 })
	wantDrops(t, p, DropServiceOff, 1)
	if got := p.counters("chargen"); got.Off != 1 || got.Open != 0 || got.Connections != 1 {
		t.Errorf("chargen has counted %+v", got)
	}
}

// TestSetServicesBack: a service that came back in time resets nothing of what was.
func TestSetServicesBack(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	c := p.held(0, 7)
	p.set()
	i := p.host.current()
	was := i.services.Load().ending[0]
	p.set("echo")
	finished, drained := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(drained)
		i.drain(was, finished, time.Microsecond)
	}()
	for range 20 {
		wantEcho(t, c)
	}
	close(finished)
	<-drained
	wantDrops(t, p, DropServiceOff, 0)
}

// TestSetServicesClosed: a host is closed while connections of what was taken away go on.
func TestSetServicesClosed(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	for _, port := range []uint16{7, 9, 19, 80} {
		p.held(1, port)
	}
	p.set()
	if err := p.host.Close(); err != nil {
		t.Error(err)
	}
	wantDrops(t, p, DropServiceOff, 0)
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
