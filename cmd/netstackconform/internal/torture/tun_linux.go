package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackconform/internal/host"
	"netstackd/cmd/netstackconform/internal/hostile"
	"netstackd/hooks/compare"
	"netstackd/hooks/trace"
	"netstackd/link"
)

const (
	// pingsTUN is how many packets go between two pings there, and mostUnread how many
	// pings the capture may be behind: its ring holds more events than those make.
	pingsTUN   = 1_000
	mostUnread = 4
	// mostQueued is how many packets may wait in the device's queue, of the 500 for
	// which it has room, and paceEvery how many are sent before it is looked at again.
	mostQueued, paceEvery = 256, 64
	// readPatience is how long the capture may take to be read when the daemon has
	// ended.
	readPatience = 30 * time.Second
)

// A tunHost is a netstackd behind a TUN device, and what is known of it.
type tunHost struct {
	daemon *host.Daemon
	web    *web
	feed   *feed
	judge  *Judge
	read   *captured
	kernel *kernel

	// headers says that the device has virtio-net headers.
	headers bool
	// sent counts the packets that the kernel took, or dropped for want of room.
	sent uint64
	// extra is how many packets the link may make of the super-datagrams sent, beyond
	// one each.
	extra uint64
	// twice counts the packets that the kernel has counted as dropped once too often.
	twice uint64
	// refused counts those that the kernel did not take, by its error.
	refused map[string]uint64

	mu sync.Mutex
	// summary is what the daemon said at its end, and complaints are the lines of its
	// log that it must not say. Guarded by mu.
	summary    *trace.Summary
	complaints []string
}

// mostComplaints is how many are kept.
const mostComplaints = 20

// RunTUN sends packets through a real TUN device to the netstackd binary, in a network
// namespace of its own. What the binary compares it tells by a capture, of which
// the same judge judges. The outcome is there with an error, too, unless that is that
// it could not begin.
func RunTUN(ctx context.Context, c Config, binary string) (*Outcome, error) {
	o := c.outcome()
	o.Name = "a TUN, " + o.Name
	var began bool
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// For good: the thread is in the host's namespace, and is thrown away with
		// its goroutine.
		runtime.LockOSThread()
		began, err = runTUN(ctx, c, binary, o)
	}()
	<-ended
	if !began {
		return nil, err
	}
	return o, err
}

// runTUN is RunTUN on a thread of its own, and reports whether it has begun.
func runTUN(ctx context.Context, c Config, binary string, o *Outcome) (began bool, err error) {
	dir, err := os.MkdirTemp("", "torture")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t := &tunHost{judge: NewJudge(), headers: c.Offload, refused: map[string]uint64{}, web: newWeb(filepath.Join(dir, "http"))}
	t.feed = newFeed(t.send)
	t.feed.stretch = pingsTUN
	t.read = newCaptured(t.judge)
	if err := t.start(c, binary); err != nil {
		return false, errors.Join(err, t.kernelClose())
	}
	err = t.torture(ctx, c, o)
	died := t.daemon.Died()
	err = errors.Join(err, t.daemon.Stop(), t.read.wait(readPatience))
	if exit := t.daemon.Exit(); died == nil && exit != nil {
		died = fmt.Errorf("at its end: %w", exit)
	}
	t.judge.tell(o)
	t.tell(o)
	switch {
	case died != nil:
		o.wrong("%v", died)
	case err == nil:
		rest := t.kernel.atRest
		o.Kernel = &Kernel{Refused: t.refused, Own: rest.own, Twice: t.twice, Passed: rest.Passed, Dropped: rest.Dropped}
		var own uint64
		if own, err = t.kernel.own(); err == nil {
			o.accountForKernel(t.sent, t.extra, own-rest.own)
		}
		if more := o.grown(); more != "" {
			o.wrong("%s, %v later", more, o.Settled.Round(time.Second))
		}
	}
	return true, errors.Join(err, t.kernelClose())
}

// torture sends the packets, and sees how the daemon is after them.
func (t *tunHost) torture(ctx context.Context, c Config, o *Outcome) error {
	var sample func() (Sample, error)
	if c.Settle > 0 {
		sample = t.sample
	}
	if err := t.feed.feed(ctx, c, o, sample); err != nil {
		return err
	}
	if err := converse(); err != nil {
		return err
	}
	if c.Settle > 0 {
		if err := t.settle(ctx, c.Settle, o); err != nil {
			return err
		}
	}
	// What was sent before them has been taken.
	if err := t.feed.look(ctx, o, nil); err != nil {
		return err
	}
	return t.kernel.rest()
}

// kernelClose closes what looks at the kernel, if it was opened.
func (t *tunHost) kernelClose() error {
	if t.kernel == nil {
		return nil
	}
	return t.kernel.close()
}

