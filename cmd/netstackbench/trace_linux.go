package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// traceMost is how much of a trace may lie on the disk, and traceRoom what
	// has to be free there, in bytes.
	traceMost, traceRoom = 1 << 30, 3 << 30
	// traceInterval is how often the size is looked at.
	traceInterval = 100 * time.Millisecond
)

// traceFile is a trace that somebody else writes and nobody reads: it is there
// for what writing it costs. What has been written is cut off now and then; the
// writer goes on where it was, so the file stays sparse.
type traceFile struct{ name string }

func newTraceFile(dir string) (*traceFile, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return nil, fmt.Errorf("find room for a trace in %s: %w", dir, err)
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < traceRoom {
		return nil, fmt.Errorf("find room for a trace: %d MiB are free in %s, it needs %d: set TMPDIR",
			free>>20, dir, uint64(traceRoom)>>20)
	}
	return &traceFile{name: filepath.Join(dir, fmt.Sprintf("trace-%d.json", os.Getpid()))}, nil
}

// cut frees what has been written.
func (t *traceFile) cut() error {
	if err := os.Truncate(t.name, 0); err != nil {
		return fmt.Errorf("cut trace: %w", err)
	}
	return nil
}

// watch cuts the file whenever it holds too much, until stop is closed.
func (t *traceFile) watch(stop <-chan struct{}) {
	tick := time.NewTicker(traceInterval)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			var st unix.Stat_t
			if unix.Stat(t.name, &st) == nil && st.Blocks*512 > traceMost {
				_ = t.cut() // that the disk fills up is seen elsewhere
			}
		}
	}
}

func (t *traceFile) remove() error {
	if err := os.Remove(t.name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove trace: %w", err)
	}
	return nil
}
