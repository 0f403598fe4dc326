package respond

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// takePatience is how long the command may take to read an answer.
	takePatience = 5 * time.Second
	// endPatience is how long it may take to end when it is told to.
	endPatience = 200 * time.Millisecond
	// silence is after what time it is noted that the command asks for nothing.
	silence = 10 * time.Second
)

// An Exec lets a process answer. It prints commands, lines, on its standard output,
// and reads the answers from its standard input; its standard error is logged. It
// runs without the privileges of this process, in a process group of its own, and
// is started again when it ends.
type Exec struct {
	cfg     ExecConfig
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// NewExec returns an Exec that is not started.
func NewExec(c ExecConfig) (*Exec, error) {
	if c.Wait == 0 {
		c.Wait = readWait
	}
	e := &Exec{cfg: c}
	e.cfg.Log = c.Log.WithField("answerer", "exec")
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e, nil
}

// Start starts the process and who looks after it.
func (e *Exec) Start() {
	e.running.Go(func() {
		// The thread gives up what the process must not have, and is ended with this
		// goroutine, for it is not unlocked. The process ends with the thread.
		runtime.LockOSThread()
		restrain()
		e.keep()
	})
}

// Close ends the process and its group, whatever they do, and waits for that.
func (e *Exec) Close() error {
	e.cancel()
	e.running.Wait()
	return nil
}

// restrain takes from the calling thread, and so from what it starts, every way to
// come to a capability, capabilities(7), and every descriptor but the first three.
// Who has no capability already may not give any up, and need not.
func restrain() {
	// What whoever started this process left open, or opened for it, is not for others.
	_ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	for c := uintptr(0); unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) == nil; c++ {
	}
}

// keep runs the process, again and again.
func (e *Exec) keep() {
	var pause time.Duration
	for {
		begun := time.Now()
		err := e.run()
		e.cfg.Desk.ReturnAll()
		if e.ctx.Err() != nil {
			return
		}
		pause = pauseAfter(pause, time.Since(begun))
		e.cfg.Log.WithError(err).WithField("pause", pause.String()).Warn("the answerer has ended, it is started again after a pause")
		select {
		case <-time.After(pause):
		case <-e.ctx.Done():
			return
		}
	}
}

// A child is a process that runs, and this side's ends of its pipes.
type child struct {
	cmd          *exec.Cmd
	in, out, err *os.File
}

// run runs the process once, and returns why it ended.
func (e *Exec) run() error {
	c, err := e.start()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	var stuck error // set before asked is closed
	var reading sync.WaitGroup
	asked := make(chan struct{}, 1)
	broken := make(chan struct{})
	reading.Go(func() {
		defer close(broken)
		stuck = e.converse(ctx, c, asked)
	})
	reading.Go(func() { e.report(c.err) })
	ended := make(chan struct{})
	go func() { defer close(ended); c.await() }()

	err = e.watch(c, ended, broken, asked)
	// What it started goes with it. Nobody else can have its number, for it is not
	// waited for yet.
	c.signal(syscall.SIGKILL)
	<-ended
	if end := c.cmd.Wait(); err == nil {
		err = end
	}
	cancel()
	read := make(chan struct{})
	go func() { reading.Wait(); close(read) }()
	within(read, endPatience) // else somebody who left the group holds its output
	c.close()
	<-read
	if stuck != nil {
		return stuck
	}
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// start starts the process.
func (e *Exec) start() (*child, error) {
	cmd := exec.Command("/bin/sh", "-c", e.cfg.Command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: e.cfg.User.UID, Gid: e.cfg.User.GID, Groups: []uint32{}}
	}
	c := &child{cmd: cmd}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	pipe := func() (r, w *os.File, err error) {
		if r, w, err = os.Pipe(); err != nil {
			c.close()
			err = fmt.Errorf("start answerer: %w", err)
		}
		return r, w, err
	}
	r, w, err := pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdin, c.in = r, w
	theirs = append(theirs, r)
	if r, w, err = pipe(); err != nil {
		return nil, err
	}
	cmd.Stdout, c.out = w, r
	theirs = append(theirs, w)
	if r, w, err = pipe(); err != nil {
		return nil, err
	}
	cmd.Stderr, c.err = w, r
	theirs = append(theirs, w)
	if err := cmd.Start(); err != nil {
		c.close()
		return nil, fmt.Errorf("start answerer: %w", err)
	}
	return c, nil
}

