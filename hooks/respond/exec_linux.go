package respond

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"netstackd/hooks/respond/spawn"
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
func (e *Exec) Start() { e.running.Go(e.keep) }

// Close ends the process and its group, whatever they do, and waits for that.
func (e *Exec) Close() error {
	e.cancel()
	e.running.Wait()
	return nil
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
	process      *spawn.Process
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
	err = e.watch(c, c.process.Done(), broken, asked)
	c.process.Signal(syscall.SIGKILL)
	<-c.process.Done()
	if err == nil {
		err = c.process.Err()
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
func (e *Exec) start() (_ *child, err error) {
	c := &child{}
	var theirs [3]*os.File
	defer func() {
		for _, f := range theirs {
			if f != nil {
				f.Close()
			}
		}
		if err != nil {
			c.close()
			err = fmt.Errorf("start answerer: %w", err)
		}
	}()
	if theirs[0], c.in, err = os.Pipe(); err != nil {
		return nil, err
	}
	if c.out, theirs[1], err = os.Pipe(); err != nil {
		return nil, err
	}
	if c.err, theirs[2], err = os.Pipe(); err != nil {
		return nil, err
	}
	c.process, err = e.cfg.Launch(theirs[0], theirs[1], theirs[2])
	return c, err
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
			c.process.Signal(syscall.SIGTERM)
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

// close closes this side's ends of the pipes.
func (c *child) close() {
	for _, f := range []*os.File{c.in, c.out, c.err} {
		if f != nil {
			f.Close()
		}
	}
}
