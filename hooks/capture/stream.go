package capture

import (
	"errors"
	"io"

	"netstackd/hooks/trace/ring"
)

// Stream says what is particular about a capture that somebody follows.
type Stream struct {
	// Comment stands at the capture's beginning, Filter with its interface.
	Comment, Filter string
	// Snap is how many bytes of a packet are written at most; 0 means all.
	Snap int
	// Ring bounds what waits for the writer.
	Ring ring.Size
}

// OpenStream begins a capture that goes to w, which stays the caller's, and writes
// its header there. Path, Rotate and Keep are not heeded.
func OpenStream(w io.Writer, cfg Config, s Stream) (*Recorder, error) {
	cfg.Path, cfg.Rotate, cfg.Keep = "-", 0, 0
	return open(cfg, s, func(string, int) (*output, error) {
		return &output{store: stream{w}, shared: true}, nil
	})
}

// A stream makes a store of a writer.
type stream struct{ io.Writer }

var _ store = stream{}

var errStream = errors.New("a stream cannot be cut")

// Close implements store. An output that is shared is not closed.
func (stream) Close() error { return nil }

// Seek implements store.
func (stream) Seek(int64, int) (int64, error) { return 0, errStream }

// Truncate implements store.
func (stream) Truncate(int64) error { return errStream }
