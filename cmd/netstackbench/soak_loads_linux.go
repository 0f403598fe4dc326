package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"time"

	"netstackd/cmd/netstackbench/internal/report"
	"netstackd/cmd/netstackbench/internal/soak"
)

// soakAsked is the address whose pings are answered through FIFOs.
var soakAsked = netip.MustParsePrefix("172.16.0.3/16")

// The loads that a fault or a look has to name.
const (
	loadPing4, loadPing6           = "ping IPv4, each 20 ms", "ping IPv6, each 20 ms"
	loadFragments4, loadFragments6 = "ping IPv4 in 3 fragments", "ping IPv6 in 3 fragments"
	loadFIFO                       = "ping answered through FIFOs"
	loadScrape, loadHealth         = "scrape of /metrics", "health over HTTP"
)

// clock is how a moment is written.
const clock = "15:04:05.000"

// straggler is how long a packet may be on its way before it is lost.
const straggler = 5 * time.Second

// soakLoads is everything that goes on at a time.
type soakLoads struct {
	stop    context.CancelFunc
	running sync.WaitGroup
	order   []string
	echoes  map[string]*soak.Echoes
	tallies map[string]*soak.Tally
}

// startLoads starts all of them. scraped is called with each page of metrics.
func startLoads(ctx context.Context, scraped func([]byte) error) (*soakLoads, error) {
	ctx, stop := context.WithCancel(ctx)
	l := &soakLoads{stop: stop, echoes: map[string]*soak.Echoes{}, tallies: map[string]*soak.Tally{}}
	v4, v6 := hostAddr.Addr(), raceHost6.Addr()
	none := uint16(0)
	flood := soak.EchoConfig{Burst: 300 * time.Millisecond, Pause: time.Second, Data: 56}
	paced := soak.EchoConfig{Every: 20 * time.Millisecond, Data: 56}
	for i, one := range []struct {
		name string
		to   netip.AddrPort
		cfg  soak.EchoConfig
	}{
		{loadPing4, netip.AddrPortFrom(v4, none), paced},
		{loadPing6, netip.AddrPortFrom(v6, none), paced},
		{"ping flood IPv4", netip.AddrPortFrom(v4, none), flood},
		{"ping flood IPv6", netip.AddrPortFrom(v6, none), flood},
		{loadFragments4, netip.AddrPortFrom(v4, none), soak.EchoConfig{Every: 200 * time.Millisecond, Data: 4000}},
		{loadFragments6, netip.AddrPortFrom(v6, none), soak.EchoConfig{Every: 200 * time.Millisecond, Data: 4000}},
		{loadFIFO, netip.AddrPortFrom(soakAsked.Addr(), none), soak.EchoConfig{Every: 500 * time.Millisecond, Data: 56}},
		{"UDP echo IPv4, 1,000 bytes", netip.AddrPortFrom(v4, echoPort), soak.EchoConfig{Every: 5 * time.Millisecond, Data: 1000}},
		{"UDP echo IPv6, 200 bytes", netip.AddrPortFrom(v6, echoPort), soak.EchoConfig{Every: 5 * time.Millisecond, Data: 200}},
		{"UDP echo IPv4, a flood", netip.AddrPortFrom(v4, echoPort), flood},
	} {
		one.cfg.To, one.cfg.ID = one.to, uint16(1000+i)
		e, err := soak.NewEchoes(one.cfg)
		if err != nil {
			stop()
			l.running.Wait()
			return nil, err
		}
		l.order = append(l.order, one.name)
		l.echoes[one.name] = e
		l.running.Go(func() { e.Run(ctx, straggler) })
	}
	echo4, echo6 := netip.AddrPortFrom(v4, echoPort).String(), netip.AddrPortFrom(v6, echoPort).String()
	l.converse(ctx, "request and response, IPv4", echo4, 64, 1000, 5*time.Millisecond)
	l.converse(ctx, "request and response, IPv6", echo6, 64, 1000, 5*time.Millisecond)
	l.converse(ctx, "1 MiB there and back, IPv4", echo4, 1<<20, 100, 100*time.Millisecond)
	l.converse(ctx, "1 MiB there and back, IPv6", echo6, 1<<20, 100, 100*time.Millisecond)
	l.converse(ctx, "connection made and used", echo4, 16, 1, 10*time.Millisecond)
	l.tally("TCP in, 50 MB/s", func(t *soak.Tally) {
		soak.Pour(ctx, netip.AddrPortFrom(v6, discardPort).String(), 50_000_000, t)
	})
	l.tally("TCP out, 50 MB/s", func(t *soak.Tally) {
		soak.Drain(ctx, netip.AddrPortFrom(v4, chargenPort).String(), 50_000_000, t)
	})
	page := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	l.tally("page over HTTP", func(t *soak.Tally) {
		soak.Fetch(ctx, page, "http://"+v4.String()+"/", 50*time.Millisecond, t, isOK)
	})
	l.tally(loadScrape, func(t *soak.Tally) {
		soak.Fetch(ctx, page, "http://"+soakHTTP+"/metrics", time.Second, t, func(status int, body []byte) error {
			if err := isOK(status, body); err != nil {
				return err
			}
			return scraped(body)
		})
	})
	l.tally(loadHealth, func(t *soak.Tally) {
		soak.Fetch(ctx, page, "http://"+soakHTTP+"/healthz", 100*time.Millisecond, t, isOK)
	})
	if iperf3, err := exec.LookPath("iperf3"); err == nil {
		l.tally("iperf3 --bidir, 300 Mbit/s", func(t *soak.Tally) { iperf(ctx, iperf3, t) })
	}
	return l, nil
}

