//go:build !linux

package serve

import (
	"errors"
	"syscall"
)

// ownerOnly refuses: elsewhere a socket cannot be made for its owner alone.
func ownerOnly(_, _ string, _ syscall.RawConn) error {
	return errors.New("unix sockets are for Linux: give an address and a port")
}
