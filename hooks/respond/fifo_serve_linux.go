package respond

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// serve answers commands, one after the other.
func (f *FIFO) serve() {
	var came []received
	for f.ctx.Err() == nil {
		if came == nil {
			f.attend()
			select {
			case came = <-f.commands:
				f.listening = false
			case <-f.ctx.Done():
				return
			}
		}
		s := &serving{FIFO: f, begun: time.Now()}
		if len(came) == 1 || allRead(came) {
			s.begin(came[0]) // whose reader gets the packet makes no difference
		} else {
			s.line = f.together(came)
		}
		more := s.serve()
		if s.to != nil {
			f.partWith()
		}
		if len(came) > 1 {
			f.dismiss()
		}
		came = more
	}
}

// partWith waits until the reader has found the end, and is gone: it would go on
// reading if the answer to the next command began before. One that stays is not
// waited for.
func (f *FIFO) partWith() {
	for begun := time.Now(); time.Since(begun) < parting && f.ctx.Err() == nil; time.Sleep(shortPause) {
		to, err := f.responsePlace.open(unix.O_WRONLY)
		if err != nil {
			return
		}
		to.Close()
	}
}

// dismiss lets go those who wait for an answer that another has read, and who would
// else read that of the next command.
func (f *FIFO) dismiss() {
	for begun := time.Now(); time.Since(begun) < settling && f.ctx.Err() == nil; time.Sleep(time.Millisecond) {
		s := &serving{FIFO: f, line: refused(errAtOnce)}
		if s.connect() && s.to != nil {
			s.write()
			s.to.Close()
		}
	}
}

// parting is how long a reader may take to find the end.
const parting = 20 * time.Millisecond

// settling is how long after commands that came at once their clients may come to
// read.
const settling = 50 * time.Millisecond

var errAtOnce = errors.New("another command came at the same time: ask again")

// allRead reports whether all that came at once is READ.
func allRead(came []received) bool {
	for _, r := range came {
		if c, err := parseCommand(r.line); err != nil || !c.read {
			return false
		}
	}
	return len(came) <= enough
}

