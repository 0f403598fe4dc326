package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackbench/internal/report"
	"netstackd/hooks/trace"
)

const (
	// upMarker is what a host says on standard error when it answers.
	upMarker = "host is up"
	// upPatience is how long it may take until then, with 1,000 addresses too,
	// and downPatience until it has ended.
	upPatience, downPatience = 20 * time.Second, 8 * time.Second
	// logLines is how much of its log is kept.
	logLines = 200
	// The two ends of the kernel's own path.
	vethClient, vethServer = "veth0", "veth1"
)

// The link's addresses: the kernel's side has the first, the host the others.
var (
	subnet     = netip.MustParsePrefix("172.16.0.0/16")
	clientAddr = netip.MustParsePrefix("172.16.0.1/16")
	hostAddr   = netip.MustParsePrefix("172.16.0.2/16")
)

// hostAddrs are the first n addresses of the host.
func hostAddrs(n int) []netip.Prefix {
	all := make([]netip.Prefix, 0, n)
	for a := hostAddr.Addr(); len(all) < n; a = a.Next() {
		all = append(all, netip.PrefixFrom(a, subnet.Bits()))
	}
	return all
}

func netlinkAddr(p netip.Prefix) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
}

// host is a running host. Its methods belong to one goroutine.
type host struct {
	cmd   *exec.Cmd
	trace *traceFile // nil if it writes none
	took  time.Duration
	up    chan struct{} // closed when it is up
	done  chan struct{} // closed when it has ended, err is set before that
	err   error

	mu      sync.Mutex
	log     []string        // guarded by mu; the last lines
	summary json.RawMessage // guarded by mu; of netstackd
}

// startHost starts the host of a path and waits until it is up. It must run on
// the main goroutine, whose thread the host's life is bound to.
func startHost(p *path, addresses []netip.Prefix, traceDir string) (*host, error) {
	h := &host{up: make(chan struct{}), done: make(chan struct{})}
	begin := time.Now()
	err := h.start(p, addresses, traceDir)
	if err == nil {
		select {
		case <-h.up:
			h.took = time.Since(begin)
			return h, nil
		case <-h.done:
			err = h.died()
		case <-time.After(upPatience):
			err = fmt.Errorf("start %s: not up after %v%s", p.Name, upPatience, h.lastWords())
		}
	}
	_, stopErr := h.stop()
	return nil, errors.Join(err, stopErr)
}

func (h *host) start(p *path, addresses []netip.Prefix, traceDir string) error {
	var args []string
	for _, a := range addresses {
		if p.Command != nil {
			args = append(args, "-addr")
		}
		args = append(args, a.String())
	}
	var err error
	if p.Command == nil {
		h.cmd, err = ownProgram(p.Kind, args...)
	} else {
		h.cmd, err = h.daemon(p, args, traceDir)
	}
	if err != nil {
		return err
	}
	stderr, err := h.cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	if p.Kind == report.Kernel {
		err = h.startBehindVeth()
	} else {
		err = h.cmd.Start()
	}
	if err != nil {
		if h.cmd.Process == nil {
			h.cmd = nil
			return fmt.Errorf("start %s: %w", p.Name, err)
		}
		err = fmt.Errorf("start %s: %w", p.Name, err)
	}
	go func() {
		// Wait closes the pipe, so what is in it is read first.
		h.readLog(stderr)
		h.err = h.cmd.Wait()
		close(h.done)
	}()
	return err
}

// daemon is the command of netstackd.
func (h *host) daemon(p *path, args []string, traceDir string) (*exec.Cmd, error) {
	args = append(args, "-services", "echo,discard,chargen", "-connections", "100000", "-log-format", "json")
	if p.Kind == report.Compare {
		var err error
		if h.trace, err = newTraceFile(traceDir); err != nil {
			return nil, err
		}
		args = append(args, "-trace", "compare", "-trace-format", "json", "-trace-out", h.trace.name)
	}
	cmd := exec.Command(p.Command[0], append(args, p.Command[1:]...)...)
	dieWithParent(cmd)
	return cmd, nil
}

// startBehindVeth starts the host in another namespace, and joins the two.
func (h *host) startBehindVeth() error {
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: vethClient}, PeerName: vethServer}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make veth: %w", err)
	}
	h.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	gate, err := h.cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := h.cmd.Start(); err != nil {
		return err
	}
	peer, err := netlink.LinkByName(vethServer)
	if err == nil {
		err = netlink.LinkSetNsPid(peer, h.cmd.Process.Pid)
	}
	if err == nil {
		err = netlink.AddrAdd(pair, netlinkAddr(clientAddr))
	}
	if err == nil {
		client6 := netlinkAddr(raceClient6)
		client6.Flags = unix.IFA_F_NODAD // nobody else is there, and it takes a second
		err = netlink.AddrAdd(pair, client6)
	}
	if err == nil {
		err = netlink.LinkSetUp(pair)
	}
	if err != nil {
		return fmt.Errorf("set veth up: %w", err)
	}
	// The host waits for this before it looks for its interface.
	return gate.Close()
}

