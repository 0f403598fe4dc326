package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

var (
	// errWouldBlock is what tryRead and tryWrite return when the peer has to
	// act first; wait waits for it.
	errWouldBlock = errors.New("would block")

	// errStalled is what waitAtMost returns when nothing has changed.
	errStalled = errors.New("nothing has changed")

	// errIdle is a connection without progress for the idle time.
	errIdle = errors.New("no progress for too long")
)

// stream is one accepted TCP connection in the hands of the one goroutine that
// serves it. It is not safe for concurrent use.
//
// It is leaner than a net.Conn on purpose: one registration with netstack and
// one timer serve the whole connection, and reading never needs a buffer before
// there is something to read.
type stream struct {
	ep    tcpip.Endpoint
	seat  *seat
	from  string // the client, for the log
	wq    *waiter.Queue
	entry waiter.Entry

	// ready has room for one signal: netstack signals it whenever the
	// connection became readable, writable or broken. Never closed.
	ready chan struct{}
	// done is that of the service: it ends with it.
	done <-chan struct{}

	idle  time.Duration
	timer *time.Timer // runs out idle after the last progress before a wait
	armed bool        // timer was set since the last progress

	source bytes.Reader // what tryWrite hands to netstack, kept to not allocate
}

// newStream takes over the endpoint of a seat, which its caller must not use any more.
func newStream(at *seat, wq *waiter.Queue, idle time.Duration, done <-chan struct{}) *stream {
	s := &stream{ep: at.served, seat: at, from: remoteOf(at.ep), wq: wq, idle: idle, done: done, timer: time.NewTimer(idle)}
	s.timer.Stop()
	s.entry, s.ready = waiter.NewChannelEntry(
		waiter.ReadableEvents | waiter.WritableEvents | waiter.EventHUp | waiter.EventErr)
	wq.EventRegister(&s.entry)
	return s
}

// tryRead reads what there is, without waiting: errWouldBlock when there is
// nothing yet, io.EOF after the peer's FIN.
func (s *stream) tryRead(p []byte) (int, error) {
	dst := tcpip.SliceWriter(p)
	n, err := s.readTo(&dst)
	if n > 0 {
		s.armed = false
		s.seat.move(n)
	}
	return n, err
}

// skip throws away what there is to read. Unlike tryRead it is no progress: a
// client that only sends to a service that only sends is as good as stalled.
func (s *stream) skip() error {
	_, err := s.readTo(io.Discard)
	return err
}

func (s *stream) readTo(dst io.Writer) (int, error) {
	res, terr := s.ep.Read(dst, tcpip.ReadOptions{})
	switch terr.(type) {
	case nil:
		// The receive buffer is tuned by what was taken out of it.
		s.ep.ModerateRecvBuf(res.Count)
		return res.Count, nil
	case *tcpip.ErrWouldBlock:
		return 0, errWouldBlock
	case *tcpip.ErrClosedForReceive:
		return 0, io.EOF
	}
	return 0, asError(terr, "read connection")
}

// tryWrite writes what fits, without waiting: errWouldBlock when nothing does.
func (s *stream) tryWrite(p []byte) (int, error) {
	s.source.Reset(p)
	defer s.source.Reset(nil)
	return s.tryPayload(&s.source)
}

// tryPayload is tryWrite of what source reads.
func (s *stream) tryPayload(source tcpip.Payloader) (int, error) {
	n, terr := s.ep.Write(source, tcpip.WriteOptions{})
	switch terr.(type) {
	case nil:
		if n > 0 {
			s.armed = false
			s.seat.move(int(n))
		}
		return int(n), nil
	case *tcpip.ErrWouldBlock:
		return 0, errWouldBlock
	}
	return 0, asError(terr, "write connection")
}

// wait waits until something about the connection changed, which may be
// nothing of interest: try again. It gives up with errIdle when the time since
// the last progress is over, and with os.ErrClosed when the host closes.
func (s *stream) wait() error {
	if !s.armed {
		s.timer.Reset(s.idle)
		s.armed = true
	}
	select {
	case <-s.ready:
		return s.running()
	case <-s.timer.C:
		return errIdle
	case <-s.done:
		return s.running()
	}
}

// waitAtMost is wait, but gives up with errStalled after d, which is short
// beside the idle time.
func (s *stream) waitAtMost(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.ready:
		return s.running()
	case <-timer.C:
		return errStalled
	case <-s.done:
		return s.running()
	}
}

// running is an error once the host closes. A loop that may never wait asks it.
func (s *stream) running() error {
	select {
	case <-s.done:
		return fmt.Errorf("serve connection: %w", os.ErrClosed)
	default:
		return nil
	}
}

// finish sends what is still to be sent and then FIN, and waits until the peer
// has acknowledged all of it, so that a connection counts against its limit for
// as long as netstack holds data for it. It does not wait longer than idle.
func (s *stream) finish() error {
	if terr := s.ep.Shutdown(tcpip.ShutdownWrite); terr != nil {
		return asError(terr, "shut connection down")
	}
	s.armed = false
	for {
		switch tcp.EndpointState(s.ep.State()) {
		case tcp.StateClose, tcp.StateTimeWait:
			return nil
		case tcp.StateError:
			return errors.New("finish connection: reset by the client")
		}
		if err := s.wait(); err != nil {
			return err
		}
	}
}

// close frees the connection: with a reset unless finish ended it.
func (s *stream) close(graceful bool) {
	s.timer.Stop()
	s.wq.EventUnregister(&s.entry)
	if graceful {
		s.ep.Close()
		return
	}
	reset(s.ep)
}

// remoteAddr is the client's address, or the zero Addr if it is gone already.
func remoteAddr(ep tcpip.Endpoint) netip.Addr {
	a, terr := ep.GetRemoteAddress()
	if terr != nil {
		return netip.Addr{}
	}
	return toAddr(a.Addr)
}

func remoteOf(ep tcpip.Endpoint) string {
	a, terr := ep.GetRemoteAddress()
	if terr != nil {
		return ""
	}
	return fmt.Sprint(toAddrPort(a))
}