// watch waits until the process has ended, or ought to. The error says why it
// ought to; nil that it has.
func (e *Exec) watch(c *child, ended, broken, asked <-chan struct{}) error {
	tick := time.NewTicker(silence)
	defer tick.Stop()
	heard, noted := false, false
	for {
		select {
		case <-ended:
			return nil
		case <-broken:
			// It has closed its output, or takes no answers: it cannot go on.
			if within(ended, endPatience) {
				return nil
			}
			return errors.New("it converses no more")
		case <-e.ctx.Done():
			c.signal(syscall.SIGTERM)
			within(ended, endPatience)
			return e.ctx.Err()
		case <-asked:
			heard = true
		case <-tick.C:
			if n := len(e.cfg.Desk.Pending()); n > 0 && !heard && !noted {
				noted = true
				e.cfg.Log.WithField("waiting", n).Warnf("the answerer has not printed a line for %v, and echo requests wait for it: it is to print %s", silence, wordRead)
			}
			heard = false
		}
	}
}

// within reports whether c is closed before so long.
func within(c <-chan struct{}, long time.Duration) bool {
	select {
	case <-c:
		return true
	case <-time.After(long):
		return false
	}
}

// converse answers the lines that the process prints. The error says why it cannot
// go on.
func (e *Exec) converse(ctx context.Context, c *child, asked chan<- struct{}) (failed error) {
	each := func(line []byte, cut bool) bool {
		select {
		case asked <- struct{}{}:
		default:
		}
		command, err := parseCommand(line)
		if cut {
			err = errTooLong
		}
		text, given := "", uint64(0)
		if err != nil {
			text = refused(err)
			e.cfg.Log.WithError(err).Debug("answerer prints what is not understood")
		} else if text, given, err = answer(ctx, e.cfg.Desk, command, e.cfg.Wait); err != nil {
			return false
		}
		_ = c.in.SetWriteDeadline(time.Now().Add(takePatience))
		if _, err := c.in.WriteString(text + "\n"); err != nil {
			if given != 0 {
				e.cfg.Desk.Return(given)
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				failed = fmt.Errorf("it has not read its standard input for %v", takePatience)
			}
			return false
		}
		return true
	}
	l := lines{limit: maxLine}
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.out.Read(buffer)
		if !l.feed(buffer[:n], each) {
			return failed
		}
		if err != nil {
			if l.begun() {
				l.end(each)
			}
			return failed
		}
	}
}

// report logs what the process says on its standard error.
func (e *Exec) report(from io.Reader) {
	r := reporter{log: e.cfg.Log}
	each := func(line []byte, cut bool) bool { r.line(line, cut, time.Now()); return true }
	l := lines{limit: maxReport}
	buffer := make([]byte, maxReport)
	for {
		n, err := from.Read(buffer)
		l.feed(buffer[:n], each)
		if err != nil {
			if l.begun() {
				l.end(each)
			}
			return
		}
	}
}

// await waits until the process has ended, and leaves it to be waited for.
func (c *child) await() {
	for {
		if err := unix.Waitid(unix.P_PID, c.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// signal signals the process and its group.
func (c *child) signal(s syscall.Signal) { _ = syscall.Kill(-c.cmd.Process.Pid, s) }

// close closes this side's ends of the pipes.
func (c *child) close() {
	for _, f := range []*os.File{c.in, c.out, c.err} {
		if f != nil {
			f.Close()
		}
	}
}
