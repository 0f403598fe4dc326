package capture

import (
	"fmt"
	"io"
)

// A store is an open file, or what stands in for one.
type store interface {
	io.WriteCloser
	io.Seeker
	// Truncate cuts what is stored to so many bytes.
	Truncate(size int64) error
}

// An output is one file or stream. It is for one goroutine.
type output struct {
	store store
	// regular says that the store can be cut; else it is a stream.
	regular bool
	// shared says that the store stays someone else's to close.
	shared bool
	// size is where the last whole block ends, in bytes: of a regular file
	// from its beginning, of a stream from ours.
	size int64
	// torn says that a regular file may have bytes behind size.
	torn bool
	// broken is why a stream is over: it broke off within a block.
	broken error
}

// begin writes what every file begins with.
func (o *output) begin(header []byte) error {
	n, err := o.store.Write(header)
	if err == nil && n < len(header) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	o.size = int64(n)
	if o.regular {
		// Standard output may be a file that had something in it.
		if o.size, err = o.store.Seek(0, io.SeekCurrent); err != nil {
			return fmt.Errorf("find the end: %w", err)
		}
	}
	return nil
}

// write writes blocks, which lie in b, and returns how many of them the output
// took whole. An error says why it did not take them all. What it has of the
// others is cut off, now or before the next write.
func (o *output) write(b []byte, blocks []block) (whole int, err error) {
	if o.broken != nil {
		return 0, o.broken
	}
	if err := o.mend(); err != nil {
		return 0, err
	}
	n, err := o.store.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err == nil {
		o.size += int64(n)
		return len(blocks), nil
	}
	end := 0
	for whole < len(blocks) && blocks[whole].end <= n {
		end = blocks[whole].end
		whole++
	}
	o.size += int64(end)
	if o.regular {
		o.torn = true
		_ = o.mend() // if it fails, it is tried again
	} else if n > end {
		o.broken = fmt.Errorf("the stream broke off within a packet: %w", err)
	}
	return whole, err
}

// mend cuts off what is behind the last whole block.
func (o *output) mend() error {
	if !o.torn {
		return nil
	}
	if err := o.store.Truncate(o.size); err != nil {
		return fmt.Errorf("cut off a torn packet: %w", err)
	}
	if _, err := o.store.Seek(o.size, io.SeekStart); err != nil {
		return fmt.Errorf("cut off a torn packet: %w", err)
	}
	o.torn = false
	return nil
}

// close ends the output.
func (o *output) close() error {
	err := o.mend()
	if o.shared {
		return err
	}
	if e := o.store.Close(); e != nil && err == nil {
		err = e
	}
	return err
}
