package iperf3

import (
	"errors"
	"net/netip"
	"time"
)

// ErrInterrupted is what a waiting call of a Conn returns after Interrupt.
var ErrInterrupted = errors.New("interrupted")

// Listener hands out TCP connections, in any order.
type Listener interface {
	// Accept waits for a connection, which the caller owns. After an error no
	// more connections come, and every call of those it handed out that would
	// wait fails.
	Accept() (Conn, error)
}

// Conn is one TCP connection in the hands of one goroutine: its methods are not
// safe for concurrent use, but for those that say so.
type Conn interface {
	// Read waits for something to read and reads what there is. The error is
	// io.EOF after the client's FIN.
	Read(p []byte) (int, error)
	// Write waits for room and writes what fits, which may be less than p.
	Write(p []byte) (int, error)
	// Discard waits for something to read and throws away all there is. It
	// returns how many bytes that was.
	Discard() (int, error)
	// Fill waits for room and writes what fits of n bytes of any content.
	Fill(n int) (int, error)

	// SetPatience makes each later call fail when nothing has come or gone for
	// so long.
	SetPatience(time.Duration)
	// Interrupt makes the call that waits, or the next one that would, return
	// ErrInterrupted, once. It is safe for concurrent use.
	Interrupt()

	// Tune sets the options of a connection that is to carry data. What the
	// transport cannot do is left as it is.
	Tune(Tuning) error
	// Congestion names the congestion control, empty if it is not known.
	Congestion() string
	// Retransmits is how many segments the connection sent again, or -1 if it
	// does not know. It is safe for concurrent use until the connection is
	// closed.
	Retransmits() int64

	// Began orders the connections of a listener as their clients opened them: a
	// client tells its streams apart by nothing else. Where two of them change
	// places, so do their figures in the results, and in a test both ways the two
	// ends take each other's stream for their own and wait for ever. It is called
	// once something has been read.
	Began() time.Duration
	// Local and Remote are the two ends.
	Local() netip.AddrPort
	Remote() netip.AddrPort

	// CloseWrite sends FIN behind what has been written, and does not wait.
	CloseWrite() error
	// Finish sends FIN, unless CloseWrite has, and waits, within the patience, until the client has
	// closed its side.
	Finish() error
	// Close frees the connection, with a reset unless Finish succeeded.
	Close()
}

// Tuning is what a client wants of a data connection. Zero values ask for
// nothing.
type Tuning struct {
	Buffer     int    // of each direction, in bytes
	TOS        uint8  // or traffic class
	Congestion string // name of the congestion control
}

// Datagrams is the UDP port of the server, for sending. It is safe for
// concurrent use.
type Datagrams interface {
	// Send sends one datagram from local to remote. It does not wait and does
	// not keep payload.
	Send(local, remote netip.AddrPort, payload []byte) error
	// Open prepares for datagrams from local to remote, each of which ends with
	// body. Body is not changed while the path is open.
	Open(local, remote netip.AddrPort, body []byte, o PathOptions) (Path, error)
}

// PathOptions are those of the IP header.
type PathOptions struct {
	TOS          uint8
	DontFragment bool
}

// Path sends datagrams to one client. It is not safe for concurrent use.
type Path interface {
	// Send sends head and the body of the path as one datagram. It does not
	// wait and does not keep head.
	Send(head []byte) error
	// Close frees the path.
	Close()
}
