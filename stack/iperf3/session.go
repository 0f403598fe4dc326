package iperf3

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// A session is one client from its cookie to its end. The goroutine of its
// control connection runs it; each stream that needs one has a goroutine
// besides.
type session struct {
	server  *Server
	cookie  cookie
	control Conn
	log     logrus.FieldLogger

	// over is closed by Server.release, when the next client may come.
	over chan struct{}
	// stop is closed by halt: the streams end.
	stop chan struct{}
	// workers are the goroutines of the streams.
	workers sync.WaitGroup

	// Written before the streams run, by the control goroutine.
	params *parameters
	cpu    cpuTime
	report *report // nil unless the client wants it

	mu      sync.Mutex
	joining bool             // guarded by mu: streams may attach
	live    bool             // guarded by mu: datagrams count
	pending []Conn           // guarded by mu: TCP streams that have attached
	streams []*stream        // guarded by mu until they run: in the client's order
	flows   map[flow]*stream // guarded by mu: UDP streams by their two ends

	// omitting is true until the test proper begins; what has been sent over TCP
	// since then is in sentBytes and sentBlocks, if the client wants a limit.
	omitting              atomic.Bool
	sentBytes, sentBlocks atomic.Uint64

	// Of the control goroutine.
	complete   bool      // all streams have come
	begin      time.Time // of what counts: the start, or the end of the omitted time
	lastMoved  uint64
	lastChange time.Time
}

func newSession(s *Server, c cookie, control Conn) *session {
	return &session{
		server:  s,
		cookie:  c,
		control: control,
		log:     s.config.Log.WithField("remote", control.Remote()),
		over:    make(chan struct{}),
		stop:    make(chan struct{}),
		flows:   make(map[flow]*stream),
	}
}

// serve runs the session to its end and frees all it holds.
func (t *session) serve() {
	err := t.run()
	t.halt()
	t.server.release(t)
	switch {
	case err == nil:
		t.server.tests.Add(1)
		t.control.SetPatience(stepPatience)
		// The client says that it is done, and closes. It has had its results,
		// so it does not matter how it leaves.
		var last [1]byte
		_, _ = io.ReadFull(t.control, last[:])
		_ = t.control.Finish()
	default:
		if t.params != nil {
			t.server.failed.Add(1)
		}
		t.log.WithError(err).Debug("iperf3: test ended early")
		t.explain(err)
	}
	for _, s := range t.streams {
		s.close()
	}
	for _, conn := range t.pending {
		conn.Close()
	}
	t.control.Close()
}

// explain tells the client why its test has ended, if it is still there.
func (t *session) explain(err error) {
	t.control.SetPatience(lastWords)
	var why *refusal
	switch {
	case errors.Is(err, os.ErrClosed):
		if sendState(t.control, serverTerminate) == nil {
			// It must read this before it meets the reset of its streams. That it
			// has cannot be waited for: nothing waits any more.
			time.Sleep(farewell)
		}
		return
	case errors.As(err, &why):
		message := binary.BigEndian.AppendUint32([]byte{byte(0x100 + int(serverError))}, uint32(why.code))
		message = binary.BigEndian.AppendUint32(message, 0) // errno
		err = writeAll(t.control, message)
	default:
		return
	}
	if err == nil {
		_ = t.control.Finish() // it has been told; whether it listens is its affair
	}
}

// halt ends the streams and waits for them. It may be called twice.
func (t *session) halt() {
	t.mu.Lock()
	t.joining, t.live = false, false
	select {
	case <-t.stop:
	default:
		close(t.stop)
	}
	for _, s := range t.streams {
		s.interrupt()
	}
	t.mu.Unlock()
	t.workers.Wait()
}

// run is the protocol. An error is a refusal if the client should hear of it.
func (t *session) run() error {
	if err := t.negotiate(); err != nil {
		return err
	}
	if err := t.gather(); err != nil {
		return err
	}
	if err := t.start(); err != nil {
		return err
	}
	if err := t.watch(); err != nil {
		return err
	}
	return t.exchange()
}

// negotiate gets the parameters.
func (t *session) negotiate() error {
	if err := sendState(t.control, paramExchange); err != nil {
		return err
	}
	message, err := readMessage(t.control, maxParameters)
	if err != nil {
		return fmt.Errorf("%w: %w", &refusal{errReceiveParams, "no parameters"}, err)
	}
	t.params, err = parseParameters(message, t.server.config.MaxWindow)
	return err
}

// gather waits until the client has opened all its streams.
func (t *session) gather() error {
	t.mu.Lock()
	t.joining = true
	t.mu.Unlock()
	if err := sendState(t.control, createStreams); err != nil {
		return err
	}
	before := 0
	for {
		t.mu.Lock()
		have := len(t.pending) + len(t.streams)
		t.mu.Unlock()
		if have == t.params.total() {
			break
		}
		t.control.SetPatience(stepPatience)
		switch said, err := t.hear(); {
		case errors.Is(err, ErrInterrupted):
		case errors.Is(err, os.ErrDeadlineExceeded):
			if have > before {
				before = have
				continue
			}
			return fmt.Errorf("%w: %w", &refusal{errStreamAccept, fmt.Sprintf("%d streams came, expected %d", have, t.params.total())}, err)
		case err != nil:
			return err
		default:
			return t.unexpected(said)
		}
	}
	t.complete = true
	t.mu.Lock()
	defer t.mu.Unlock()
	t.joining = false
	slices.SortStableFunc(t.pending, func(a, b Conn) int { return cmp.Compare(a.Began(), b.Began()) })
	for _, conn := range t.pending {
		t.streams = append(t.streams, t.newStream(len(t.streams), conn))
	}
	t.pending = nil
	return nil
}

