package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// pendingLines bounds the log lines that wait for standard error.
	pendingLines = 1024
	// stderrPatience is how long the end of the process waits for the rest.
	stderrPatience = 2 * time.Second
)

// A stderr is standard error for goroutines that must not wait, such as those
// that carry packets and log what befell one: a terminal that is stopped, or a
// pipe whose reader is, loses lines instead, and is told how many. It is safe
// for concurrent use.
type stderr struct {
	out io.Writer

	mu sync.Mutex
	// The following are guarded by mu.
	lines  chan []byte // closed by close
	lost   int         // since the last line that was taken
	closed bool

	// done is closed by the writing goroutine when it ends.
	done chan struct{}
}

var _ io.Writer = (*stderr)(nil)

// openStderr starts the goroutine that writes to out. close ends it.
func openStderr(out io.Writer) *stderr {
	s := &stderr{out: out, lines: make(chan []byte, pendingLines), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for line := range s.lines {
			// There is nobody left to tell of a failure.
			_, _ = s.out.Write(line)
		}
	}()
	return s
}

// Write queues a line, of which it makes a copy, or loses it. It never fails.
func (s *stderr) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := append([]byte(nil), p...)
	if s.lost > 0 {
		line = append(fmt.Appendf(nil, "netstackd: %d lines lost here: standard error was blocked\n", s.lost), line...)
	}
	if !s.closed {
		select {
		case s.lines <- line:
			s.lost = 0
			return len(p), nil
		default:
		}
	}
	s.lost++
	return len(p), nil
}

// close waits until what is queued is written, no longer than patience. What
// is written later is lost.
func (s *stderr) close(patience time.Duration) {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.lines)
	}
	s.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s.done:
	case <-timer.C:
	}
}
