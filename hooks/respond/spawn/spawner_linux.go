package spawn

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readyPatience is how long the spawner may take to come up.
	readyPatience = 10 * time.Second
	// endPatience is how long Close waits for it to end.
	endPatience = 2 * time.Second
)

// errGone says that the spawner itself has ended.
var errGone = errors.New("the spawner has ended: nothing can be started any more")

// A Spawner is a process that starts commands. Its methods may be called
// concurrently.
type Spawner struct {
	// conn is this side's end of the socket, blocking.
	conn    *os.File
	running sync.WaitGroup

	mu sync.Mutex
	// The following are guarded by mu.
	processes map[int]*Process // what was launched and has not ended, by command
	gone      bool             // nobody reads the socket any more
}

// A Process is a command that was launched, with all that it starts.
type Process struct {
	spawner *Spawner
	number  int
	// started gets one value, nil or why it was not started.
	started chan error
	// done is closed by the reader when the process has ended; err is set before.
	done chan struct{}
	err  error
}

// Start starts the spawner: this program again, with args, by which it is to find
// Serve. It runs as the user, without any capability or a way to come to one, and
// with no other descriptors.
func Start(c Config) (*Spawner, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start spawner: %w", os.NewSyscallError("socketpair", err))
	}
	s := &Spawner{conn: os.NewFile(uintptr(ends[0]), "spawner"), processes: map[int]*Process{}}
	theirs := os.NewFile(uintptr(ends[1]), "daemon")
	cmd := exec.Command("/proc/self/exe", append(c.Args, c.Commands...)...)
	cmd.Args[0] = os.Args[0]
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = os.Stderr // for a runtime that panics
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true, Credential: c.User.credential()}
	begun := make(chan error, 1)
	s.running.Go(func() {
		// The thread gives up what the spawner must not have. It is not unlocked, so
		// it ends with this goroutine, and with it the spawner, if that still runs.
		runtime.LockOSThread()
		restrain()
		err := cmd.Start()
		begun <- err
		if err == nil {
			_ = cmd.Wait() // it ends when the socket does, or was killed
		}
	})
	err = <-begun
	theirs.Close()
	if err == nil {
		err = s.awaitReady()
	}
	if err != nil {
		s.conn.Close()
		return nil, fmt.Errorf("start spawner: %w", err)
	}
	s.running.Go(s.hear)
	return s, nil
}

// credential is the user, for who may become one.
func (u User) credential() *syscall.Credential {
	if os.Geteuid() != 0 || u.Stay {
		return nil
	}
	return &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: []uint32{}}
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

// awaitReady waits for the spawner's first word.
func (s *Spawner) awaitReady() error {
	timeout := unix.NsecToTimeval(int64(readyPatience))
	if err := unix.SetsockoptTimeval(int(s.conn.Fd()), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	m, _, err := receive(int(s.conn.Fd()))
	switch {
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("it was not there after %v", readyPatience)
	case err != nil:
		return fmt.Errorf("it ended at once: %w", err)
	case m.word != wordReady:
		return fmt.Errorf("it said %q", m.encode())
	}
	none := unix.Timeval{}
	return os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(int(s.conn.Fd()), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &none))
}

// hear is the goroutine that hears what the spawner says.
func (s *Spawner) hear() {
	fd := int(s.conn.Fd())
	for {
		m, _, err := receive(fd)
		if err != nil {
			break // it has ended, or Close has shut the socket down
		}
		s.mu.Lock()
		p := s.processes[m.number]
		if p != nil && m.word != wordStarted {
			delete(s.processes, m.number)
		}
		s.mu.Unlock()
		if p == nil {
			continue
		}
		switch m.word {
		case wordStarted:
			p.started <- nil
		case wordFailed:
			p.started <- errors.New(m.text)
		case wordEnded:
			p.end(m.text)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	for n, p := range s.processes {
		delete(s.processes, n)
		select {
		case p.started <- errGone: // Launch waits for it, or has long had another
		default:
		}
		p.end(errGone.Error())
	}
}

// end tells that the process has ended.
func (p *Process) end(how string) {
	if how != "" {
		p.err = errors.New(how)
	}
	close(p.done)
}

// Launch starts the command of a number, which must not run, with these standard
// streams, which stay the caller's, to be closed, and are made blocking.
func (s *Spawner) Launch(number int, stdin, stdout, stderr *os.File) (*Process, error) {
	p := &Process{spawner: s, number: number, started: make(chan error, 1), done: make(chan struct{})}
	s.mu.Lock()
	_, runs := s.processes[number]
	if !runs && !s.gone {
		s.processes[number] = p
	}
	gone := s.gone
	s.mu.Unlock()
	switch {
	case gone:
		return nil, errGone
	case runs:
		return nil, fmt.Errorf("command %d runs already", number)
	}
	err := s.sendStart(number, stdin, stdout, stderr)
	if err != nil {
		s.mu.Lock()
		delete(s.processes, number)
		s.mu.Unlock()
		return nil, err
	}
	if err := <-p.started; err != nil {
		return nil, err
	}
	return p, nil
}

// sendStart asks the spawner to start a command.
func (s *Spawner) sendStart(number int, files ...*os.File) error {
	var fds []int
	for _, f := range files {
		fd := int(f.Fd())
		// A pipe of package os is not blocking, which no command expects.
		if err := unix.SetNonblock(fd, false); err != nil {
			return os.NewSyscallError("fcntl", err)
		}
		fds = append(fds, fd)
	}
	err := send(int(s.conn.Fd()), message{wordStart, number, ""}, fds...)
	runtime.KeepAlive(files)
	return err
}

// Signal signals the process and its group, unless it has ended.
func (p *Process) Signal(sig syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = send(int(p.spawner.conn.Fd()), message{wordSignal, p.number, fmt.Sprint(int(sig))})
	}
}

// Done is closed when the process has ended, and what was left of its group with
// it.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended, once Done is closed; nil is exit status 0.
func (p *Process) Err() error { return p.err }

// Close ends the spawner, and with it all that it started, and waits for that.
func (s *Spawner) Close() error {
	_ = unix.Shutdown(int(s.conn.Fd()), unix.SHUT_RDWR)
	ended := make(chan struct{})
	go func() { defer close(ended); s.running.Wait() }()
	select {
	case <-ended:
		return s.conn.Close()
	case <-time.After(endPatience):
		// Somebody has stopped it, say. It goes with this process.
		return fmt.Errorf("end spawner: it has not ended after %v", endPatience)
	}
}
