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

// services are echo and discard over TCP and UDP, and a page over TCP, served by
// the kernel's sockets.
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
		for _, port := range []int{suite.EchoPort, suite.DiscardPort, suite.PagePort} {
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
	s.done.Go(func() { s.accept(l, port) })
	if port == suite.PagePort {
		return nil
	}
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

func (s *services) accept(l net.Listener, port int) {
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
			// It ends when the peer does, or close.
			switch port {
			case suite.EchoPort:
				_, _ = io.Copy(c, c)
			case suite.PagePort:
				page(c)
			default:
				_, _ = io.Copy(io.Discard, c)
			}
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			_ = c.Close()
		})
	}
}

// page says something to whoever says something, and closes.
func page(c net.Conn) {
	if _, err := c.Read(make([]byte, 1024)); err != nil {
		return
	}
	if _, err := io.WriteString(c, "HTTP/1.0 204 No Content\r\n\r\n"); err != nil {
		return
	}
	if t, ok := c.(*net.TCPConn); ok && t.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, c)
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
