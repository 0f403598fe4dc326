package torture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"netstackd/cmd/netstackconform/internal/suite"
)

const (
	// converseTry is how long one try to converse may take, and conversePatience how
	// long all may: what hostile packets have opened goes in its own time.
	converseTry, conversePatience = 2 * time.Second, 30 * time.Second
)

// converse says something to the echo services, through the kernel's own sockets, and
// wants to hear it again. The sockets are those of the calling thread's namespace.
func converse() error {
	for _, address := range []string{suite.Host4, suite.Host6} {
		for _, network := range []string{"tcp", "udp"} {
			var err error
			for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
				if err = exchange(network, net.JoinHostPort(address, fmt.Sprint(suite.EchoPort))); err == nil {
					break
				}
				if time.Since(begin) > conversePatience {
					return fmt.Errorf("after all no echo over %s from %s in %v: %w", network, address, conversePatience, err)
				}
			}
		}
	}
	return nil
}

func exchange(network, address string) (err error) {
	c, err := net.DialTimeout(network, address, converseTry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.SetDeadline(time.Now().Add(converseTry)); err != nil {
		return err
	}
	if _, err := c.Write(pingMark); err != nil {
		return err
	}
	got := make([]byte, len(pingMark))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(got, pingMark) {
		return fmt.Errorf("%w: the echo of %q is %q", os.ErrInvalid, pingMark, got)
	}
	return nil
}
