package respond

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The FIFOs, as Dunkels' helper names them.
const (
	fifoCommand  = "tun_cmd"
	fifoResponse = "tun_resp"
)

const (
	// readerPatience is how long an answer waits for its reader.
	readerPatience = 30 * time.Second
	// turn is how long a command has the FIFOs for itself. Another that comes later
	// than that takes its place.
	turn = time.Second
	// drainPatience is how long a reader may take for an answer.
	drainPatience = 5 * time.Second
	// enough is how many lines are taken of one who writes several at once.
	enough = 4
	// lastWords is how long to wait for the end of one who has written a line.
	lastWords = 10 * time.Millisecond
)

// A FIFO lets a shell answer: it takes commands, lines, from the named pipe tun_cmd
// and writes each one's answer, a line, to tun_resp.
//
// Nothing tells whose the reader of tun_resp is. So while a command is served
// nobody has tun_cmd open on this side, and the next client waits in its open, for
// a second at most: then a command that comes takes the place of the one that is
// served still, whose client is told so, if it is there.
type FIFO struct {
	cfg                         FIFOConfig
	commandPlace, responsePlace place
	ctx                         context.Context
	cancel                      context.CancelFunc
	running                     sync.WaitGroup
	closing                     sync.Once
	// lock is the directory, locked.
	lock *os.File

	// listen asks the receiver for commands, once for each time that it sends some.
	listen   chan struct{}
	commands chan []received

	// command is tun_cmd, or nil. The receiver's.
	command *os.File
	// reported says that it was logged that tun_resp cannot be opened. The
	// server's, as is listening, which says that listen was sent.
	reported, listening bool
}

// A received is a line that was received.
type received struct {
	line []byte
	cut  bool
}

// A place is a FIFO that was made.
type place struct {
	path string
	info fs.FileInfo
}

// OpenFIFO makes the FIFOs, for their owner alone. What stands in their place is
// refused, unless it is left over from a process that is gone. It starts nothing.
func OpenFIFO(c FIFOConfig) (*FIFO, error) {
	if c.Wait == 0 {
		c.Wait = readWait
	}
	f := &FIFO{cfg: c, listen: make(chan struct{}, 1), commands: make(chan []received)}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("respond fifo:%s: %w", c.Dir, err)
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f, nil
}

func (f *FIFO) open() (err error) {
	switch info, err := os.Stat(f.cfg.Dir); {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such directory: make it, or name another")
	case err != nil:
		return err
	case !info.IsDir():
		return errors.New("it is no directory: name one")
	}
	if f.lock, err = lockDirectory(f.cfg.Dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.lock.Close()
		}
	}()
	if f.commandPlace, err = makeFIFO(filepath.Join(f.cfg.Dir, fifoCommand)); err != nil {
		return err
	}
	if f.responsePlace, err = makeFIFO(filepath.Join(f.cfg.Dir, fifoResponse)); err != nil {
		f.commandPlace.remove()
		return err
	}
	return nil
}

// lockDirectory keeps others of this program from a directory, as long as the file
// is open that it returns.
func lockDirectory(dir string) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		d.Close()
		return nil, errors.New("another process answers there: end that, or name another directory")
	}
	return d, nil
}

// makeFIFO makes one FIFO.
func makeFIFO(path string) (place, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return place{}, err
	case info.Mode().Type() == fs.ModeSymlink:
		return place{}, fmt.Errorf("%s is a symbolic link, which is not followed: remove it, or name another directory", path)
	case info.Mode().Type() != fs.ModeNamedPipe:
		return place{}, fmt.Errorf("%s is there and is no FIFO: remove it, or name another directory", path)
	case info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()):
		return place{}, fmt.Errorf("%s is another user's: name another directory", path)
	default:
		// It is left over from a process that is gone, for the directory is not locked.
		if err := os.Remove(path); err != nil {
			return place{}, err
		}
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return place{}, &fs.PathError{Op: "make FIFO", Path: path, Err: err}
	}
	if info, err = os.Lstat(path); err != nil {
		return place{}, err
	}
	return place{path, info}, nil
}

// open opens the FIFO without waiting for its other end, and makes sure that it is
// the one that was made.
func (p place) open(mode int) (*os.File, error) {
	file, err := os.OpenFile(p.path, mode|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !os.SameFile(info, p.info) {
		file.Close()
		return nil, fmt.Errorf("%s is not the FIFO any more that was made here", p.path)
	}
	return file, nil
}

// abandon removes the FIFO, and has those go on who wait in open for its other end,
// which mode says how to open: nobody else would ever come.
func (p place) abandon(mode int) {
	if other, err := p.open(mode); err == nil {
		defer other.Close() // they have gone on since it was opened: fifo_open in fs/pipe.c
	}
	p.remove()
}

// remove removes the FIFO, if it is still the one that was made.
func (p place) remove() {
	if info, err := os.Lstat(p.path); err == nil && os.SameFile(info, p.info) {
		_ = os.Remove(p.path)
	}
}

// Start starts serving.
func (f *FIFO) Start() {
	f.running.Go(f.receive)
	f.running.Go(f.serve)
}

// Close stops serving, whatever clients do, and removes the FIFOs. Nobody is left
// waiting there.
func (f *FIFO) Close() error {
	f.closing.Do(func() {
		f.cancel()
		f.running.Wait()
		if f.command != nil {
			f.command.Close()
		}
		f.commandPlace.abandon(unix.O_RDONLY)
		f.responsePlace.abandon(unix.O_WRONLY)
		f.lock.Close()
	})
	return nil
}
