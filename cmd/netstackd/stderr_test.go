package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// A gate is a writer that takes nothing until it is opened, then everything.
type gate struct {
	entered chan struct{} // told of each write, if it listens
	open    chan struct{}
	got     bytes.Buffer
}

func newGate() *gate { return &gate{entered: make(chan struct{}, 1), open: make(chan struct{})} }

func (g *gate) Write(p []byte) (int, error) {
	select {
	case g.entered <- struct{}{}:
	default:
	}
	<-g.open
	return g.got.Write(p)
}

func TestStderrKeepsOrder(t *testing.T) {
	defer goleak.VerifyNone(t)
	g := newGate()
	close(g.open)
	s := openStderr(g)
	var want strings.Builder
	for i := range 100 {
		fmt.Fprintf(s, "line %d\n", i)
		fmt.Fprintf(&want, "line %d\n", i)
	}
	s.close(time.Minute)
	if g.got.String() != want.String() {
		t.Errorf("got %q", g.got.String())
	}
}

// TestStderrBlocked: a reader that is stopped costs lines, counted, and never
// the writer's time.
func TestStderrBlocked(t *testing.T) {
	defer goleak.VerifyNone(t)
	g := newGate()
	s := openStderr(g)
	fmt.Fprintln(s, "line 0")
	<-g.entered // it is in the write, and all the room is free
	for i := range 3 * pendingLines {
		fmt.Fprintf(s, "line %d\n", i+1) // would hang here
	}
	begin := time.Now()
	s.close(10 * time.Millisecond)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("close took %v with a blocked output", took)
	}
	fmt.Fprintln(s, "late")
	close(g.open)
	<-s.done
	lines := strings.Split(strings.TrimSpace(g.got.String()), "\n")
	// One more than wait: the writing goroutine holds one.
	if n := len(lines); n != pendingLines+1 {
		t.Errorf("%d lines written, want %d", n, pendingLines+1)
	}
	if want := fmt.Sprintf("line %d", len(lines)-1); lines[len(lines)-1] != want {
		t.Errorf("last is %q, want %q", lines[len(lines)-1], want)
	}
}

// TestStderrTellsLoss: once the output takes lines again, it is told how many
// it missed.
func TestStderrTellsLoss(t *testing.T) {
	defer goleak.VerifyNone(t)
	g := newGate()
	s := openStderr(g)
	written := 0
	for ; s.missing() < 7; written++ {
		fmt.Fprintln(s, "x")
	}
	close(g.open)
	for s.missing() > 0 {
		fmt.Fprintln(s, "again")
		written++
		time.Sleep(time.Millisecond)
	}
	s.close(time.Minute)
	out := g.got.String()
	var lost int
	if i := strings.Index(out, "netstackd: "); i < 0 {
		t.Fatal("the loss is not told")
	} else if _, err := fmt.Sscanf(out[i:], "netstackd: %d lines lost here", &lost); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out, "\n") - 1 + lost; got != written {
		t.Errorf("%d lines written and lost, want %d", got, written)
	}
}

// missing returns how many lines were lost since the last one taken.
func (s *stderr) missing() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}
