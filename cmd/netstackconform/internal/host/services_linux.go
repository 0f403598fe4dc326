package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"netstackd/cmd/netstackconform/internal/suite"
)

// services are echo and discard over TCP and UDP, served by the kernel's
// sockets.
type services struct {
	closers []io.Closer
	done    sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool // guarded by mu; those that are open
	closed bool              // guarded by mu
}

// serve starts them in the calling thread's namespace.
func serve() (*services, error) {
	s := &services{conns: map[net.Conn]bool{}}
	// A reply has to come from the address that was asked: with a socket for
	// each address of the host there is no doubt.
	for _, address := range []string{suite.Host4, suite.Host6} {
		for _, port := range []int{suite.EchoPort, suite.DiscardPort} {
			if err := s.open(address, port); err != nil {
				return nil, errors.Join(err, s.close())
			}
		}
	}
	return s, nil
}

func (s *services) open(address string, port int) error {
	at := net.JoinHostPort(address, fmt.Sprint(port))
	// The RFCs' TCP, and nothing that Go adds.
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp", at)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, l)
	s.done.Go(func() { s.accept(l, port == suite.EchoPort) })
	u, err := config.ListenPacket(context.Background(), "udp", at)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, u)
	s.done.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := u.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil && port == suite.EchoPort {
				// What does not get back is lost, as datagrams are.
				_, _ = u.WriteTo(buf[:n], from)
			}
		}
	})
	return nil
}

func (s *services) accept(l net.Listener, echo bool) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = c.Close()
			return
		}
		s.conns[c] = true
		s.mu.Unlock()
		s.done.Go(func() {
			to := io.Discard
			if echo {
				to = c
			}
			// It ends when the peer does, or close.
			_, _ = io.Copy(to, c)
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			_ = c.Close()
		})
	}
}

func (s *services) close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	var err error
	for _, c := range s.closers {
		err = errors.Join(err, c.Close())
	}
	s.done.Wait()
	return err
}