// start starts the daemon, in a namespace that the calling thread enters.
func (t *tunHost) start(c Config, binary string) error {
	offload, size := "off", mostMTU
	if c.Offload {
		offload, size = "on", mtu
	}
	t.daemon = host.NewDaemon("netstackd", binary,
		"-guard", c.Guard, "-offload", offload, "-mtu", fmt.Sprint(size), "-services", "all", "-idle-timeout", idle.String(),
		"-on-panic", "exit", "-pcapng", "-", "-http", "unix:"+t.web.path, "-log-format", "json")
	t.daemon.Logged = t.logged
	if err := t.daemon.Enter(); err != nil {
		return err
	}
	var err error
	// Before there is a device, so that it sees all that the kernel sends.
	if t.kernel, err = openKernel(); err != nil {
		return err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	_, _ = unix.FcntlInt(in.Fd(), unix.F_SETPIPE_SZ, 1<<20) // it is only the faster for it
	t.daemon.Output = in
	t.read.start(out)
	err = t.daemon.Start(t.feed.heard)
	// The daemon has its own: when that ends the capture does.
	err = errors.Join(err, in.Close())
	if err == nil {
		err = muffle()
		if err != nil {
			err = errors.Join(err, t.daemon.Stop())
		}
	}
	if err != nil {
		_ = t.read.wait(readPatience) // of a capture that has hardly begun
	}
	return err
}

// mostMTU is the greatest that netstackd gives a device, in bytes.
const mostMTU = 65_520

// malformed is what the daemon warns of, once, when a virtio-net header lies: that is
// what is sent.
const malformed = "the device gave a malformed packet; further ones are only counted"

// logged takes a line of the daemon's log.
func (t *tunHost) logged(line string) {
	var entry struct {
		Level, Msg string
		Summary    *trace.Summary
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := json.Unmarshal([]byte(line), &entry); err == nil {
		if entry.Summary != nil {
			t.summary = entry.Summary
		}
		if entry.Level == "info" || entry.Level == "debug" || entry.Msg == malformed {
			return
		}
	}
	if len(t.complaints) < mostComplaints {
		t.complaints = append(t.complaints, line[:min(len(line), mostCrash)])
	}
}

// errRefused says that the kernel does not take a packet, as no sender may give it one
// like that.
var errRefused = errors.New("refused")

// send gives the kernel a packet for the device.
func (t *tunHost) send(p *hostile.Packet) error {
	if t.sent%paceEvery == 0 {
		if err := t.pace(); err != nil {
			return err
		}
	}
	var header hostile.Header
	if t.headers {
		header = p.Header
	}
	if header != (hostile.Header{}) {
		// The kernel may not be able to do what it says: see what it drops for that.
		if _, err := t.kernel.drops(); err != nil {
			return err
		}
	}
	frame := append(header.Append(make([]byte, 0, hostile.HeaderLen+len(p.Bytes))), p.Bytes...)
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(100 * time.Microsecond) {
		err := t.daemon.SendFrame(frame)
		taken := err == nil
		switch {
		case errors.Is(err, unix.ENOBUFS):
			// It has dropped it, or had no memory for it.
			n, err := t.kernel.drops()
			if err != nil {
				return err
			}
			if taken = n > 0; taken {
				t.twice += n - 1
			}
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EMSGSIZE):
			t.refused[unix.ErrnoName(err.(unix.Errno))]++
			return errRefused
		case err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("send to %s: %w", host.Device, err)
		}
		if taken {
			t.sent++
			if header.IsSuperDatagram() && header.SegmentSize > 0 {
				t.extra += uint64(len(p.Bytes)) / uint64(header.SegmentSize)
			}
			return nil
		}
	}
	return fmt.Errorf("%s has no room for a packet in %v", host.Device, patience)
}

// pace waits until the daemon has taken what was sent, but for a queue's worth, and
// until little of what it has told is unread.
func (t *tunHost) pace() error {
	for begin := time.Now(); ; time.Sleep(50 * time.Microsecond) {
		n, err := t.kernel.counts()
		if err != nil {
			return err
		}
		if t.sent < n.Passed+n.Dropped+mostQueued && t.feed.seq < t.read.pings.Load()+mostUnread {
			return nil
		}
		if died := t.daemon.Died(); died != nil {
			return died
		}
		if time.Since(begin) > patience {
			return fmt.Errorf("after %d packets netstackd takes no more in %v: %d taken, %d pings of %d told of",
				t.sent, patience, n.Passed, t.read.pings.Load(), t.feed.seq)
		}
	}
}

// sample weighs the daemon.
func (t *tunHost) sample() (Sample, error) {
	s, err := t.web.sample()
	if err != nil {
		return s, err
	}
	s.Resident, err = resident(fmt.Sprintf("/proc/%d/status", t.daemon.PID()))
	return s, err
}

// settle waits until the daemon holds no more than early on, and weighs it. Fragments
// wait for a minute over IPv6, connections as long for their end.
func (t *tunHost) settle(ctx context.Context, within time.Duration, o *Outcome) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for begin := time.Now(); ; {
		s, err := t.sample()
		if err != nil {
			return err
		}
		s.Packets = o.Sent
		o.After, o.Settled = s, time.Since(begin)
		if o.grown() == "" || o.Settled > within {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell writes into the outcome what the daemon has said, and what the capture.
func (t *tunHost) tell(o *Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, line := range t.complaints {
		o.wrong("netstackd says %s", line)
	}
	s := t.summary
	if s == nil {
		o.wrong("netstackd gave no summary")
		return
	}
	c := Counts{
		In: s.Packets.In, Out: s.Packets.Out, Fates: map[string]uint64{}, FatesOut: map[string]uint64{}, Drops: s.Drops, Mends: s.Mends,
		Link: map[string]uint64{}, Compare: compare.Counts(s.Compare),
	}
	for fate, n := range s.Fates.In {
		c.Fates[string(fate)] = n
	}
	for fate, n := range s.Fates.Out {
		c.FatesOut[string(fate)] = n
	}
	for reason := range link.DropReasons() {
		if n := s.Elsewhere[reason]; n > 0 {
			c.Link[reason] = n
		}
	}
	o.Counts = c
	o.settle()
	if s.TraceLost > 0 {
		o.wrong("%d events of the capture are lost", s.TraceLost)
	}
	if told := t.read.results; told != (results{c.Compare.Match, c.Compare.Differ, c.Compare.Missing, c.Compare.Unexpected}) {
		o.wrong("the capture tells of %+v, the summary of %+v", told, c.Compare)
	}
}
