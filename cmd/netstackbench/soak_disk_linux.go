package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// soakDisk is the folder of a little disk with soakDiskSize bytes, soakCapture
	// the capture there, of which diskKept files are kept.
	soakDisk, soakDiskSize, soakCapture = "disk", 64 << 20, "capture.pcapng"
	diskKept                            = 3
	// diskInterval is how often the others are removed.
	diskInterval = 20 * time.Millisecond
	// diskFiller is a file that takes the room that is left.
	diskFiller = "filler"
)

// soakDiskKeeper keeps a little disk from filling up, unless it is to be full.
type soakDiskKeeper struct {
	dir string
	// written is how many files of the capture were removed.
	written atomic.Uint64

	mu   sync.Mutex
	full bool // guarded by mu
}

// run removes the capture's old files until ctx ends.
func (d *soakDiskKeeper) run(ctx context.Context) {
	for wait(ctx, diskInterval) == nil {
		d.tidy()
	}
}

func (d *soakDiskKeeper) tidy() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return
	}
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return
	}
	type file struct {
		name string
		at   time.Time
	}
	var all []file
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), "capture") {
			all = append(all, file{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b file) int { return a.at.Compare(b.at) })
	for _, f := range all[:max(0, len(all)-diskKept)] {
		if os.Remove(filepath.Join(d.dir, f.name)) == nil {
			d.written.Add(1)
		}
	}
}

// fill leaves no room.
func (d *soakDiskKeeper) fill() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = true
	f, err := os.Create(filepath.Join(d.dir, diskFiller))
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for {
		if _, err := f.Write(block); errors.Is(err, unix.ENOSPC) {
			return nil
		} else if err != nil {
			return fmt.Errorf("fill the disk: %w", err)
		}
	}
}

// free gives the room back.
func (d *soakDiskKeeper) free() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = false
	if err := os.Remove(filepath.Join(d.dir, diskFiller)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("free the disk: %w", err)
	}
	return nil
}
