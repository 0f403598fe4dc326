package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackconform/internal/suite"
)

const (
	// Device is the name of a host's device.
	Device = "conform0"
	// upMarker is what the daemon says when it answers.
	upMarker = "host is up"
	// upPatience is how long it may take until then, and downPatience until it
	// has ended.
	upPatience, downPatience = 30 * time.Second, 8 * time.Second
	// logLines is how much of its log is kept.
	logLines = 200
)

// A Daemon is the netstackd binary, as a host.
type Daemon struct {
	// Output gets what it writes to standard output, and Logged each line of its
	// log, in order, from one goroutine; either may be nil. They are set before
	// Start.
	Output *os.File
	Logged func(line string)

	name, binary string
	flags        []string

	inside bool
	cmd    *exec.Cmd
	up     chan struct{} // closed when it is up
	done   chan struct{} // closed when it has ended; err is set before
	err    error
	socket *packetSocket

	mu  sync.Mutex
	log []string // guarded by mu; the last lines
}

var _ suite.Offloader = (*Daemon)(nil)

// NewDaemon returns the host of that name: a binary with flags behind those that
// every daemon gets. A binary that does not know the flags is skipped.
func NewDaemon(name, binary string, flags ...string) *Daemon {
	return &Daemon{name: name, binary: binary, flags: flags}
}

// Name implements suite.Host.
func (d *Daemon) Name() string { return d.name }

// Enter takes the calling thread, to which its goroutine must be bound for good, into
// the daemon's network namespace, a new one in which the kernel is quiet. Start does
// so if it has not been done.
func (d *Daemon) Enter() error {
	if d.inside {
		return nil
	}
	err := d.knowsFlags()
	if err == nil {
		err = leave()
	}
	if err == nil {
		err = set(quiet)
	}
	d.inside = err == nil
	return err
}

// Start implements suite.Host.
func (d *Daemon) Start(sink func([]byte)) error {
	if err := d.Enter(); err != nil {
		return err
	}
	if err := d.launch(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", d.name, err), d.Stop())
	}
	i, err := net.InterfaceByName(Device)
	if err == nil {
		d.socket, err = openPackets(i.Index, sink)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", d.name, err), d.Stop())
	}
	return nil
}

// versionPatience is how long a binary may take to tell its version.
const versionPatience = 30 * time.Second

// Version returns what a binary says of its version, given the flags.
func Version(binary string, flags ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), versionPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append(slices.Clone(flags), "-version")...)
	cmd.WaitDelay = versionPatience
	return cmd.CombinedOutput()
}

// knowsFlags asks the binary whether it takes the flags.
func (d *Daemon) knowsFlags() error {
	out, err := Version(d.binary, d.flags...)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 2 {
		line, _, _ := strings.Cut(string(out), "\n")
		return fmt.Errorf("%w: %s does not know %s: %s", suite.ErrSkip, d.binary, strings.Join(d.flags, " "), line)
	}
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", d.binary, err)
	}
	return nil
}

// launch starts the process and waits until it is up. Its life is bound to the
// calling thread's.
func (d *Daemon) launch() error {
	args := append([]string{
		"-addr", suite.Prefix4.String(), "-addr", suite.Prefix6.String(), "-host", suite.Near4, "-host", suite.Near6,
		"-tun", Device, "-services", "echo,discard,http",
	}, d.flags...)
	d.cmd = exec.Command(d.binary, args...)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	d.up, d.done, d.err, d.log = make(chan struct{}), make(chan struct{}), nil, nil
	if d.Output != nil {
		d.cmd.Stdout = d.Output
	}
	stderr, err := d.cmd.StderrPipe()
	if err == nil {
		err = d.cmd.Start()
	}
	if err != nil {
		d.cmd = nil
		return err
	}
	go func() {
		// Wait closes the pipe, so what is in it is read first.
		d.readLog(stderr)
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	select {
	case <-d.up:
		return nil
	case <-d.done:
		return d.Died()
	case <-time.After(upPatience):
		return fmt.Errorf("not up after %v%s", upPatience, d.lastWords())
	}
}

// readLog keeps what the daemon logs, until the pipe ends.
func (d *Daemon) readLog(r io.Reader) {
	in := bufio.NewReader(r)
	up := false
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			if d.Logged != nil {
				d.Logged(strings.TrimSpace(line))
			}
			d.mu.Lock()
			// What it died of comes first, and then many stacks.
			if len(d.log) < logLines {
				d.log = append(d.log, strings.TrimSpace(line))
			}
			d.mu.Unlock()
		}
		if !up && strings.Contains(line, upMarker) {
			up = true
			close(d.up)
		}
		if err != nil {
			return
		}
	}
}

// crashes are how the line begins that says what a Go program died of, before
// its stacks.
var crashes = []string{"panic: ", "fatal error: ", "runtime/cgo: ", "runtime: ", "SIG"}

// lastWords is what it died of, to be put behind an error: how it crashed, or
// else the last line of its log.
func (d *Daemon) lastWords() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.log) == 0 {
		return ""
	}
	for _, line := range d.log {
		if slices.ContainsFunc(crashes, func(c string) bool { return strings.HasPrefix(line, c) }) {
			return ": " + line
		}
	}
	return ": " + d.log[len(d.log)-1]
}

// Send implements suite.Host.
func (d *Daemon) Send(packet []byte) error { return d.socket.send(packet, offload{}) }

// SendUnfinished implements suite.Offloader. Where the daemon takes no such
// packets the kernel finishes them.
func (d *Daemon) SendUnfinished(packet []byte, segment int) error {
	return d.socket.send(packet, unfinished(packet, segment))
}

// SendFrame gives the host a packet behind its struct virtio_net_hdr (virtio 1.2
// §5.1.6), as they are. The error is the kernel's own, at once: it takes no header
// that does not fit, and drops what its queue has no room for.
func (d *Daemon) SendFrame(frame []byte) error { return d.socket.sendFrame(frame) }

// PID is that of the process.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// Wait implements suite.Host.
func (d *Daemon) Wait(t time.Duration) { time.Sleep(t) }

// Died implements suite.Host.
func (d *Daemon) Died() error {
	select {
	case <-d.done:
	default:
		return nil
	}
	if d.err == nil {
		return fmt.Errorf("it ended with exit status 0%s", d.lastWords())
	}
	return fmt.Errorf("it died: %w%s", d.err, d.lastWords())
}

// Exit says how it ended, to be asked after Stop: nil is with exit status 0.
func (d *Daemon) Exit() error { return d.err }

// Stop implements suite.Host. What the daemon says to it is of no interest.
func (d *Daemon) Stop() error {
	var err error
	if d.cmd != nil {
		_ = d.cmd.Process.Signal(unix.SIGTERM) // it may have ended
		select {
		case <-d.done:
		case <-time.After(downPatience):
			_ = d.cmd.Process.Kill()
			<-d.done
			err = fmt.Errorf("stop %s: still running %v after SIGTERM", d.name, downPatience)
		}
		d.cmd = nil
	}
	if d.socket != nil {
		err = errors.Join(err, d.socket.close())
		d.socket = nil
	}
	return err
}
