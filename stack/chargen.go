package stack

import (
	"io"

	"gvisor.dev/gvisor/pkg/buffer"
)

// The pattern of RFC 864: lines of 72 out of the 95 printing ASCII characters,
// each line starting one character later than the one before, each ended by
// CR LF. After 95 lines it starts over.
const (
	chargenWidth   = 72
	chargenFirst   = ' '
	chargenSymbols = '~' - ' ' + 1
	chargenLine    = chargenWidth + len("\r\n")
	chargenPeriod  = chargenSymbols * chargenLine
)

// chargenDatagramMax is the most a UDP reply carries: RFC 864 asks for between
// 0 and 512 characters.
const chargenDatagramMax = 512

// chargenText is the pattern, several periods of it so that one write is worth
// its while. It is read by every connection and written by none.
var chargenText = makeChargenText(9)

func makeChargenText(periods int) []byte {
	text := make([]byte, 0, periods*chargenPeriod)
	for line := range periods * chargenSymbols {
		for i := range chargenWidth {
			text = append(text, byte(chargenFirst+(line+i)%chargenSymbols))
		}
		text = append(text, "\r\n"...)
	}
	return text
}

// chargenStream sends the pattern until the client ends the connection, and
// throws away what it is sent (RFC 864). A client that does not read stops the
// pattern where it is; the place is kept.
func chargenStream(s *stream) error {
	at := 0
	for {
		switch err := s.skip(); err {
		case nil, errWouldBlock:
		case io.EOF:
			return s.finish()
		default:
			return err
		}
		n, err := s.tryWrite(chargenText[at:])
		at = (at + n) % len(chargenText)
		switch err {
		case nil:
			err = s.running()
		case errWouldBlock:
			err = s.wait()
		}
		if err != nil {
			return err
		}
	}
}

// chargenDatagram sends the beginning of the pattern. RFC 864 leaves the length
// open; here it is never longer than the request, so that a forged source gets
// no more traffic than the forger pays for.
func chargenDatagram(request buffer.Buffer) (buffer.Buffer, bool) {
	n := min(request.Size(), chargenDatagramMax)
	request.Release()
	return buffer.MakeWithData(chargenText[:n]), true
}