// together carries out commands that came at once, and answers them at once: if two
// clients wrote them, which of them reads the answer is chance. So no packet is
// given.
func (f *FIFO) together(came []received) string {
	if len(came) > enough {
		return refused(errors.New("one line at a time, and several came"))
	}
	var all []string
	for _, r := range came {
		c, err := parseCommand(r.line)
		switch {
		case r.cut:
			err = errTooLong
		case err == nil && c.read:
			err = errAtOnce
		}
		line := ""
		if err == nil {
			line, _, err = answer(f.ctx, f.cfg.Desk, c, 0)
		}
		if err != nil {
			line = refused(err)
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

// attend has the receiver listen, if it does not yet.
func (f *FIFO) attend() {
	if !f.listening {
		f.listening = true
		f.listen <- struct{}{}
	}
}

// A serving is one command that is served.
type serving struct {
	*FIFO
	begun time.Time
	// line is the answer, once there is one, and given the request that it gives.
	line  string
	given uint64
	// done brings the answer to READ, which stop ends; nil if there is one.
	done chan result
	stop context.CancelFunc
	// to is tun_resp, once there is a reader.
	to *os.File
}

// A result is what READ brings.
type result struct {
	line  string
	given uint64
}

// begin carries out a command, but for the wait of READ.
func (s *serving) begin(r received) {
	c, err := parseCommand(r.line)
	if r.cut {
		err = errTooLong
	}
	switch {
	case err != nil:
		s.line = refused(err)
	case c.read:
		ctx, cancel := context.WithCancel(s.ctx)
		s.done, s.stop = make(chan result, 1), cancel
		go func() {
			line, given, err := answer(ctx, s.cfg.Desk, c, s.cfg.Wait)
			if err != nil {
				line = refused(errors.New("another command came before a packet did: ask again"))
			}
			s.done <- result{line, given}
		}()
	default:
		if s.line, _, err = answer(s.ctx, s.cfg.Desk, c, 0); err != nil {
			s.line = refused(err)
		}
	}
}

// serve brings a reader and the answer together, and returns the commands that
// came meanwhile.
func (s *serving) serve() (more []received) {
	delivered := false
	defer func() {
		s.end()
		if s.to != nil {
			s.to.Close()
		}
		if !delivered && s.given != 0 {
			s.cfg.Desk.Return(s.given)
		}
	}()
	over := time.NewTimer(turn)
	defer over.Stop()
	var commands chan []received // once others may take the place
	for pause := shortPause; ; pause = min(2*pause, s.longPause()) {
		if !s.connect() {
			return more
		}
		switch {
		case s.to != nil && s.line != "":
			delivered = s.write()
			return more
		case s.to != nil && gone(s.to):
			return more // before there was anything for it
		case time.Since(s.begun) > s.cfg.Wait+readerPatience:
			return more
		}
		select {
		case r := <-s.done:
			s.line, s.given, s.done = r.line, r.given, nil
		case <-time.After(pause):
		case <-over.C:
			s.attend()
			commands = s.commands
		case more = <-commands:
			s.listening = false
			s.yield()
			return more
		case <-s.ctx.Done():
			return more
		}
	}
}

// shortPause and longPause are how long to wait before it is looked again whether a
// reader has come, or gone: nobody tells.
const shortPause = 50 * time.Microsecond

func (s *serving) longPause() time.Duration {
	if s.to != nil || time.Since(s.begun) > turn {
		return 20 * time.Millisecond
	}
	return 2 * time.Millisecond
}

// end ends READ, if it goes on.
func (s *serving) end() {
	if s.done != nil {
		s.stop()
		r := <-s.done
		s.line, s.given, s.done = r.line, r.given, nil
	}
	if s.stop != nil {
		s.stop()
	}
}

// yield gives way to another command, and tells the reader, if there is one.
func (s *serving) yield() {
	s.end()
	if s.to != nil && s.given == 0 {
		s.write()
	}
}

// connect opens tun_resp if it is not yet and somebody reads it. It reports false
// if it cannot be.
func (s *serving) connect() bool {
	if s.to != nil {
		return true
	}
	to, err := s.responsePlace.open(unix.O_WRONLY)
	switch {
	case err == nil:
		s.to = to
	case !errors.Is(err, unix.ENXIO):
		if !s.reported {
			s.reported = true
			s.cfg.Log.WithError(err).Error("answerers cannot be answered any more")
		}
		return false
	}
	return true
}

// write writes the answer, and reports whether the reader has taken it.
func (s *serving) write() bool {
	deadline := time.Now().Add(drainPatience)
	_ = s.to.SetWriteDeadline(deadline)
	defer context.AfterFunc(s.ctx, func() { _ = s.to.SetWriteDeadline(time.Unix(0, 1)) })()
	if _, err := s.to.WriteString(s.line + "\n"); err != nil {
		return false
	}
	// Another reader must not find it.
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, time.Millisecond) {
		switch left := unread(s.to); {
		case left == 0:
			return true
		case left < 0, gone(s.to), time.Now().After(deadline):
			return false
		}
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return false
		}
	}
}

// unread returns how many bytes wait in a FIFO, or less than 0 if that cannot be
// known.
func unread(w *os.File) (n int) {
	n = -1
	if raw, err := w.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if left, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ); err == nil {
				n = left
			}
		})
	}
	return n
}

// gone reports whether a FIFO has no reader any more: pipe_poll in fs/pipe.c.
func gone(w *os.File) (gone bool) {
	raw, err := w.SyscallConn()
	if err != nil {
		return true
	}
	_ = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if _, err := unix.Poll(p, 0); err == nil {
			gone = p[0].Revents&unix.POLLERR != 0
		}
	})
	return gone
}
