//go:build darwin || freebsd || linux

package capture

import (
	"errors"
	"os"
	"syscall"
)

// heldElsewhere locks a file for as long as it is open, and reports whether another has it
// locked: flock(2), which binds only who asks.
func heldElsewhere(file *os.File) bool {
	return errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
