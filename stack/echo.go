package stack

import (
	"io"
	"slices"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
)

// transferSize is how much one read of a TCP service takes at most. It is
// two of the super-segments a link may deliver, so that a fast client costs few
// rounds.
const transferSize = 128 << 10

// transfers are the buffers of the TCP services: a connection borrows one while
// there is something in it and no longer.
var transfers = sync.Pool{New: func() any { return new([transferSize]byte) }}

// What echo takes in while it cannot send.
const (
	// echoStall is how long a write may make no progress before echo reads on.
	echoStall = 20 * time.Millisecond
	// echoSip is how much it then reads, in bytes, doubled with each stall
	// until a write makes progress again, echoSips times at most.
	echoSip  = 4 << 10
	echoSips = 8
	// echoAhead bounds the transfers that it holds for one connection, and
	// echoAheadCrowd those for one of many.
	echoAhead      = 32
	echoAheadCrowd = 2
)

// echoStream sends back what it reads until the client's FIN (RFC 862). All of
// it is sent before the connection ends, so a client may send everything, half
// close, and read to the end.
//
// While it cannot send it does not read, so that a client which does not take
// its data is held back, with one exception. Once the receive window has
// closed, netstack discards every segment past the window's edge whole, its
// acknowledgement too; and since it rounds the window down to the scale anew
// with each segment, the edge moves back over what the client has sent already
// (RFC 7323 section 2.4 wants that honoured). Then no acknowledgement comes in,
// the send buffer stays full, and neither side moves again. So when a write
// makes no progress, echo reads a little on: that opens the window, and the
// next segment brings the acknowledgement.
func echoStream(s *stream) error {
	q := echoQueue{most: echoAhead}
	if s.seat.crowd {
		q.most = echoAheadCrowd
	}
	defer q.free()
	ended, sips := false, 0
	// takeIn reads once, at most so much.
	takeIn := func(most int) error {
		err := q.fill(s, most)
		if err == io.EOF {
			ended, err = true, nil
		}
		return err
	}
	for {
		var err error
		switch {
		case q.empty() && ended:
			return s.finish()
		case q.empty():
			if err = takeIn(transferSize); err == errWouldBlock {
				err = s.wait()
			}
		default:
			if err = q.send(s); err == nil {
				sips = 0
				break
			}
			if err == errWouldBlock {
				err = s.waitAtMost(echoStall)
			}
			if err != errStalled {
				break
			}
			err = errWouldBlock
			if !ended && sips < echoSips {
				// This is no progress: the idle time goes on.
				armed := s.armed
				err = takeIn(echoSip << sips)
				s.armed = armed
				sips++
			}
			if err == errWouldBlock {
				err = s.wait()
			}
		}
		if err == nil {
			err = s.running()
		}
		if err != nil {
			return err
		}
	}
}

// An echoQueue is what echo has read and not sent, in order.
type echoQueue struct {
	chunks []echoChunk
	// most is how many chunks there may be.
	most int
}

// An echoChunk is a borrowed transfer: what has been read into it ends at
// filled, and what of that has been sent ends at sent.
type echoChunk struct {
	memory       *[transferSize]byte
	sent, filled int
}

func (q *echoQueue) empty() bool { return len(q.chunks) == 0 }

// fill reads once, most bytes at most: errWouldBlock if there is nothing to
// read, or no room.
func (q *echoQueue) fill(s *stream, most int) error {
	if n := len(q.chunks); n > 0 && q.chunks[n-1].filled < transferSize {
		last := &q.chunks[n-1]
		read, err := s.tryRead(last.memory[last.filled:min(last.filled+most, transferSize)])
		last.filled += read
		return err
	}
	if len(q.chunks) == q.most {
		return errWouldBlock
	}
	memory := transfers.Get().(*[transferSize]byte)
	n, err := s.tryRead(memory[:min(most, transferSize)])
	if n == 0 {
		transfers.Put(memory)
		return err
	}
	q.chunks = append(q.chunks, echoChunk{memory: memory, filled: n})
	return err
}

// send writes once.
func (q *echoQueue) send(s *stream) error {
	first := &q.chunks[0]
	n, err := s.tryWrite(first.memory[first.sent:first.filled])
	if first.sent += n; first.sent == first.filled {
		transfers.Put(first.memory)
		q.chunks = slices.Delete(q.chunks, 0, 1)
	}
	return err
}

// free gives the memory back.
func (q *echoQueue) free() {
	for _, c := range q.chunks {
		transfers.Put(c.memory)
	}
	q.chunks = nil
}

// echoDatagram sends back the request (RFC 862).
func echoDatagram(request buffer.Buffer) (buffer.Buffer, bool) { return request, true }
