//go:build !linux

package spawn

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// A Spawner starts commands, on Linux.
type Spawner struct{}

// A Process is a command that was launched, on Linux.
type Process struct{}

// Start is for Linux alone. The error wraps errors.ErrUnsupported.
func Start(Config) (*Spawner, error) {
	return nil, fmt.Errorf("start spawner: %w: it needs Linux", errors.ErrUnsupported)
}

// Serve is for Linux alone.
func Serve([]string) error { return fmt.Errorf("spawn: %w: it needs Linux", errors.ErrUnsupported) }

// Launch is for Linux alone.
func (*Spawner) Launch(int, *os.File, *os.File, *os.File) (*Process, error) {
	return nil, errors.ErrUnsupported
}

// Close does nothing.
func (*Spawner) Close() error { return nil }

// Signal does nothing.
func (*Process) Signal(syscall.Signal) {}

// Done is nil: nothing was launched.
func (*Process) Done() <-chan struct{} { return nil }

// Err is nil.
func (*Process) Err() error { return nil }
