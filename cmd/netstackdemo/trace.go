package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// settle is how long the trace must be silent before it counts as complete:
// the daemon writes it beside the datapath, a moment after the packets.
const settle = 150 * time.Millisecond

// traceReader drains the daemon's trace and keeps what it says about echo
// requests and replies. A trace of a large transfer is larger than the
// transfer deserves, so after finish the rest is read and thrown away: left in
// the pipe it would be lost, and counted as lost, all the same.
type traceReader struct {
	// mu guards everything below.
	mu      sync.Mutex
	blocks  []string  // each packet's line with the indented ones below it
	current []string  // the block being read, nil if it is not about an echo
	last    time.Time // when the last line came
	over    bool      // finish was called: keep nothing more
}

func newTraceReader() *traceReader { return &traceReader{last: time.Now()} }

// read consumes r until its end.
func (t *traceReader) read(r io.Reader) {
	in := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := in.ReadString('\n')
		if !t.add(strings.TrimRight(line, "\n")) || err != nil {
			break
		}
	}
	// A failing read means the same as the end: the daemon is gone.
	_, _ = io.Copy(io.Discard, in)
}

// add takes one line. It reports whether more lines are wanted.
func (t *traceReader) add(line string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.last = time.Now()
	if below := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"); below {
		if t.current != nil {
			t.current = append(t.current, line)
		}
		return true
	}
	t.flush()
	if isEcho(line) {
		t.current = []string{line}
	}
	return true
}

// flush ends the current block. Called with mu held.
func (t *traceReader) flush() {
	if t.current != nil {
		t.blocks = append(t.blocks, strings.Join(t.current, "\n"))
		t.current = nil
	}
}

// isEcho reports whether a packet's line is about an echo request or reply.
func isEcho(line string) bool {
	return strings.Contains(line, "echo request") || strings.Contains(line, "echo reply")
}

// finish waits until the trace has been silent for a moment, and returns what
// it said about echoes. Whatever comes later is thrown away.
func (t *traceReader) finish(ctx context.Context) ([]string, error) {
	tick := time.NewTicker(settle / 10)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the trace: %w", context.Cause(ctx))
		}
		if blocks, quiet := t.quiet(); quiet {
			return blocks, nil
		}
	}
}

// quiet returns the blocks and closes the collection if the trace is silent.
func (t *traceReader) quiet() ([]string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.last) < settle {
		return nil, false
	}
	t.flush()
	t.over = true
	return t.blocks, true
}

// isMatch reports whether a packet's block says that netstack sent it, and that
// it is the reply computed by hand.
func isMatch(block string) bool {
	return strings.Contains(block, ": match, netstack answered ")
}
