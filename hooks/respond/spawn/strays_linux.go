package spawn

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// strayRounds bounds how often strays are looked for, each time strayPause
	// later: what is killed leaves its own children to us.
	strayRounds = 50
	strayPause  = 2 * time.Millisecond
)

// adoptStrays makes this process the parent of whatever a command has started and
// left alone, in a session of its own even (PR_SET_CHILD_SUBREAPER in prctl(2)).
func adoptStrays() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// killStrays kills those, and theirs, and waits for them. No command may run: their
// ends would be taken from those who wait for them.
func killStrays() {
	for range strayRounds {
		for _, pid := range childrenOf(os.Getpid()) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			switch {
			case errors.Is(err, unix.EINTR):
				continue
			case err != nil: // ECHILD: none is left
				return
			}
			if pid == 0 {
				break
			}
		}
		time.Sleep(strayPause)
	}
}

// childrenOf lists the processes whose parent is the one with this number.
func childrenOf(parent int) []int {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1) // what it has read is better than nothing
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it has gone
		}
		// The command's name stands in parentheses and may have some itself: proc(5).
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 1 && string(fields[1]) == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}
