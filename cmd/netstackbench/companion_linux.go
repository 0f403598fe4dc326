package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// companion is a client that runs beside a host. Its methods belong to one
// goroutine.
type companion struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended, err is set before that
	err  error

	mu   sync.Mutex
	said []byte // guarded by mu; the end of its standard error
}

// Write keeps what it says on standard error.
func (c *companion) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, b...)
	c.said = c.said[max(0, len(c.said)-saysMost):]
	return len(b), nil
}

// startCompanion starts a client. It must run on the main goroutine, whose thread
// the client's life is bound to.
func startCompanion(what *client) (*companion, error) {
	c := &companion{done: make(chan struct{})}
	if what.Role != "" {
		var err error
		if c.cmd, err = ownProgram(what.Role, what.Command...); err != nil {
			return nil, err
		}
	} else {
		c.cmd = exec.Command(what.Command[0], what.Command[1:]...)
		dieWithParent(c.cmd)
	}
	c.cmd.Stderr = c
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the client: %w", err)
	}
	go func() {
		defer close(c.done)
		c.err = c.cmd.Wait()
	}()
	return c, nil
}

// running is an error if it has ended.
func (c *companion) running() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	why := "exit status 0"
	if c.err != nil {
		why = c.err.Error()
	}
	if last := c.lastLine(); last != "" {
		why += ": " + last
	}
	return fmt.Errorf("the client died: %s", why)
}

// lastLine is what it said last.
func (c *companion) lastLine() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(c.said), []byte("\n"))
	return strings.TrimSpace(string(lines[len(lines)-1]))
}

// stop kills it and what it has started, in whatever process group: a shell's
// timeout(1) makes one of its own.
func (c *companion) stop() {
	killAll(c.cmd.Process.Pid)
	<-c.done
}

// killAll kills a process and its descendants. Each is stopped before its children
// are looked for, so that none is born meanwhile.
func killAll(pid int) {
	if unix.Kill(pid, syscall.SIGSTOP) != nil {
		return // it has ended
	}
	for _, child := range children(pid) {
		killAll(child)
	}
	_ = unix.Kill(pid, syscall.SIGKILL)
}
