package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"

	"netstackd/cmd/netstackbench/internal/load"
	"netstackd/cmd/netstackbench/internal/report"
	"netstackd/cmd/netstackbench/internal/serve"
)

// roleWorker is the load generator; the other roles are the kinds of path that
// run no binary.
const roleWorker = "worker"

// play is main of every process but the outer one.
func play(role string, args []string) error {
	switch role {
	case roleWorker:
		return workerMain()
	case roleHolder:
		return holderMain()
	case roleAgent:
		return agentMain(args)
	case roleSoak:
		return soakMain(args)
	}
	if role == report.Kernel {
		// Its interface comes when the other side closes the pipe.
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			return fmt.Errorf("wait for the interface: %w", err)
		}
	}
	var addresses []netip.Prefix
	for _, arg := range args {
		p, err := netip.ParsePrefix(arg)
		if err != nil {
			return fmt.Errorf("read addresses: %w", err)
		}
		addresses = append(addresses, p)
	}
	ready := func() { fmt.Fprintln(os.Stderr, upMarker) }
	log := logrus.New()
	log.SetLevel(logrus.WarnLevel)
	over := serve.FDBased
	switch role {
	case report.Kernel:
		runtime.GOMAXPROCS(threads)
		return serve.Kernel(vethServer, addresses, ready)
	case report.Minimal:
		return serve.Minimal(clientAddr, ready)
	case report.WireGuard:
		over = serve.WireGuard
	case report.FDBased:
	default:
		return fmt.Errorf("no such role: unset %s", roleVariable)
	}
	signals, stop := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		close(stop)
	}()
	return serve.Netstack(over, clientAddr, addresses, log, ready, stop)
}

// threads is how many threads of the worker and of the kernel's host may be
// running at once. They sit in blocking calls: with one more than there are
// calls, none of them has to be handed over to make room.
const threads = 32

func workerMain() error {
	if err := enter(); err != nil {
		return err
	}
	// What the worker starts runs as if it had been started from a shell.
	if err := os.Unsetenv(roleVariable); err != nil {
		return err
	}
	runtime.GOMAXPROCS(threads)
	raiseFileLimit()
	w := &worker{}
	err := answer(os.Stdin, os.Stdout, w.handle)
	_, stopErr := w.stop()
	return errors.Join(err, stopErr)
}

// manyFiles is enough for the connections of any work.
const manyFiles = 200_000

// raiseFileLimit lets this process and the hosts it starts have manyFiles open,
// or as many as the system permits: a work that needs more says so.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	hard := limit.Max
	limit.Cur, limit.Max = manyFiles, max(manyFiles, hard)
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		limit.Cur, limit.Max = hard, hard
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}

// worker is one path: it starts the host, loads it and weighs it.
type worker struct {
	path     path
	traceDir string
	host     *host // nil if none runs
	beside   *companion
	pingers  map[netip.Addr]*load.Pinger
	last     netip.Addr
	sources  []netip.Addr
	holders  holders
}

