package iperf3

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// A stream carries data one way: over a TCP connection of its own, or in
// datagrams between two ports.
type stream struct {
	session *session
	id      int
	sender  bool

	conn Conn // TCP, else nil
	flow flow // UDP

	// bytes that have come or gone, from the beginning.
	bytes atomic.Uint64
	// sent is how many datagrams have gone, from the beginning.
	sent atomic.Uint64
	// arrivals are the datagrams that have come, guarded by session.mu.
	arrivals arrivals

	// omitted is what of all that came before the test proper, and before is
	// what stood when the last interval of the report began. Both belong to the
	// control goroutine.
	omitted, before tally
}

// tally is what a stream has counted.
type tally struct {
	bytes       uint64
	retransmits int64 // -1: not counted
	packets     uint64
	lost        uint64
	reordered   uint64
}

// newStream is the stream at a place in the order in which the client has opened
// them. Those that it sends over come first.
func (t *session) newStream(place int, conn Conn) *stream {
	s := &stream{session: t, id: place + 2, conn: conn}
	if place == 0 {
		s.id = 1 // iperf3 has no stream 2
	}
	s.sender = t.params.reverse || t.params.bidirectional && place >= t.params.streams
	return s
}

// start runs the stream.
func (s *stream) start(now time.Time) error {
	t := s.session
	switch {
	case s.conn == nil && !s.sender:
		return nil // Server.Datagram does it all
	case s.conn == nil:
		d, err := s.openDatagrams()
		if err != nil {
			return err
		}
		t.work(func() { d.send(now) })
	case s.sender:
		s.conn.SetPatience(forever)
		t.work(func() { s.send(now) })
	default:
		s.conn.SetPatience(forever)
		t.work(s.receive)
	}
	return nil
}

// work runs f on a worker of the session.
func (t *session) work(f func()) { t.workers.Go(func() { t.server.config.Cover(f) }) }

// forever is longer than any test: session.watch knows when a stream is dead.
const forever = 48 * time.Hour

// receive throws away what the client sends.
func (s *stream) receive() {
	for !s.session.halted() {
		n, err := s.conn.Discard()
		s.bytes.Add(uint64(n))
		if err != nil && !errors.Is(err, ErrInterrupted) {
			return
		}
	}
}

// send sends as fast as the connection or the client's wish allows. Blocks are
// whole unless the test ends.
func (s *stream) send(begin time.Time) {
	t := s.session
	pace := newPace(t.params, begin, t.stop)
	defer pace.close()
	unit := t.params.unit()
	left := unit
	for !t.halted() {
		n, err := s.conn.Fill(left)
		s.bytes.Add(uint64(n))
		if err != nil && !errors.Is(err, ErrInterrupted) {
			return
		}
		if left -= n; left > 0 {
			continue
		}
		left = unit
		if !pace.next(unit) || !t.mayGoOn(unit) {
			return
		}
	}
}

// unit is how much the server sends over TCP between two decisions, in bytes: a
// block, or all there is when there is nothing to decide. Small blocks stay
// apart even then: who asks for them wants small writes.
func (p *parameters) unit() int {
	if p.rate == 0 && p.bytes == 0 && p.blocks == 0 && p.block >= smallBlock {
		return math.MaxInt
	}
	return p.block
}

// smallBlock is what fits a few segments.
const smallBlock = 16 << 10

// mayGoOn is asked after each block of all TCP streams that the server sends
// over. It is false when the client has been sent as much as it wants: it ends
// the test once it has read that. Datagrams get lost, so over UDP the server
// goes on until the client has enough.
func (t *session) mayGoOn(block int) bool {
	p := t.params
	if p.bytes == 0 && p.blocks == 0 || t.omitting.Load() {
		return true
	}
	bytes, blocks := t.sentBytes.Add(uint64(block)), t.sentBlocks.Add(1)
	return (p.bytes == 0 || bytes < p.bytes) && (p.blocks == 0 || blocks < p.blocks)
}

// halted reports whether the streams are to end.
func (t *session) halted() bool {
	select {
	case <-t.stop:
		return true
	default:
		return false
	}
}

// interrupt wakes the stream's goroutine.
func (s *stream) interrupt() {
	if s.conn != nil {
		s.conn.Interrupt()
	}
}

// end tells the client that nothing more comes: it reads on for as long as there
// may be something, and only then looks at its control connection.
func (s *stream) end() error {
	if s.conn == nil || !s.sender {
		return nil
	}
	if err := s.conn.CloseWrite(); err != nil {
		return fmt.Errorf("end %s: %w", s, err)
	}
	return nil
}

// close frees what the stream holds. Its goroutine must have ended.
func (s *stream) close() {
	if s.conn != nil {
		s.conn.Close()
	}
}

// tally counts what the stream has done so far.
func (s *stream) tally() tally {
	c := tally{bytes: s.bytes.Load(), retransmits: -1}
	switch {
	case s.conn == nil && s.sender:
		c.packets = s.sent.Load()
	case s.conn == nil:
		s.session.mu.Lock()
		a := s.arrivals
		s.session.mu.Unlock()
		c.packets, c.lost, c.reordered = a.highest, a.lost, a.reordered
	case s.sender:
		c.retransmits = s.conn.Retransmits()
	}
	return c
}

// omit lets the test proper begin.
func (s *stream) omit() {
	s.omitted = s.tally()
	s.before = s.omitted
	s.session.mu.Lock()
	s.arrivals.omit()
	s.session.mu.Unlock()
}

// result is what the client is told.
func (s *stream) result() streamResult {
	now := s.tally()
	r := streamResult{
		ID: s.id, sender: s.sender,
		Bytes:          now.bytes - s.omitted.bytes,
		Retransmits:    now.retransmits,
		Errors:         now.lost,
		OmittedErrors:  s.omitted.lost,
		Packets:        now.packets,
		OmittedPackets: s.omitted.packets,
	}
	if now.retransmits >= 0 {
		r.Retransmits -= max(s.omitted.retransmits, 0)
	}
	s.session.mu.Lock()
	r.Jitter = s.arrivals.jitter
	s.session.mu.Unlock()
	return r
}

func (s *stream) String() string { return fmt.Sprintf("stream %d", s.id) }
