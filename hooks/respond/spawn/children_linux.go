package spawn

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// children are the commands that run.
type children struct {
	commands []string
	tell     func(message)
	// ending are those that wait for one to end.
	ending sync.WaitGroup

	mu   sync.Mutex
	pids map[int]int // guarded by mu: of the commands that run, until they were waited for
}

func newChildren(commands []string, tell func(message)) *children {
	return &children{commands: commands, tell: tell, pids: map[int]int{}}
}

// start starts a command with its streams, and tells. Its thread must live on.
func (c *children) start(number int, files []*os.File) {
	cmd, err := c.run(number, files)
	if err != nil {
		c.tell(message{wordFailed, number, err.Error()})
		return
	}
	c.tell(message{wordStarted, number, ""})
	c.ending.Go(func() { c.await(number, cmd) })
}

func (c *children) run(number int, files []*os.File) (*exec.Cmd, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch _, runs := c.pids[number]; {
	case number >= len(c.commands):
		return nil, errors.New("there is no such command")
	case runs:
		return nil, errors.New("it runs already")
	case len(files) != streams:
		return nil, errors.New("its standard streams did not come")
	}
	cmd := exec.Command("/bin/sh", "-c", c.commands[number])
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.pids[number] = cmd.Process.Pid
	return cmd, nil
}

// await waits until a command has ended, ends its group with it, and tells.
func (c *children) await(number int, cmd *exec.Cmd) {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	// What it started goes with it. Nobody else can have its number, for it is not
	// waited for yet.
	c.mu.Lock()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	c.mu.Unlock()
	how := ""
	c.mu.Lock()
	if err := cmd.Wait(); err != nil {
		how = err.Error()
	}
	delete(c.pids, number)
	if len(c.pids) == 0 {
		// While another runs nobody can tell whose they are: the last one takes them
		// along.
		killStrays()
	}
	c.mu.Unlock()
	c.tell(message{wordEnded, number, how})
}

// signal signals a command's group, if it runs.
func (c *children) signal(number int, sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pid, ok := c.pids[number]; ok {
		_ = syscall.Kill(-pid, sig)
	}
}

// killAll kills what still runs and waits for it.
func (c *children) killAll() {
	c.mu.Lock()
	for _, pid := range c.pids {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	c.mu.Unlock()
	c.ending.Wait()
}
