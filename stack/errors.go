package stack

import (
	"fmt"
	"os"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// stackError is a netstack error under the verb and noun that failed.
type stackError struct {
	op  string
	err tcpip.Error
}

func (e *stackError) Error() string { return e.op + ": " + e.err.String() }

// Unwrap makes errors.Is(err, os.ErrClosed) true for operations on what was
// closed, shut down or aborted.
func (e *stackError) Unwrap() error {
	switch e.err.(type) {
	case *tcpip.ErrClosedForReceive, *tcpip.ErrClosedForSend, *tcpip.ErrAborted, *tcpip.ErrConnectionAborted:
		return os.ErrClosed
	}
	return nil
}

// asError is the one place where a tcpip.Error becomes an error. op is the
// verb and the noun: "bind echo". A nil err gives nil.
func asError(err tcpip.Error, op string, args ...any) error {
	if err == nil {
		return nil
	}
	return &stackError{op: fmt.Sprintf(op, args...), err: err}
}
