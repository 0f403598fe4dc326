package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// opPatience is how long one operation may take: TCP that waits for a device that
// is down doubles its waits.
const opPatience = 90 * time.Second

// Tally counts what a load did. It is safe for concurrent use.
type Tally struct {
	mu       sync.Mutex
	counts   TallyCounts
	failures []Failure // guarded by mu, like counts
}

// TallyCounts is how much was done.
type TallyCounts struct {
	Operations, Bytes uint64
	Slowest           time.Duration
}

// Failure is an operation that did not end as it should.
type Failure struct {
	Span
	Err error
}

// failuresMost is how many failures are kept: more are more than anyone reads.
const failuresMost = 10_000

// Did notes an operation, or with an error its failure. What ctx ended is neither.
func (t *Tally) Did(ctx context.Context, begin time.Time, size int, err error) {
	if ctx.Err() != nil && err != nil {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		if len(t.failures) < failuresMost {
			t.failures = append(t.failures, Failure{Span{begin, now}, err})
		}
		return
	}
	t.counts.Operations++
	t.counts.Bytes += uint64(size)
	t.counts.Slowest = max(t.counts.Slowest, now.Sub(begin))
}

// Counts is what was done so far.
func (t *Tally) Counts() TallyCounts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// Failures are those so far.
func (t *Tally) Failures() []Failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failures
}

// rest waits, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Converse sends messages to an echo service over a TCP connection until ctx ends,
// one every so often, and wants each back as it was. It makes a new connection after
// so many, and after a failure.
func Converse(ctx context.Context, to string, size, messages int, every time.Duration, t *Tally) {
	random := rand.NewChaCha8([32]byte{})
	sent, got := make([]byte, size), make([]byte, size)
	each(ctx, to, t, func(conn net.Conn) bool {
		for range messages {
			begin := time.Now()
			_, _ = random.Read(sent) // never fails
			err := exchange(conn, sent, got)
			t.Did(ctx, begin, size, err)
			if err != nil {
				return false
			}
			rest(ctx, every)
		}
		return true
	})
}

// exchange sends a message while it reads it back.
func exchange(conn net.Conn, sent, got []byte) error {
	if err := conn.SetDeadline(time.Now().Add(opPatience)); err != nil {
		return err
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		wrote <- err
	}()
	_, err := io.ReadFull(conn, got)
	if err != nil {
		conn.Close() // or the other may wait for it
	}
	if err = errors.Join(<-wrote, err); err != nil {
		return fmt.Errorf("echo %d bytes: %w", len(sent), err)
	}
	if !bytes.Equal(sent, got) {
		return fmt.Errorf("echo %d bytes: other bytes came back", len(sent))
	}
	return nil
}

// each has use work on one connection after the other until ctx ends. Closing one
// resets it, so that no port is left in TIME-WAIT. use notes its own failures, and
// reports whether there was none.
func each(ctx context.Context, to string, t *Tally, use func(net.Conn) bool) {
	dialer := net.Dialer{Timeout: opPatience}
	for ctx.Err() == nil {
		begin := time.Now()
		conn, err := dialer.DialContext(ctx, "tcp", to)
		good := err == nil
		if good {
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			_ = conn.(*net.TCPConn).SetLinger(0) // else a port less for a minute
			good = use(conn)
			stop()
			conn.Close()
		} else {
			t.Did(ctx, begin, 0, err)
		}
		if !good {
			rest(ctx, 100*time.Millisecond)
		}
	}
}

// piece is how much bulk data is moved at a time, in bytes.
const piece = 256 << 10

// Pour sends bulk data to a discard service until ctx ends, so many bytes a second.
func Pour(ctx context.Context, to string, rate int, t *Tally) {
	buf := make([]byte, piece)
	each(ctx, to, t, func(conn net.Conn) bool { return move(ctx, conn, conn.Write, buf, rate, t) })
}

// Drain reads bulk data from a chargen service until ctx ends, so many bytes a second.
func Drain(ctx context.Context, to string, rate int, t *Tally) {
	buf := make([]byte, piece)
	each(ctx, to, t, func(conn net.Conn) bool { return move(ctx, conn, conn.Read, buf, rate, t) })
}

// move moves data in pieces until ctx ends or one fails, which it reports.
func move(ctx context.Context, conn net.Conn, by func([]byte) (int, error), buf []byte, rate int, t *Tally) bool {
	for next := time.Now(); ctx.Err() == nil; {
		begin := time.Now()
		n, err := 0, conn.SetDeadline(begin.Add(opPatience))
		if err == nil {
			n, err = by(buf)
		}
		t.Did(ctx, begin, n, err)
		if err != nil {
			return false
		}
		// What was missed is not made up for.
		if next = next.Add(time.Duration(n) * time.Second / time.Duration(rate)); time.Until(next) < 0 {
			next = time.Now()
		}
		rest(ctx, time.Until(next))
	}
	return true
}

// Fetch gets pages until ctx ends, one every so often, and wants check to like each.
func Fetch(ctx context.Context, client *http.Client, url string, every time.Duration, t *Tally, check func(status int, body []byte) error) {
	for ctx.Err() == nil {
		begin := time.Now()
		status, body, err := Get(ctx, client, url)
		if err == nil {
			err = check(status, body)
		}
		t.Did(ctx, begin, len(body), err)
		rest(ctx, every)
	}
}

// pageMost is the longest page that is read, in bytes.
const pageMost = 4 << 20

// Get gets one page, within the patience of an operation.
func Get(ctx context.Context, client *http.Client, url string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, opPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, pageMost))
	return response.StatusCode, body, err
}
