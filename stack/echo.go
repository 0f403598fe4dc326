package stack

import (
	"io"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
)

// transferSize is how much one read of a TCP service takes at most. It is
// two of the super-segments a link may deliver, so that a fast client costs few
// rounds.
const transferSize = 128 << 10

// transfers are the buffers of the TCP services: a connection borrows one while
// there is something in it and no longer.
var transfers = sync.Pool{New: func() any { return new([transferSize]byte) }}

// echoStream sends back what it reads until the client's FIN (RFC 862). All of
// it is sent before the connection ends, so a client may send everything, half
// close, and read to the end.
func echoStream(s *stream) error {
	for {
		buf := transfers.Get().(*[transferSize]byte)
		n, err := s.tryRead(buf[:])
		if n > 0 {
			err = s.write(buf[:n])
		}
		transfers.Put(buf)
		switch err {
		case nil:
			err = s.running()
		case errWouldBlock:
			err = s.wait()
		case io.EOF:
			return s.finish()
		}
		if err != nil {
			return err
		}
	}
}

// echoDatagram sends back the request (RFC 862).
func echoDatagram(request buffer.Buffer) (buffer.Buffer, bool) { return request, true }
