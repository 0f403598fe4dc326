package iperf3

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// The times a client has. A test itself takes as long as the client asked for.
const (
	// stepPatience bounds each step of the handshake, and each that follows the
	// test: the cookie, the parameters, the next stream, the results.
	stepPatience = 10 * time.Second
	// silence ends a test over whose streams nothing has moved for so long. It
	// is iperf3's own (DEFAULT_NO_MSG_RCVD_TIMEOUT).
	silence = 2 * time.Minute
	// overtime is how long after its duration a test is ended by the server. It
	// is iperf3's own.
	overtime = 40 * time.Second
	// grace is how long a second client waits for the first to be gone before
	// it is refused: the end of a client that was killed and the beginning of
	// the next one travel together.
	grace = 200 * time.Millisecond
	// lastWords is how long a client has to read why it is refused.
	lastWords = 2 * time.Second
	// farewell is how long it has to read that the server ends.
	farewell = 100 * time.Millisecond
	// tick is the time between two looks at a running test, and iperf3's
	// default interval of reports.
	tick = time.Second
)

// Config says what a server may use.
type Config struct {
	// Datagrams sends for tests over UDP.
	Datagrams Datagrams
	// MaxWindow is the most a client may ask for as socket buffer, in bytes.
	MaxWindow int
	// Log gets a line about each test.
	Log logrus.FieldLogger
	// Cover runs what a goroutine of the server is for; nil just runs it.
	Cover func(func())
}

// Counters only ever grow.
type Counters struct {
	Tests    uint64 // that came to their end
	Failed   uint64 // tests that began with parameters and ended otherwise
	Busy     uint64 // connections refused because another test ran, or theirs was over
	NoCookie uint64 // connections that did not begin with a cookie
}

// Server runs tests, one at a time. Its methods are safe for concurrent use.
type Server struct {
	config     Config
	goroutines sync.WaitGroup

	tests, failed, busy, noCookie atomic.Uint64

	mu      sync.Mutex
	current *session // guarded by mu; nil while the server is free
	// late is the cookie of the last session that ended before it had all its
	// streams, until lateEnd: what comes with it is one of those, not a new
	// client.
	late    cookie    // guarded by mu
	lateEnd time.Time // guarded by mu
}

// NewServer starts nothing.
func NewServer(c Config) *Server {
	if c.Cover == nil {
		c.Cover = func(f func()) { f() }
	}
	return &Server{config: c}
}

// Counters takes a snapshot.
func (s *Server) Counters() Counters {
	return Counters{
		Tests:    s.tests.Load(),
		Failed:   s.failed.Load(),
		Busy:     s.busy.Load(),
		NoCookie: s.noCookie.Load(),
	}
}

// Serve serves every connection of l and returns when l fails, after the last
// of them is over.
func (s *Server) Serve(l Listener) error {
	defer s.goroutines.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		s.goroutines.Go(func() { s.config.Cover(func() { s.admit(conn) }) })
	}
}

// admit finds out what a connection is for. It owns conn until a session takes it.
func (s *Server) admit(conn Conn) {
	conn.SetPatience(stepPatience)
	var c cookie
	if _, err := io.ReadFull(conn, c[:]); err != nil || !c.valid() {
		if !errors.Is(err, os.ErrClosed) {
			s.noCookie.Add(1)
		}
		s.config.Log.WithField("remote", conn.Remote()).Debug("iperf3: connection did not begin with a cookie")
		conn.Close()
		return
	}
	patience := time.NewTimer(grace)
	defer patience.Stop()
	for {
		s.mu.Lock()
		now := s.current
		if now == nil && c == s.late && time.Now().Before(s.lateEnd) {
			s.mu.Unlock()
			s.refuse(conn)
			return
		}
		if now == nil {
			now = newSession(s, c, conn)
			s.current = now
			s.mu.Unlock()
			now.serve()
			return
		}
		s.mu.Unlock()
		if now.cookie == c {
			if !now.attach(conn) {
				s.refuse(conn)
			}
			return
		}
		select {
		case <-now.over:
		case <-patience.C:
			s.refuse(conn)
			return
		}
	}
}

// refuse tells a client that another one's test is running.
func (s *Server) refuse(conn Conn) {
	defer conn.Close()
	s.busy.Add(1)
	if sendState(conn, accessDenied) == nil {
		conn.SetPatience(lastWords)
		_ = conn.Finish() // the client is refused whether it listens or not
	}
}

// release lets the next client in.
func (s *Server) release(of *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == of {
		s.current = nil
		if !of.complete {
			s.late, s.lateEnd = of.cookie, time.Now().Add(stepPatience)
		}
		close(of.over)
	}
}

// running is the session that has the server, or nil.
func (s *Server) running() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// writeAll writes all of p.
func writeAll(conn Conn, p []byte) error {
	for len(p) > 0 {
		n, err := conn.Write(p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func sendState(conn Conn, s state) error {
	if err := writeAll(conn, []byte{byte(s)}); err != nil {
		return fmt.Errorf("send state %d: %w", s, err)
	}
	return nil
}
