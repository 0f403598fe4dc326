package respond

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// receive reads commands while it is asked to.
func (f *FIFO) receive() {
	for {
		select {
		case <-f.listen:
		case <-f.ctx.Done():
			return
		}
		got, ok := f.hear()
		if !ok {
			return
		}
		select {
		case f.commands <- got:
		case <-f.ctx.Done():
			return
		}
	}
}

// hear waits until somebody has written a line, and returns it with what else was
// written then. It reports false if the FIFO is closed.
func (f *FIFO) hear() (got []received, ok bool) {
	if f.command == nil {
		var err error
		if f.command, err = f.commandPlace.open(unix.O_RDONLY); err != nil {
			f.cfg.Log.WithError(err).Error("answerers are not heard any more")
			return nil, false
		}
	}
	command := f.command
	defer context.AfterFunc(f.ctx, func() { _ = command.SetReadDeadline(time.Unix(0, 1)) })()
	raw, err := command.SyscallConn()
	if err != nil {
		return nil, false
	}
	l := lines{limit: maxLine}
	note := func(line []byte, cut bool) bool {
		if len(got) <= enough {
			got = append(got, received{append([]byte(nil), line...), cut})
		}
		return true
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := read(raw, buffer, len(got) > 0 || l.begun())
		switch {
		case f.ctx.Err() != nil:
			return nil, false
		case errors.Is(err, os.ErrDeadlineExceeded):
			// They keep it open: so be it.
			_ = command.SetReadDeadline(time.Time{})
			return got, true
		case err != nil:
			f.cfg.Log.WithError(err).Error("answerers are not heard any more")
			return nil, false
		case n == 0:
			// All who wrote are gone: what there is is all of the line.
			if l.begun() {
				l.end(note)
			}
			if len(got) == 0 {
				continue
			}
			command.Close()
			f.command = nil
			return got, true
		}
		l.feed(buffer[:n], note)
		if len(got) > 0 {
			_ = command.SetReadDeadline(time.Now().Add(lastWords))
		}
	}
}

// A rawReader is a syscall.RawConn, as far as is needed.
type rawReader interface {
	Read(func(fd uintptr) bool) error
}

// read reads what is there, and waits for something if nothing is. It returns 0 if
// there are no writers: at once, if it is to tell that they are gone, else no more
// than once for each that has been there.
func read(raw rawReader, buffer []byte, begun bool) (n int, err error) {
	var failed error
	waited := begun
	err = raw.Read(func(fd uintptr) bool {
		for {
			if n, failed = unix.Read(int(fd), buffer); !errors.Is(failed, unix.EINTR) {
				break
			}
		}
		if errors.Is(failed, unix.EAGAIN) || failed == nil && n == 0 && !waited {
			waited = true
			return false
		}
		return true
	})
	return n, errors.Join(err, failed)
}
