package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// probing bounds how long a socket is tried that may be a dead one's.
const probing = time.Second

// listen opens the listener. A unix socket is made for its owner alone.
func listen(a Address) (net.Listener, error) {
	var config net.ListenConfig
	if a.Network == "unix" {
		if err := makeRoom(a.Address); err != nil {
			return nil, err
		}
		config.Control = ownerOnly
	}
	l, err := config.Listen(context.Background(), a.Network, a.Address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w%s", a, cause(err), advice(err))
	}
	return l, nil
}

// cause is what is behind the words of package net, which repeat the address.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// advice says what to do about an error.
func advice(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return ": another program listens there: give -http another port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return ": it is no address of this machine"
	case errors.Is(err, fs.ErrPermission):
		return ": give a port from 1024 on, or a path where a file may be made"
	case errors.Is(err, fs.ErrNotExist):
		return ": make its directory first"
	}
	return ""
}

// makeRoom makes room for a unix socket: it removes one that nobody listens on
// any more, and nothing else.
func makeRoom(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listen on unix:%s: %w", path, cause(err))
	}
	if err := isSocket(path, info); err != nil {
		return err
	}
	conn, err := net.DialTimeout("unix", path, probing)
	if err == nil {
		conn.Close()
		return fmt.Errorf("listen on unix:%s: another program listens there: give -http another path", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listen on unix:%s: a socket is there that may be in use: %w", path, cause(err))
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("listen on unix:%s: remove the socket of a program that is gone: %w", path, cause(err))
	}
	return nil
}