// attach takes a TCP connection for a stream. The session owns it if it does.
func (t *session) attach(conn Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.joining || t.params.udp || len(t.pending) == t.params.total() {
		return false
	}
	t.pending = append(t.pending, conn)
	if len(t.pending) == t.params.total() {
		t.control.Interrupt()
	}
	return true
}

// start says that the test runs, and runs it.
func (t *session) start() error {
	p := t.params
	for _, s := range t.streams {
		if s.conn == nil {
			continue
		}
		if err := s.conn.Tune(Tuning{Buffer: p.window, TOS: p.tos, Congestion: p.congestion}); err != nil {
			return err
		}
	}
	if p.output {
		t.report = newReport(t)
	}
	if err := sendState(t.control, testStart); err != nil {
		return err
	}
	now := time.Now()
	t.cpu = readCPU()
	t.begin, t.lastChange = now, now
	t.omitting.Store(p.omit > 0)
	t.mu.Lock()
	t.live = true // before the client hears of it
	t.mu.Unlock()
	if err := sendState(t.control, testRunning); err != nil {
		return err
	}
	for _, s := range t.streams {
		if err := s.start(now); err != nil {
			return err
		}
	}
	return nil
}

// watch waits for the end of the test, and looks at it now and then.
func (t *session) watch() error {
	started := t.begin
	next := started.Add(tick)
	for {
		wait := time.Until(next)
		if t.omitting.Load() {
			wait = min(wait, time.Until(started.Add(t.params.omit)))
		}
		var said state
		err := os.ErrDeadlineExceeded
		if wait > 0 {
			t.control.SetPatience(wait)
			said, err = t.hear()
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, ErrInterrupted):
			continue
		case err != nil:
			return err
		case said == testEnd:
			return nil
		default:
			return t.unexpected(said)
		}
		now := time.Now()
		if t.omitting.Load() && !now.Before(started.Add(t.params.omit)) {
			t.omit(now)
			next = now.Add(tick)
			continue
		}
		if now.Before(next) {
			continue
		}
		next = next.Add(tick)
		if next.Before(now) {
			next = now.Add(tick)
		}
		if t.report != nil {
			t.report.interval(now)
		}
		if d := t.params.duration; d > 0 && now.Sub(started) > d+t.params.omit+overtime {
			return &refusal{errDurationExpired, "test has not ended in time"}
		}
		if moved := t.moved(); moved != t.lastMoved {
			t.lastMoved, t.lastChange = moved, now
		} else if now.Sub(t.lastChange) > silence {
			return &refusal{errNoMessage, "nothing has moved for " + silence.String()}
		}
	}
}

// omit forgets all that was counted: the test proper begins.
func (t *session) omit(now time.Time) {
	if t.report != nil {
		t.report.interval(now)
	}
	t.omitting.Store(false)
	t.begin = now
	for _, s := range t.streams {
		s.omit()
	}
	if t.report != nil {
		t.report.reset(now)
	}
}

// moved is how many bytes all streams have carried so far.
func (t *session) moved() uint64 {
	var sum uint64
	for _, s := range t.streams {
		sum += s.bytes.Load()
	}
	return sum
}

// exchange ends the streams and swaps results. After it the server is free.
func (t *session) exchange() error {
	t.halt()
	end := time.Now()
	r := t.results(end)
	for _, s := range t.streams {
		if err := s.end(); err != nil {
			return err
		}
	}
	if t.report != nil {
		t.report.interval(end)
		r.Output = t.report.finish(r)
	}
	if err := sendState(t.control, exchangeResults); err != nil {
		return err
	}
	t.control.SetPatience(stepPatience)
	// Nothing of what the client has seen is needed here, but its protocol has
	// it come first.
	message, err := readMessage(uninterrupted{t.control}, maxResults)
	if err != nil {
		return fmt.Errorf("%w: %w", &refusal{errReceiveResults, "no results"}, err)
	}
	if !json.Valid(message) {
		return &refusal{errReceiveResults, "results are no JSON"}
	}
	mine, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := writeAll(t.control, frame(mine)); err != nil {
		return fmt.Errorf("send results: %w", err)
	}
	if err := sendState(t.control, displayResults); err != nil {
		return err
	}
	t.log.WithFields(r.fields(t.params)).Info("iperf3 test is over")
	return nil
}

// uninterrupted reads past an Interrupt that was meant for an earlier wait, which
// ended before it came: that for the last stream, say.
type uninterrupted struct{ io.Reader }

func (u uninterrupted) Read(p []byte) (int, error) {
	for {
		n, err := u.Reader.Read(p)
		if n > 0 || !errors.Is(err, ErrInterrupted) {
			return n, err
		}
	}
}

// hear waits for the next state of the client.
func (t *session) hear() (state, error) {
	var b [1]byte
	if _, err := io.ReadFull(t.control, b[:]); err != nil {
		return 0, fmt.Errorf("read state: %w", err)
	}
	return state(b[0]), nil
}

// errClientGone is a client that ended its test itself.
var errClientGone = errors.New("client has ended the test")

// unexpected is a state that the client should not have sent now.
func (t *session) unexpected(said state) error {
	if said == clientTerminate || said == iperfDone {
		return errClientGone
	}
	return &refusal{errMessage, fmt.Sprintf("client sent state %d", said)}
}
