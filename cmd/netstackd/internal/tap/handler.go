package tap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/serve"
	"netstackd/hooks/capture"
	"netstackd/hooks/live"
	"netstackd/hooks/trace"
	"netstackd/hooks/trace/ring"
)

// DefaultPatience is how long a reader may take nothing.
const DefaultPatience = 30 * time.Second

// endPatience is how long the rest and the end may take of what a reader gets: less
// than the server waits for its requests when all ends.
const endPatience = time.Second

// gone is why a capture ends whose reader has closed its connection.
const gone = "the reader has gone"

// notComparing is what readers are told where nobody compares.
const notComparing = "comparisons are not made, and the fate of what netstack answers is delivered: they take -trace compare or -pcapng"

// What waits for a reader at most. All of them together may hold 64 times that.
var bounds = ring.Size{Len: 4096, Bytes: 8 << 20}

// Config says what to serve. Patience may be 0.
type Config struct {
	Readers *live.Readers
	// Device and Version are named in what readers get.
	Device, Version string
	// Settle returns once all is reported of the packets that were compared when it
	// was called. It is nil if nothing ever is.
	Settle func()
	// Comparing reports whether packets are compared now, which readers are told. Nil
	// is never.
	Comparing func() bool
	// Patience is how long a reader may take nothing; 0 is [DefaultPatience].
	Patience time.Duration
	Log      logrus.FieldLogger
}

// NewHandler returns the handler of /capture.
func NewHandler(c Config) http.Handler {
	if c.Patience == 0 {
		c.Patience = DefaultPatience
	}
	return &handler{c}
}

type handler struct{ Config }

// A recorder renders and writes what its reader follows.
type recorder interface {
	live.Sink
	Start()
}

// A sink is a recorder that stops to count its losses once nobody is there to lose
// anything.
type sink struct {
	recorder
	// final is what was lost by then.
	final atomic.Pointer[uint64]
}

// Lost implements live.Sink.
func (s *sink) Lost() uint64 {
	if n := s.final.Load(); n != nil {
		return *n
	}
	return s.recorder.Lost()
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if q.format == pcapng {
		w.Header().Set("Content-Type", "application/pcapng")
		w.Header().Set("Content-Disposition", `attachment; filename="netstackd.pcapng"`)
	} else {
		w.Header().Set("Content-Type", "application/x-ndjson")
	}
	if r.Method == http.MethodHead {
		return
	}
	if err := h.follow(w, r, q); err != nil {
		w.Header().Del("Content-Disposition")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

// follow serves a reader until one of the two has enough. With an error nothing is
// written yet.
func (h *handler) follow(w http.ResponseWriter, r *http.Request, q query) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	to := &sink{}
	out := &stream{w: w, control: http.NewResponseController(w), patience: h.Patience}
	out.failing = func(error) {
		n := to.recorder.Lost()
		to.final.Store(&n)
		cancel()
	}
	reader := live.NewReader(live.Wish{Match: q.filter, Count: q.count, Snap: q.snap}, to)
	if err := h.Readers.Enter(); err != nil {
		return fmt.Errorf("%w, %d (-captures): end one, or allow more", err, h.Readers.Counts().Most)
	}
	defer h.Readers.Leave(reader)
	finish, err := h.open(to, out, q)
	if err != nil {
		return err
	}
	log := h.Log.WithFields(logrus.Fields{"remote": r.RemoteAddr, "filter": q.filter.String(), "format": q.format})
	log.Info("capture begins")
	// The request is here: the deadline for it would end the answer.
	_ = out.control.SetReadDeadline(time.Time{})
	// Who has seen that the capture begins gets every packet from then on.
	h.Readers.Follow(reader)
	out.open()
	to.Start()
	why := h.wait(ctx, reader, q)
	h.Readers.Stop(reader)
	out.end(endPatience)
	finish(why)
	if why == gone && errors.Is(out.failed(), os.ErrDeadlineExceeded) {
		// The server ends the request before the writer knows why.
		why = fmt.Sprintf("the reader took nothing for %v", h.Patience)
	}
	log.WithFields(logrus.Fields{"packets": reader.Packets(), "lost": to.Lost(), "reason": why}).Info("capture ends")
	return nil
}

// wait waits for the end, and says why it is there.
func (h *handler) wait(ctx context.Context, reader *live.Reader, q query) string {
	var expired <-chan time.Time
	if q.duration > 0 {
		timer := time.NewTimer(q.duration)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-reader.Full():
		if h.Settle != nil {
			h.Settle() // what there is to say of the last packet
		}
		return fmt.Sprintf("count=%d", q.count)
	case <-expired:
		return fmt.Sprintf("duration=%v", q.duration)
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), serve.ErrGoingDown) {
			return serve.ErrGoingDown.Error()
		}
		return gone
	}
}

// open makes the recorder of a reader, and returns what ends it.
func (h *handler) open(to *sink, out *stream, q query) (finish func(why string), err error) {
	comparing := h.Comparing != nil && h.Comparing()
	note := ""
	if !comparing {
		note = notComparing
	}
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	if q.format == pcapng {
		comment := "live capture; verdicts and comparisons are in the packets' comments"
		if !comparing {
			comment = "live capture; verdicts are in the packets' comments, " + note
		}
		rec, err := capture.OpenStream(out, capture.Config{Device: h.Device, Version: h.Version, Log: quiet},
			capture.Stream{Comment: comment, Filter: q.filter.String(), Snap: q.snap, Ring: bounds})
		if err != nil {
			return nil, err
		}
		to.recorder = rec
		return func(string) { drain(rec.Close) }, nil
	}
	rec, err := trace.NewSizedRecorder(out, trace.Compare, trace.JSON, bounds, quiet)
	if err != nil {
		return nil, err
	}
	to.recorder = rec
	line(out, struct {
		Type      string `json:"type"`
		Version   string `json:"version"`
		Device    string `json:"device"`
		Filter    string `json:"filter"`
		Comparing bool   `json:"comparing"`
		Note      string `json:"note,omitempty"`
	}{"capture", h.Version, h.Device, q.filter.String(), comparing, note})
	return func(why string) {
		drain(func(patience time.Duration) error { return rec.Close(nil, patience) })
		line(out, struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
			Lost   uint64 `json:"lost"`
		}{"end", why, to.Lost()})
	}, nil
}

// drain closes a recorder, and waits until its writer is done: the answer is its
// to write until then. Its output has a deadline, so that is soon.
func drain(closing func(time.Duration) error) {
	// That the reader has gone, or took too little, is known by then.
	for errors.Is(closing(2*endPatience), ring.ErrAbandoned) {
	}
}

// line writes an object as a line.
func line(out *stream, v any) {
	text, err := json.Marshal(v)
	if err == nil { // as it is: there are strings and numbers in it
		_, _ = out.Write(append(text, '\n')) // it tells of itself
	}
}