func isOK(status int, body []byte) error {
	if status != http.StatusOK || len(body) == 0 {
		return fmt.Errorf("status %d, %d bytes", status, len(body))
	}
	return nil
}

// tally starts a load that counts operations.
func (l *soakLoads) tally(name string, do func(*soak.Tally)) {
	t := &soak.Tally{}
	l.order = append(l.order, name)
	l.tallies[name] = t
	l.running.Go(func() { do(t) })
}

func (l *soakLoads) converse(ctx context.Context, name, to string, size, messages int, every time.Duration) {
	l.tally(name, func(t *soak.Tally) { soak.Converse(ctx, to, size, messages, every, t) })
}

// iperf runs iperf3 again and again.
func iperf(ctx context.Context, program string, t *soak.Tally) {
	for ctx.Err() == nil {
		begin := time.Now()
		out, err := exec.CommandContext(ctx, program, "-c", hostAddr.Addr().String(), "--bidir", "-b", "300M", "-t", "4").CombinedOutput()
		if err != nil {
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			err = fmt.Errorf("%w: %s", err, lines[len(lines)-1])
		}
		t.Did(ctx, begin, 0, err)
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// end stops all of them, and waits for what is still on its way.
func (l *soakLoads) end() {
	l.stop()
	l.running.Wait()
}

// account explains what was lost, and adds all of it to the report's loads, which
// have the same order. problems takes some of what could not be explained. Only after
// end, and when all that explains anything is known.
func (l *soakLoads) account(a *soak.Account, all map[string]*report.SoakLoad, problem func(string)) (order []string) {
	for _, name := range l.order {
		r := all[name]
		if r == nil {
			r = &report.SoakLoad{Name: name}
			all[name] = r
		}
		told := false
		explain := func(span soak.Span, packets uint64, err error) {
			r.Lost++
			switch a.Explain(name, span, packets) {
			case soak.ByFault:
				r.ByFault++
				return
			case soak.ByKernel:
				r.ByKernel++
				return
			}
			r.Unexplained++
			if told {
				return
			}
			told = true
			text := fmt.Sprintf("%s: lost from %s to %s", name, span.From.Format(clock), span.To.Format(clock))
			if at := a.At(span); len(at) > 0 {
				text += " (" + strings.Join(at, ", ") + ")"
			}
			if err != nil {
				text += ": " + err.Error()
			}
			problem(text)
		}
		if e := l.echoes[name]; e != nil {
			c := e.Counts()
			r.Sent, r.Answered, r.Late = r.Sent+c.Sent, r.Answered+c.Answered, r.Late+c.Late
			r.Twice, r.Refused = r.Twice+c.Twice, r.Refused+c.Refused
			r.Slowest = max(r.Slowest, c.Slowest.Seconds())
			for _, s := range e.Lost() {
				explain(s, 1, nil)
			}
			continue
		}
		t := l.tallies[name]
		c := t.Counts()
		failures := t.Failures()
		r.Sent, r.Answered = r.Sent+c.Operations+uint64(len(failures)), r.Answered+c.Operations
		r.Bytes += c.Bytes
		r.Slowest = max(r.Slowest, c.Slowest.Seconds())
		for _, f := range failures {
			explain(f.Span, 0, f.Err)
		}
	}
	return l.order
}
