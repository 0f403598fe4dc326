package suite

import (
	"errors"
	"net/netip"
	"time"
)

// A Host is one whom cases are run against. Start and Stop are called by one
// goroutine, which is bound to its thread, the others by any, in between.
type Host interface {
	Name() string
	// Start starts the host, again after Stop. It gives each packet that the
	// host sends to sink, in order, from one goroutine, until Stop; the bytes
	// are sink's. An error that wraps ErrSkip says why the host is left out.
	Start(sink func(packet []byte)) error
	// Send gives the host a packet. It may fail only if the host is gone.
	Send(packet []byte) error
	// Wait lets the time pass.
	Wait(d time.Duration)
	// Died says why the host is no more, or nil.
	Died() error
	Stop() error
}

// An Offloader is a Host that can be given packets on which their sender has left
// work to hardware.
type Offloader interface {
	Host
	// SendUnfinished gives the host a TCP segment or UDP datagram in whose
	// checksum field the sum of the pseudo-header stands, to be completed, and
	// which is to be cut into pieces of at most segment bytes of data, if that is
	// not 0 (virtio 1.2 §5.1.6).
	SendUnfinished(packet []byte, segment int) error
}

// A Taciturn is a Host that has no opinion of some packets. Cases are run at it
// in turn, the slow ones too: it does not really wait.
type Taciturn interface {
	Host
	// Forget ends what concerns src, and says what there was.
	Forget(src netip.Addr) Account
}

// An Account is what a Taciturn says of its answers to an address.
type Account struct {
	// NoOpinion says that it had none of something sent, and Live that it
	// answered through a TUN device, not by prediction alone.
	NoOpinion, Live bool
}

// ErrSkip says that a host is left out for a reason that is no failure.
var ErrSkip = errors.New("skipped")
