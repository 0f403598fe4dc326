package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackbench/internal/report"
	"netstackd/cmd/netstackbench/internal/soak"
)

// faultKind is one kind of fault.
type faultKind struct {
	told report.SoakFault
	// heals are the loads that have to be answered before all is well, beside two
	// pings.
	heals []string
	// do makes it once. The amount is of what the kind's unit says.
	do func(ctx context.Context) (amount uint64, err error)
}

// Sizes of floods and storms.
const (
	soakSYNs, soakFragments, soakHangups = 20_000, 20_000, 200
	slowClients                          = 200
)

// kinds are all the faults there are.
func (s *soaker) kinds() []*faultKind {
	kind := func(name, unit string, costs []string, do func(context.Context) (uint64, error), heals ...string) *faultKind {
		return &faultKind{told: report.SoakFault{Name: name, Unit: unit, Costs: costs}, do: do, heals: heals}
	}
	return []*faultKind{
		// What takes longest to be over comes first: a connection half open takes two
		// minutes.
		kind("SYN flood", "SYNs", nil, s.floodSYNs),
		kind("fragment flood", "fragments", []string{loadFragments4, loadFragments6}, s.floodFragments),
		kind("device down and up", "ms down", []string{soak.Everything}, s.downAndUp),
		kind("MTU changes", "changes", nil, s.changeMTU),
		kind("disk full for the capture", "packets not captured", nil, s.fillDisk),
		kind("reader of the trace dies", "lines lost", nil, s.killReader),
		kind("client at the FIFOs dies", "deaths", []string{loadFIFO}, s.killClient, loadFIFO),
		kind("SIGHUP storm", "signals", nil, s.hangUp),
		kind("frozen: its clocks leap ahead", "ms frozen", nil, s.freeze),
		kind("idle connections", "connections", nil, s.idle),
		// Who has only just come may have to make room for them.
		kind("slow clients of its HTTP", "clients", []string{loadScrape, loadHealth}, s.slowClients),
	}
}

// omitted are faults that are not made.
func omitted() []string {
	return []string{"steps of CLOCK_REALTIME: Linux has no namespace of it (time namespaces have CLOCK_MONOTONIC and CLOCK_BOOTTIME, " +
		"set once), a static binary takes no LD_PRELOAD, and the machine's own clock is not the test's to set; " +
		"frozen for a while, netstackd finds its clocks ahead"}
}

// between is a random time.
func (s *soaker) between(from, to time.Duration) time.Duration {
	return from + time.Duration(s.random.Int64N(int64(to-from)))
}

// downAndUp takes the device down, and brings it up as its operator would.
func (s *soaker) downAndUp(ctx context.Context) (uint64, error) {
	l, err := netlink.LinkByName(soakDevice)
	if err == nil {
		err = netlink.LinkSetDown(l)
	}
	if err != nil {
		return 0, fmt.Errorf("take the device down: %w", err)
	}
	begin := time.Now()
	noticed := until(ctx, wellPatience, func() bool {
		status, body, err := soak.Get(ctx, s.http, "http://"+soakHTTP+"/readyz")
		return err == nil && status == http.StatusServiceUnavailable && strings.Contains(string(body), "down")
	})
	waited := wait(ctx, s.between(0, time.Second))
	err = netlink.LinkSetUp(l)
	down := time.Since(begin)
	if err == nil {
		// The kernel has forgotten it: addrconf_ifdown.
		a := netlinkAddr(raceClient6)
		a.Flags = unix.IFA_F_NODAD
		if err = netlink.AddrAdd(l, a); errors.Is(err, unix.EEXIST) {
			err = nil
		}
	}
	if err != nil {
		err = fmt.Errorf("bring the device up: %w", err)
	}
	if noticed != nil {
		noticed = fmt.Errorf("/readyz does not say that the device is down: %w", noticed)
	}
	return uint64(down.Milliseconds()), errors.Join(noticed, waited, err)
}

// changeMTU changes the device's MTU some times, and back.
func (s *soaker) changeMTU(ctx context.Context) (uint64, error) {
	l, err := netlink.LinkByName(soakDevice)
	if err != nil {
		return 0, err
	}
	sizes := []int{1280, 1281 + s.random.IntN(8000), 9000, 65520, 1500}
	for i, mtu := range sizes {
		if err := netlink.LinkSetMTU(l, mtu); err != nil {
			return uint64(i), fmt.Errorf("set MTU to %d: %w", mtu, err)
		}
		if err := wait(ctx, s.between(50*time.Millisecond, 400*time.Millisecond)); err != nil {
			return uint64(i), err
		}
	}
	return uint64(len(sizes)), nil
}

