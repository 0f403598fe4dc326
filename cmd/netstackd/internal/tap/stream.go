package tap

import (
	"net/http"
	"sync"
	"time"
)

// piece is how much is written under one deadline, in bytes: so much a reader has
// to take in that time.
const piece = 32 << 10

// A stream is the way out of an answer. One goroutine at a time writes to it; the
// other methods are safe for concurrent use.
type stream struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	// failing is called with the first error, before Write returns it.
	failing func(error)
	// held is what was written before open, which nobody has yet.
	held []byte

	mu sync.Mutex
	// The following are guarded by mu.
	opened bool
	// until bounds all deadlines, once it is set.
	until time.Time
	err   error
}

// Write implements io.Writer. It waits for the reader, piece by piece, but for none
// longer than the patience. After an error nothing is written any more.
func (s *stream) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	opened := s.opened
	s.mu.Unlock()
	if !opened {
		s.held = append(s.held, p...)
		return len(p), nil
	}
	for n < len(p) {
		if err := s.begin(); err != nil {
			return n, err
		}
		m, err := s.w.Write(p[n:min(n+piece, len(p))])
		if err == nil {
			err = s.control.Flush()
		}
		if err != nil {
			return n, s.fail(err)
		}
		n += m
	}
	return n, nil
}

// begin sets the deadline for a piece, unless it has all failed already.
func (s *stream) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	deadline := time.Now().Add(s.patience)
	if !s.until.IsZero() && s.until.Before(deadline) {
		deadline = s.until
	}
	return s.control.SetWriteDeadline(deadline)
}

// fail notes the first error, and returns it.
func (s *stream) fail(err error) error {
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = err
	}
	err = s.err
	s.mu.Unlock()
	if first {
		s.failing(err)
	}
	return err
}

// failed is why nothing is written any more, or nil.
func (s *stream) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// open begins to write, with what is held.
func (s *stream) open() {
	s.mu.Lock()
	s.opened = true
	s.mu.Unlock()
	_, _ = s.Write(s.held) // it tells of itself
	s.held = nil
}

// end gives whatever is written from now on, or is being, no longer than patience.
func (s *stream) end(patience time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Now().Add(patience)
	// If it has none, it cannot fail for want of one.
	_ = s.control.SetWriteDeadline(s.until)
}
