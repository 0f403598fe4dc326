package capture

import (
	"bufio"
	"io"
	"iter"
	"time"

	"netstackd/hooks/trace/ring"
)

// A Store is what a test puts in place of a file.
type Store = store

// OpenStores opens a recorder whose files are those that create returns. They
// count as regular files, or as streams.
func OpenStores(cfg Config, regular bool, create func(name string) (Store, error)) (*Recorder, error) {
	return open(cfg, Stream{Ring: ring.Size{Len: ring.Len, Bytes: ring.Bytes}}, func(name string, _ int) (*output, error) {
		s, err := create(name)
		if err != nil {
			return nil, err
		}
		return &output{store: s, regular: regular}, nil
	})
}

// A WriterStore makes a store of a writer.
type WriterStore struct{ io.Writer }

func (WriterStore) Close() error                   { return nil }
func (WriterStore) Seek(int64, int) (int64, error) { panic("seek in a stream") }
func (WriterStore) Truncate(int64) error           { panic("truncate a stream") }

// The bounds of the ring.
const (
	RingLen   = ring.Len
	RingBytes = ring.Bytes
	MaxPacket = maxPacket
)

// ReadPackets is Packets on what is no file.
func ReadPackets(r io.Reader) iter.Seq2[Captured, error] {
	return func(yield func(Captured, error) bool) { readPackets(r, "test", yield) }
}

// A Frame is a packet of any kind.
type Frame struct {
	Time     time.Time
	LinkType uint16
	Data     string
	Length   int
}

// ReadFrames reads the frames of a capture, up to the error.
func ReadFrames(r io.Reader) (frames []Frame, err error) {
	reader, err := newFrameReader(bufio.NewReader(r))
	for err == nil {
		var f frame
		if f, err = reader.next(); err == nil {
			frames = append(frames, Frame{f.time, f.linkType, string(f.data), f.length})
		}
	}
	return frames, err
}