// handle does what is asked, on the main goroutine.
func (w *worker) handle(r request) (answer reply) {
	var err error
	switch r.Do {
	case doOpen:
		w.path, w.traceDir = *r.Path, r.TraceDir
	case doStart:
		w.last = r.Addresses[len(r.Addresses)-1].Addr()
		w.host, err = startHost(&w.path, r.Addresses, w.traceDir)
		if err == nil && w.path.Client != nil {
			if w.beside, err = startCompanion(w.path.Client); err != nil {
				_, stopErr := w.stop()
				err = errors.Join(err, stopErr)
			}
		}
	case doRun:
		answer.Round, err = w.run(find(r.Work), load.Window{Warm: r.Warm, Length: r.Length})
	case doPing:
		answer.Pongs, err = w.ping(r.Pings)
	case doStop:
		answer.End, err = w.stop()
	default:
		err = fmt.Errorf("no such request: %q", r.Do)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	return answer
}

// stop stops the host, if one runs, and what is beside it.
func (w *worker) stop() (*hostEnd, error) {
	for _, p := range w.pingers {
		_ = p.Close() // nothing is written to it any more
	}
	w.pingers = nil
	if w.beside != nil {
		w.beside.stop()
		w.beside = nil
	}
	if w.host == nil {
		return nil, nil
	}
	end, err := w.host.stop()
	w.host, w.sources = nil, nil
	return end, err
}

// find is the work of that name, which the outer process knows as well.
func find(name string) *work {
	for _, w := range catalogue() {
		if w.name == name {
			return w
		}
	}
	return &work{do: func(*site, load.Window) (outcome, error) { return outcome{}, fmt.Errorf("no such work: %q", name) }}
}

// settle is how long what a work leaves behind may take to be over, before the
// next path is measured.
const settle = 30 * time.Millisecond

// run does one round of a work.
func (w *worker) run(what *work, window load.Window) (*round, error) {
	if w.host == nil {
		return nil, errors.New("no host runs")
	}
	if err := w.host.running(); err != nil {
		return nil, err
	}
	pid := w.host.cmd.Process.Pid
	m := meter{pid: pid, helpers: func() []*holder { return w.holders }}
	window.Mark = m.mark
	stop := make(chan struct{})
	if w.host.trace != nil {
		go w.host.trace.watch(stop)
	}
	forgetPeak(pid)
	runtime.GC() // not in the middle of it
	done, err := what.do(w.site(), window)
	close(stop)
	r := &round{Outcome: done}
	if err == nil {
		r.Resident, r.Peak, err = memory(pid)
	}
	if err == nil {
		r.Server, r.Total, err = m.spent()
	}
	time.Sleep(settle)
	if w.host.trace != nil {
		err = errors.Join(err, w.host.trace.cut())
	}
	if err == nil {
		return r, nil
	}
	// Why it failed is rather that the host is no more.
	select {
	case <-w.host.done:
		return nil, w.host.died()
	case <-time.After(settle):
		return nil, err
	}
}

// site is where works are done.
func (w *worker) site() *site {
	return &site{
		host:    hostAddr.Addr(),
		last:    w.last,
		started: w.host.took,
		resident: func() (uint64, error) {
			now, _, err := memory(w.host.cmd.Process.Pid)
			return now, err
		},
		sources: w.addSources,
		hold:    w.holders.hold,
	}
}

// addSources gives the kernel's side of the link as many addresses, the last of
// the subnet, beside its first.
func (w *worker) addSources(n int) ([]netip.Addr, error) {
	if len(w.sources) >= n {
		return w.sources[:n], nil
	}
	routes, err := netlink.RouteGet(hostAddr.Addr().AsSlice())
	if err != nil || len(routes) == 0 {
		return nil, fmt.Errorf("find the link: %w", err)
	}
	l := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: routes[0].LinkIndex}}
	for len(w.sources) < n {
		a := netip.AddrFrom4([4]byte{172, 16, 255, byte(1 + len(w.sources))})
		if err := netlink.AddrAdd(l, netlinkAddr(netip.PrefixFrom(a, subnet.Bits()))); err != nil {
			return nil, fmt.Errorf("add address %v: %w", a, err)
		}
		w.sources = append(w.sources, a)
	}
	return w.sources, nil
}

// meter reads the CPU clocks at both ends of a window.
type meter struct {
	pid int
	// helpers are the processes whose time counts as the load generator's.
	helpers func() []*holder
	reads   []struct{ server, own time.Duration }
	err     error
}

func (m *meter) mark() {
	server, err := processTime(m.pid)
	own, errOwn := ownTime()
	for _, h := range m.helpers() {
		if t, err := processTime(h.cmd.Process.Pid); err == nil {
			own += t
		}
	}
	m.reads = append(m.reads, struct{ server, own time.Duration }{server, own})
	m.err = errors.Join(m.err, err, errOwn)
}

// spent are the CPU seconds of the host, and of both.
func (m *meter) spent() (server, total float64, err error) {
	if m.err != nil {
		return 0, 0, m.err
	}
	if len(m.reads) != 2 {
		return 0, 0, fmt.Errorf("a work marked its window %d times, not twice", len(m.reads))
	}
	server = (m.reads[1].server - m.reads[0].server).Seconds()
	return server, server + (m.reads[1].own - m.reads[0].own).Seconds(), nil
}
