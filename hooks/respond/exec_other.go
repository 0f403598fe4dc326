//go:build !linux

package respond

import "fmt"

// An Exec lets a process answer, on Linux.
type Exec struct{}

// NewExec is for Linux alone.
func NewExec(ExecConfig) (*Exec, error) {
	return nil, fmt.Errorf("respond exec: %w", ErrUnsupported)
}

// Start does nothing.
func (*Exec) Start() {}

// Close does nothing.
func (*Exec) Close() error { return nil }
