//go:build !linux

package respond

import "fmt"

// A FIFO lets a shell answer, on Linux.
type FIFO struct{}

// OpenFIFO is for Linux alone.
func OpenFIFO(c FIFOConfig) (*FIFO, error) {
	return nil, fmt.Errorf("respond fifo:%s: %w", c.Dir, ErrUnsupported)
}

// Start does nothing.
func (*FIFO) Start() {}

// Close does nothing.
func (*FIFO) Close() error { return nil }