// counter reads one of netstackd's counters.
func (s *soaker) counter(ctx context.Context, name string) (uint64, error) {
	status, page, err := soak.Get(ctx, s.http, "http://"+soakHTTP+"/metrics")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("scrape: status %d", status)
	}
	if err != nil {
		return 0, err
	}
	n, err := metric(page, name)
	return uint64(n), err
}

// What netstackd counts that a fault is to show.
const (
	lostOfCapture = `netstackd_trace_events_lost_total{output="capture"}`
	lostOfTrace   = `netstackd_trace_events_lost_total{output="trace"}`
	endedAsIdle   = `netstackd_service_drops_total{reason="service-idle"}`
)

// fillDisk leaves no room for the capture for a while.
func (s *soaker) fillDisk(ctx context.Context) (uint64, error) {
	before, err := s.counter(ctx, lostOfCapture)
	if err != nil {
		return 0, err
	}
	if err := s.disk.fill(); err != nil {
		return 0, err
	}
	var now uint64
	noticed := until(ctx, wellPatience, func() bool {
		now, err = s.counter(ctx, lostOfCapture)
		return err == nil && now > before
	})
	waited := wait(ctx, s.between(0, time.Second))
	freed := s.disk.free()
	if noticed != nil {
		noticed = fmt.Errorf("netstackd does not say that its capture has no room: %w", noticed)
	}
	if err := errors.Join(noticed, waited, freed, err); err != nil {
		return now - before, err
	}
	written := s.disk.written.Load()
	if err := until(ctx, wellPatience, func() bool { return s.disk.written.Load() > written }); err != nil {
		return now - before, fmt.Errorf("the capture does not go on when there is room: %w", err)
	}
	now, err = s.counter(ctx, lostOfCapture)
	return now - before, err
}

// killReader has the reader of the trace die, and another come.
func (s *soaker) killReader(ctx context.Context) (uint64, error) {
	before, err := s.counter(ctx, lostOfTrace)
	if err != nil {
		return 0, err
	}
	away := s.between(200*time.Millisecond, 1500*time.Millisecond)
	select {
	case s.trace.die <- away:
	case <-time.After(wellPatience):
		return 0, errors.New("there is nothing to read in the trace")
	}
	if err := wait(ctx, away); err != nil {
		return 0, err
	}
	lines := s.trace.lines.Load()
	if err := until(ctx, wellPatience, func() bool { return s.trace.lines.Load() > lines }); err != nil {
		return 0, fmt.Errorf("the trace does not go on when it is read again: %w", err)
	}
	now, err := s.counter(ctx, lostOfTrace)
	if err == nil && now == before {
		err = errors.New("netstackd says that nothing of its trace is lost while nobody reads it")
	}
	return now - before, err
}

// killClient kills who answers at the FIFOs, has others ask and die, and starts
// another.
func (s *soaker) killClient(ctx context.Context) (uint64, error) {
	if err := wait(ctx, s.between(0, time.Second)); err != nil {
		return 0, err
	}
	s.beside.stop()
	deaths := uint64(1)
	for _, line := range []string{"READ\n", "WRITE 4500", "nonsense\n"} {
		if err := s.ask(ctx, line); err != nil {
			return deaths, errors.Join(err, s.startAnswerer())
		}
		deaths++
		if err := wait(ctx, s.between(0, 200*time.Millisecond)); err != nil {
			return deaths, errors.Join(err, s.startAnswerer())
		}
	}
	return deaths, s.startAnswerer()
}