// readLog keeps what the host logs, until the pipe ends.
func (h *host) readLog(r io.Reader) {
	in := bufio.NewReader(r)
	var once sync.Once
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			h.mu.Lock()
			h.log = append(h.log[max(0, len(h.log)-logLines+1):], strings.TrimRight(line, "\n"))
			var entry struct{ Summary json.RawMessage }
			if strings.Contains(line, `"summary":`) && json.Unmarshal([]byte(line), &entry) == nil {
				h.summary = entry.Summary
			}
			h.mu.Unlock()
		}
		if strings.Contains(line, upMarker) {
			once.Do(func() { close(h.up) })
		}
		if err != nil {
			return
		}
	}
}

// lastWords are the last lines of the log, to be put behind an error.
func (h *host) lastWords() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.log) == 0 {
		return ""
	}
	return ": " + strings.Join(h.log[max(0, len(h.log)-3):], "; ")
}

// running is an error if the host has ended.
func (h *host) running() error {
	select {
	case <-h.done:
		return h.died()
	default:
		return nil
	}
}

// died says how it ended. Only after done was closed.
func (h *host) died() error {
	if h.err == nil {
		return fmt.Errorf("the host ended with exit status 0%s", h.lastWords())
	}
	return fmt.Errorf("the host died: %w%s", h.err, h.lastWords())
}

// stop ends the host, if it runs, and everything that belongs to it.
func (h *host) stop() (*hostEnd, error) {
	end := &hostEnd{}
	var err error
	if h.cmd != nil && h.cmd.Process != nil {
		err = h.end()
	}
	if pair, lookErr := netlink.LinkByName(vethClient); lookErr == nil {
		// It would go with the other namespace, but some time later.
		if delErr := netlink.LinkDel(pair); !errors.Is(delErr, syscall.ENODEV) {
			err = errors.Join(err, delErr)
		}
	}
	if h.trace != nil {
		err = errors.Join(err, h.trace.remove())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	end.Says = says(h.log)
	if h.summary != nil {
		err = errors.Join(err, end.read(h.summary, h.trace != nil))
	}
	return end, err
}

// end sends SIGTERM and waits.
func (h *host) end() error {
	// It may have ended, which died tells.
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-h.done:
		return nil
	case <-time.After(downPatience):
		_ = h.cmd.Process.Kill()
		<-h.done
		return fmt.Errorf("stop the host: still running %v after SIGTERM", downPatience)
	}
}

// remarksMost is how many different things of a log are kept.
const remarksMost = 2

// says are the last warnings and errors in netstackd's log, and what its answerer
// said on standard error, each once.
func says(log []string) []string {
	var last []string
	for _, line := range log {
		var entry struct{ Level, Msg, Error string }
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue
		}
		if entry.Level != "warning" && entry.Level != "error" && !strings.HasPrefix(entry.Msg, "answerer says: ") {
			continue
		}
		text := entry.Msg
		if entry.Error != "" {
			text += ": " + entry.Error
		}
		last = slices.DeleteFunc(last, func(s string) bool { return s == text })
		last = append(last, text)
	}
	return last[max(0, len(last)-remarksMost):]
}

// read takes what matters here from netstackd's summary.
func (e *hostEnd) read(summary json.RawMessage, traced bool) error {
	var s struct {
		Packets   struct{ In, Out uint64 }
		Checksums struct{ Bad uint64 }
		Compare   struct{ Differ, Missing, Unexpected uint64 }
		TraceLost uint64 `json:"trace_lost"`
		Answerers []trace.Scorecard
	}
	if err := json.Unmarshal(summary, &s); err != nil {
		return fmt.Errorf("read the host's summary: %w", err)
	}
	e.Traced, e.Packets, e.TraceLost = traced, s.Packets.In+s.Packets.Out, s.TraceLost
	e.Answerers = s.Answerers
	for what, n := range map[string]uint64{
		"checksums were bad": s.Checksums.Bad, "replies differed": s.Compare.Differ,
		"replies were missing": s.Compare.Missing, "replies were unexpected": s.Compare.Unexpected,
	} {
		if n > 0 {
			e.Notes = append(e.Notes, fmt.Sprintf("%d %s", n, what))
		}
	}
	return nil
}
