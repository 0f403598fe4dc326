package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// What the demo calls things. The addresses are those of the documentation.
const device = "netstack0"

var (
	prefix4 = netip.MustParsePrefix("172.16.0.2/24")
	prefix6 = netip.MustParsePrefix("fd00:172::2/64")
)

// show is a demo on its way.
type show struct {
	opts    options
	daemon  *daemon
	blocks  []string // what the trace said about the pings
	results []result
}

// demonstrate runs every part and prints the trace of the pings and the table.
// It returns the exit status.
func demonstrate(ctx context.Context, opts options, stdout, stderr io.Writer) int {
	begin := time.Now()
	s := &show{opts: opts}
	s.play(ctx)
	if s.daemon != nil {
		s.daemon.kill()
	}
	s.print(stdout, time.Since(begin))
	if !s.failed() {
		return 0
	}
	if s.daemon != nil {
		fmt.Fprintf(stderr, "\nnetstackd's log:\n%s", s.daemon.log())
	}
	return 1
}

// play runs the parts in order. A part that fails does not stop the others,
// unless they cannot work without it.
func (s *show) play(ctx context.Context) {
	v4, v6 := prefix4.Addr(), prefix6.Addr()
	if !s.part(ctx, "start netstackd", 10*time.Second, s.start) {
		return
	}
	s.part(ctx, "ping over IPv4", 10*time.Second, s.ping(v4))
	s.part(ctx, "ping over IPv6", 10*time.Second, s.ping(v6))
	s.part(ctx, "pings in the trace", 5*time.Second, s.readTrace)
	for _, network := range []string{"tcp", "udp"} {
		for _, addr := range []netip.Addr{v4, v6} {
			name := fmt.Sprintf("%s echo over %s", strings.ToUpper(network), familyName(addr))
			s.part(ctx, name, 5*time.Second, func(ctx context.Context) (string, error) {
				took, err := echoOnce(ctx, network, addr)
				return "1,000 bytes there and back in " + milliseconds(took), err
			})
		}
	}
	s.part(ctx, fmt.Sprintf("%d MiB over TCP", s.opts.mebibytes), 40*time.Second, s.transfer)
	s.part(ctx, "HTTP page", 5*time.Second, func(ctx context.Context) (string, error) {
		size, err := fetch(ctx, v4)
		return fmt.Sprintf("%d bytes", size), err
	})
	s.part(ctx, "stop netstackd", 10*time.Second, s.stop)
}

// part runs one part under its own limit and notes the result.
func (s *show) part(ctx context.Context, name string, limit time.Duration, run func(context.Context) (string, error)) bool {
	if err := context.Cause(ctx); err != nil {
		s.results = append(s.results, result{what: name, err: fmt.Errorf("not run: %w", err)})
		return false
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("took longer than %v", limit))
	defer cancel()
	figure, err := run(ctx)
	s.results = append(s.results, result{what: name, figure: figure, err: err})
	return err == nil
}

// start starts the daemon with its trace on a pipe.
func (s *show) start(ctx context.Context) (string, error) {
	begin := time.Now()
	var err error
	s.daemon, err = startDaemon(ctx, s.opts.daemon,
		"-addr", prefix4.String(), "-addr", prefix6.String(), "-tun", device,
		"-trace", "compare", "-trace-format", "text", "-trace-out", "-")
	return "ready after " + milliseconds(time.Since(begin)), err
}

// ping returns the part that pings one address.
func (s *show) ping(to netip.Addr) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		times, err := ping(ctx, to, s.opts.pings)
		if err != nil {
			return "", err
		}
		var sum time.Duration
		for _, rtt := range times {
			sum += rtt
		}
		return fmt.Sprintf("%d of %d answered, round trip min %s avg %s max %s", len(times), s.opts.pings,
			milliseconds(slices.Min(times)), milliseconds(sum/time.Duration(len(times))), milliseconds(slices.Max(times))), nil
	}
}

// readTrace collects what the trace says about the pings, and wants each reply
// judged to match the one computed by hand.
func (s *show) readTrace(ctx context.Context) (string, error) {
	blocks, err := s.daemon.trace.finish(ctx)
	if err != nil {
		return "", err
	}
	s.blocks = blocks
	matches := 0
	for _, block := range blocks {
		if isMatch(block) {
			matches++
		}
	}
	if want := 2 * s.opts.pings; matches != want {
		return "", fmt.Errorf("%d replies of %d match the one computed by hand", matches, want)
	}
	return fmt.Sprintf("%d replies, each as computed by hand", matches), nil
}

// transfer is the part that moves many bytes.
func (s *show) transfer(ctx context.Context) (string, error) {
	size := int64(s.opts.mebibytes) << 20
	took, err := transfer(ctx, prefix4.Addr(), size)
	if err != nil {
		return "", err
	}
	rate := float64(size) * 8 / took.Seconds() / 1e9
	return fmt.Sprintf("%.2f Gbit/s each way at once, SHA-256 equal", rate), nil
}

// stop ends the daemon and looks whether it cleaned up.
func (s *show) stop(ctx context.Context) (string, error) {
	begin := time.Now()
	if err := s.daemon.stop(ctx); err != nil {
		return "", err
	}
	took := time.Since(begin)
	if _, err := net.InterfaceByName(device); err == nil {
		return "", errors.New("the device " + device + " is still there")
	}
	return "exit status 0 after " + milliseconds(took) + ", device gone", nil
}