// ask writes a line to the FIFO for commands, and does not wait for an answer.
func (s *soaker) ask(ctx context.Context, line string) error {
	var failed error
	err := until(ctx, wellPatience, func() bool {
		// Between two commands netstackd opens it anew.
		f, err := os.OpenFile(filepath.Join(s.opts.Dir, "tun_cmd"), os.O_WRONLY|unix.O_NONBLOCK, 0)
		if errors.Is(err, unix.ENXIO) {
			return false
		}
		if failed = err; err == nil {
			_, failed = f.WriteString(line)
			f.Close()
		}
		return true
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("write to tun_cmd: %w", err)
	}
	return nil
}

// hangUp changes the configuration and says so, again and again.
func (s *soaker) hangUp(ctx context.Context) (uint64, error) {
	sent := uint64(0)
	for i := range soakHangups {
		more := ""
		switch i % 10 {
		case 3:
			more = "filter: icmp or tcp port 7\ntrace-sample: 1/7\n"
		case 5:
			more = "connections-per-source: 200000\nmemory-limit: 900MiB\n"
		case 7:
			more = "teleport: on\n" // refused
		}
		if err := s.daemon.configure(more); err != nil {
			return sent, err
		}
		if err := s.daemon.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			return sent, fmt.Errorf("send SIGHUP: %w", err)
		}
		sent++
		if err := wait(ctx, s.between(0, 10*time.Millisecond)); err != nil {
			return sent, err
		}
	}
	if err := s.daemon.configure(""); err != nil {
		return sent, err
	}
	// All that were sent may be one that has been read: two more have it read
	// whole, the second of them after the first.
	for range 2 {
		reads := s.daemon.reads()
		if err := s.daemon.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			return sent, fmt.Errorf("send SIGHUP: %w", err)
		}
		sent++
		if err := until(ctx, wellPatience, func() bool { return s.daemon.reads() > reads }); err != nil {
			return sent, fmt.Errorf("the configuration is not read again: %w", err)
		}
	}
	return sent, nil
}

// freeze stops the process for a while: when it goes on, it finds its clocks ahead.
func (s *soaker) freeze(ctx context.Context) (uint64, error) {
	if err := s.daemon.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return 0, fmt.Errorf("send SIGSTOP: %w", err)
	}
	begin := time.Now()
	err := wait(ctx, s.between(200*time.Millisecond, 2500*time.Millisecond))
	frozen := time.Since(begin)
	if contErr := s.daemon.cmd.Process.Signal(syscall.SIGCONT); contErr != nil {
		err = errors.Join(err, fmt.Errorf("send SIGCONT: %w", contErr))
	}
	return uint64(frozen.Milliseconds()), err
}

// idle holds connections for a while, each of which has been used once.
func (s *soaker) idle(ctx context.Context) (uint64, error) {
	l, err := netlink.LinkByName(soakDevice)
	if err != nil {
		return 0, err
	}
	sources, err := addSoakSources(l)
	if err != nil {
		return 0, err
	}
	// Until the first was idle for too long there is no such counter, and it is 0.
	before, _ := s.counter(ctx, endedAsIdle)
	held, release, err := s.holders.hold(netip.AddrPortFrom(hostAddr.Addr(), echoPort), sources, s.opts.Idle)
	defer release()
	waited := wait(ctx, s.between(500*time.Millisecond, 3*time.Second))
	if err == nil && held.Held < s.opts.Idle {
		// On a busy machine the first of them are idle for too long before the last
		// are there.
		now, _ := s.counter(ctx, endedAsIdle)
		if idle := now - before; uint64(held.Held)+idle < uint64(s.opts.Idle) {
			err = fmt.Errorf("%d of %d connections, %d ended as idle: %s", held.Held, s.opts.Idle, idle, held.Why)
		}
	}
	return uint64(held.Held), errors.Join(err, waited)
}

func (s *soaker) floodSYNs(ctx context.Context) (uint64, error) {
	n, err := soak.Flood(ctx, hostAddr.Addr(), soakSYNs, soak.SYNs(netip.AddrPortFrom(hostAddr.Addr(), echoPort), s.random))
	return uint64(n), err
}

func (s *soaker) floodFragments(ctx context.Context) (uint64, error) {
	n, err := soak.Flood(ctx, hostAddr.Addr(), soakFragments/2, soak.Fragments(clientAddr.Addr(), hostAddr.Addr(), s.random))
	m, err6 := soak.Flood(ctx, raceHost6.Addr(), soakFragments/2, soak.Fragments(raceClient6.Addr(), raceHost6.Addr(), s.random))
	return uint64(n + m), errors.Join(err, err6)
}

// slowClients has clients of netstackd's own HTTP server begin a request and say no
// more.
func (s *soaker) slowClients(ctx context.Context) (uint64, error) {
	var all []net.Conn
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for range slowClients {
		c, err := net.DialTimeout("tcp", soakHTTP, wellPatience)
		if err != nil {
			return uint64(len(all)), err
		}
		all = append(all, c)
		// It may be turned away at once.
		_, _ = c.Write([]byte("GET /metrics HTTP/1.1\r\nHost:"))
	}
	return uint64(len(all)), wait(ctx, s.between(500*time.Millisecond, 2*time.Second))
}
