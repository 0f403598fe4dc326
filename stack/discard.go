package stack

import (
	"io"

	"gvisor.dev/gvisor/pkg/buffer"
)

// discardStream reads until the client's FIN and sends nothing (RFC 863).
func discardStream(s *stream) error {
	for {
		buf := transfers.Get().(*[transferSize]byte)
		_, err := s.tryRead(buf[:])
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

// discardDatagram sends nothing (RFC 863).
func discardDatagram(request buffer.Buffer) (buffer.Buffer, bool) {
	request.Release()
	return buffer.Buffer{}, false
}
