package iperf3

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"
)

// room is what one direction of a pipe holds.
const room = 64 << 10

var errReset = errors.New("reset by the other end")

// half is one direction of a pipe.
type half struct {
	mu     sync.Mutex
	data   []byte        // guarded by mu
	fin    bool          // guarded by mu: nothing more comes
	reset  bool          // guarded by mu
	change chan struct{} // guarded by mu: closed and replaced at each change
}

func newHalf() *half { return &half{change: make(chan struct{})} }

// alter changes the half under its lock.
func (h *half) alter(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	close(h.change)
	h.change = make(chan struct{})
}

// try reads (into p) or writes (p) what goes without waiting; n is 0 if nothing
// does, and change is closed when that may be different.
func (h *half) try(p []byte, write bool) (n int, change <-chan struct{}, err error) {
	h.mu.Lock()
	change = h.change
	switch {
	case h.reset:
		err = errReset
	case write && h.fin:
		err = io.ErrClosedPipe
	case write:
		n = min(len(p), room-len(h.data))
	case len(h.data) > 0:
		n = min(len(p), len(h.data))
	case h.fin:
		err = io.EOF
	}
	h.mu.Unlock()
	if n > 0 {
		h.alter(func() {
			if write {
				h.data = append(h.data, p[:n]...)
			} else {
				copy(p, h.data)
				h.data = h.data[n:]
			}
		})
	}
	return n, change, err
}

// end is one end of a pipe. It is a Conn.
type end struct {
	in, out       *half
	local, remote netip.AddrPort
	patience      time.Duration
	interrupts    chan struct{}   // room for one
	done          <-chan struct{} // of the listener; nil for a client
	finished      bool
	retransmits   int64
	began         time.Duration
	tuned         Tuning
}

var _ Conn = (*end)(nil)

func newPipe(client, server netip.AddrPort, done <-chan struct{}) (c, s *end) {
	up, down := newHalf(), newHalf()
	c = &end{in: down, out: up, local: client, remote: server, patience: time.Hour, interrupts: make(chan struct{}, 1)}
	s = &end{in: up, out: down, local: server, remote: client, interrupts: make(chan struct{}, 1), done: done}
	return c, s
}

func (e *end) move(h *half, p []byte, write bool) (int, error) {
	for {
		n, change, err := h.try(p, write)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		timer := time.NewTimer(e.patience)
		select {
		case <-change:
			timer.Stop()
		case <-timer.C:
			return 0, os.ErrDeadlineExceeded
		case <-e.interrupts:
			timer.Stop()
			return 0, ErrInterrupted
		case <-e.done:
			timer.Stop()
			return 0, os.ErrClosed
		}
	}
}

func (e *end) Read(p []byte) (int, error)  { return e.move(e.in, p, false) }
func (e *end) Write(p []byte) (int, error) { return e.move(e.out, p, true) }
func (e *end) Discard() (int, error)       { return e.Read(make([]byte, room)) }
func (e *end) Fill(n int) (int, error)     { return e.Write(make([]byte, min(n, room))) }

func (e *end) SetPatience(d time.Duration) { e.patience = d }

func (e *end) Interrupt() {
	select {
	case e.interrupts <- struct{}{}:
	default:
	}
}

func (e *end) Tune(t Tuning) error    { e.tuned = t; return nil }
func (e *end) Congestion() string     { return "carrier pigeon" }
func (e *end) Retransmits() int64     { return e.retransmits }
func (e *end) Began() time.Duration   { return e.began }
func (e *end) Local() netip.AddrPort  { return e.local }
func (e *end) Remote() netip.AddrPort { return e.remote }

func (e *end) CloseWrite() error {
	e.out.alter(func() { e.out.fin = true })
	return nil
}

func (e *end) Finish() error {
	_ = e.CloseWrite()
	_, err := io.Copy(io.Discard, e)
	e.finished = err == nil
	return err
}

func (e *end) Close() {
	if !e.finished {
		e.in.alter(func() { e.in.reset = true })
		e.out.alter(func() { e.out.reset = true })
	}
}

// pipes is a Listener.
type pipes struct {
	queue chan *end
	done  chan struct{}
	ports uint16 // given to clients so far
}

func newPipes() *pipes { return &pipes{queue: make(chan *end, 1000), done: make(chan struct{})} }

func (p *pipes) Accept() (Conn, error) {
	select {
	case c := <-p.queue:
		return c, nil
	case <-p.done:
		return nil, fmt.Errorf("accept: %w", os.ErrClosed)
	}
}

var (
	serverAddr = netip.MustParseAddrPort("172.16.0.2:5201")
	clientAddr = netip.MustParseAddr("172.16.0.1")
)

// dial opens a connection, which is accepted next.
func (p *pipes) dial() *end {
	c, s := p.open()
	p.queue <- s
	return c
}

// open opens one that can be accepted once it is in the queue.
func (p *pipes) open() (c, s *end) {
	p.ports++
	c, s = newPipe(netip.AddrPortFrom(clientAddr, 40000+p.ports), serverAddr, p.done)
	s.retransmits, s.began = int64(p.ports), time.Duration(p.ports)
	return c, s
}

// wire is a Datagrams that keeps what is sent.
type wire struct {
	mu   sync.Mutex
	sent [][]byte // guarded by mu
	fail error    // guarded by mu
	open int      // guarded by mu: paths
}

func (w *wire) Send(local, remote netip.AddrPort, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail == nil {
		w.sent = append(w.sent, append([]byte(nil), payload...))
	}
	return w.fail
}

func (w *wire) Open(local, remote netip.AddrPort, body []byte, _ PathOptions) (Path, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	return &wirePath{w, local, remote, body}, nil
}

func (w *wire) take() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.sent
	w.sent = nil
	return taken
}

type wirePath struct {
	*wire
	local, remote netip.AddrPort
	body          []byte
}

func (p *wirePath) Send(head []byte) error {
	return p.wire.Send(p.local, p.remote, append(append([]byte(nil), head...), p.body...))
}

func (p *wirePath) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
}
