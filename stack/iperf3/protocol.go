package iperf3

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Port is the TCP and UDP port of iperf3.
const Port = 5201

// A state is the one byte with which either side moves the test on over the
// control connection (iperf_api.h).
type state int8

const (
	testStart       state = 1
	testRunning     state = 2
	testEnd         state = 4
	paramExchange   state = 9
	createStreams   state = 10
	serverTerminate state = 11
	clientTerminate state = 12
	exchangeResults state = 13
	displayResults  state = 14
	iperfDone       state = 16
	accessDenied    state = -1
	serverError     state = -2
)

// A refusal is an error that the client understands: the number of one of the
// messages it has (i_errno in iperf_api.h). It follows serverError, with an
// errno behind it, here always 0.
type refusal struct {
	code int32
	why  string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s (iperf3 error %d)", r.why, r.code) }

// The numbers this server sends.
const (
	errDuration        = 5   // test duration too long
	errStreams         = 6   // number of parallel streams too large
	errBlockSize       = 7   // block size too large
	errBufferSize      = 8   // socket buffer size too large
	errMSS             = 10  // TCP MSS too large
	errOmit            = 12  // bogus value for --omit
	errBurst           = 15  // invalid burst count
	errNoSCTP          = 18  // no SCTP support available
	errUDPBlockSize    = 20  // block size invalid
	errTOS             = 21  // bad TOS value
	errReverseBidir    = 25  // cannot be both reverse and bidirectional
	errMessage         = 110 // received an unknown control message
	errReceiveParams   = 114 // unable to receive parameters from client
	errReceiveResults  = 117 // unable to receive results
	errBuffer          = 141 // socket buffer size not set correctly
	errNoMessage       = 144 // idle timeout for receiving data
	errDurationExpired = 160 // server test duration expired
	errStreamAccept    = 204 // unable to accept stream connection
)

// cookieSize is that of the cookie with which each TCP connection begins: 36
// characters and a NUL. All connections of a test have the same.
const cookieSize = 37

type cookie [cookieSize]byte

// valid tells a cookie from whatever else finds its way to the port. Every
// client makes its cookies out of printable characters.
func (c *cookie) valid() bool {
	for _, b := range c[:cookieSize-1] {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return c[cookieSize-1] == 0
}

// The most that a client may announce, in bytes. iperf3 has the same limit for
// parameters and none for results, of which a stream takes about 200.
const (
	maxParameters = 8 << 10
	maxResults    = 1 << 20
)

// errTooLong is a message whose announced length is 0 or over the limit.
var errTooLong = errors.New("announced length is out of bounds")

// readMessage reads a message: its length in 4 bytes, big endian, and so many
// bytes of JSON. A length over most is refused before anything is allocated.
func readMessage(r io.Reader, most uint32) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("read length: %w", err)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size == 0 || size > most {
		return nil, fmt.Errorf("read message of %d bytes, expected 1 to %d: %w", size, most, errTooLong)
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	return message, nil
}

// frame puts the length before a message.
func frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
}
