package spawn

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is where Start has put the spawner's end of the socket.
const socket = 3

// Serve is the spawner: it starts the commands, by their numbers, until the daemon
// is gone, and then kills what still runs. Call it from the main goroutine.
func Serve(commands []string) error {
	// What it starts dies with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The commands, which are of the same user, are not to look into it.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("spawn: %w", os.NewSyscallError("prctl", err))
	}
	if err := adoptStrays(); err != nil {
		return fmt.Errorf("spawn: %w", err)
	}
	unix.CloseOnExec(socket)
	if kind, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_SEQPACKET {
		return errors.New("spawn: netstackd itself starts this command, where exec answers pings")
	}
	if err := send(socket, message{word: wordReady}); err != nil {
		return fmt.Errorf("spawn: %w", err)
	}
	c := newChildren(commands, func(m message) {
		_ = send(socket, m) // fails when the daemon is gone, which receive tells too
	})
	defer c.killAll()
	for {
		m, files, err := receive(socket)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET):
			return nil
		case err == nil && m.word == wordStart:
			c.start(m.number, files)
		case err == nil && m.word == wordSignal:
			if sig, err := strconv.Atoi(m.text); err == nil {
				c.signal(m.number, syscall.Signal(sig))
			}
		}
		for _, f := range files {
			f.Close()
		}
		if err != nil {
			return fmt.Errorf("spawn: %w", err)
		}
	}
}
