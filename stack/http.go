package stack

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

// A client of the page has to be done with its request and its reading in this
// time, and may send no more header than this.
const (
	webHeaderTimeout = 10 * time.Second
	webTimeout       = 30 * time.Second
	webHeaderBytes   = 16 << 10
)

// webServer serves the page to the connections of one listener.
type webServer struct {
	server *http.Server
	// page is what it shows, and changes with the services.
	page atomic.Pointer[page]
	// draining ends with abandon, which close calls.
	draining context.Context
	abandon  context.CancelFunc
	// done is that of the service.
	done  <-chan struct{}
	conns *webListener
	log   logrus.FieldLogger
	open  sync.WaitGroup // connections that net/http has a goroutine for
}

func newWebServer(i *instance, l *listener, lim limits, done <-chan struct{}, log logrus.FieldLogger) *webServer {
	w := &webServer{conns: &webListener{listener: l, instance: i}, done: done, log: log}
	w.draining, w.abandon = context.WithCancel(context.Background())
	w.server = &http.Server{
		Handler:           http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.page.Load().ServeHTTP(rw, r) }),
		ReadHeaderTimeout: webHeaderTimeout,
		ReadTimeout:       webTimeout,
		WriteTimeout:      webTimeout,
		IdleTimeout:       min(webTimeout, lim.idle),
		MaxHeaderBytes:    webHeaderBytes,
		ErrorLog:          newErrorLog(log),
		ConnState:         w.count,
		// The page answers OPTIONS like any other method it does not know.
		DisableGeneralOptionsHandler: true,
	}
	return w
}

// count follows the connections, so that serve can wait for them.
func (w *webServer) count(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		w.open.Add(1)
		select {
		case <-w.done:
			// It slipped in between the service ending and the server hearing of
			// it, so close does not know it.
			_ = c.Close()
		default:
		}
	case http.StateClosed, http.StateHijacked:
		w.open.Done()
	}
}

// serve runs until the service ends, and then until every connection is done.
func (w *webServer) serve() {
	err := w.server.Serve(w.conns)
	if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, os.ErrClosed) {
		w.log.WithField("service", w.conns.service).WithError(err).Error("listener failed")
	}
	w.open.Wait()
}

// drain closes each connection once it is idle: those that wait for a request at once, the
// others with their answer. It returns when none is left, or after close.
func (w *webServer) drain() {
	// The one error is that it was called off.
	_ = w.server.Shutdown(w.draining)
}

// close breaks every connection. serve returns after it.
func (w *webServer) close() {
	w.abandon()
	// The only error is that of closing the listener, which has none.
	_ = w.server.Close()
}

// webListener shows a listener to net/http.
type webListener struct {
	*listener
	instance *instance
}

var _ net.Listener = (*webListener)(nil)

// Accept implements net.Listener.
func (l *webListener) Accept() (net.Conn, error) {
	at, wq, err := l.next()
	if err != nil {
		return nil, err
	}
	return &webConn{TCPConn: gonet.NewTCPConn(wq, at.served), instance: l.instance, seat: at}, nil
}

// Close implements net.Listener. Host.Close closes the listener itself.
func (l *webListener) Close() error { return nil }

// Addr implements net.Listener.
func (l *webListener) Addr() net.Addr {
	a, terr := l.ep.GetLocalAddress()
	if terr != nil {
		return &net.TCPAddr{}
	}
	return net.TCPAddrFromAddrPort(toAddrPort(a))
}

// webConn gives its seat back when it is closed. It is where net/http's goroutines
// enter netstack: a panic ends here, for net/http would take it for the page's.
type webConn struct {
	*gonet.TCPConn
	instance *instance
	seat     *seat
}

var _ net.Conn = (*webConn)(nil)

// cover runs what returns err.
func (c *webConn) cover(f func() error) (err error) {
	if !c.instance.cover(WhereService, func() { err = f() }) {
		return errPanicked
	}
	return err
}

// Read implements net.Conn.
func (c *webConn) Read(p []byte) (n int, err error) {
	err = c.cover(func() (err error) { n, err = c.TCPConn.Read(p); return err })
	c.seat.move(n)
	return n, err
}

// Write implements net.Conn.
func (c *webConn) Write(p []byte) (n int, err error) {
	err = c.cover(func() (err error) { n, err = c.TCPConn.Write(p); return err })
	c.seat.move(n)
	return n, err
}

// RemoteAddr implements net.Conn.
func (c *webConn) RemoteAddr() net.Addr { return c.addr(c.TCPConn.RemoteAddr) }

// LocalAddr implements net.Conn.
func (c *webConn) LocalAddr() net.Addr { return c.addr(c.TCPConn.LocalAddr) }

func (c *webConn) addr(of func() net.Addr) (a net.Addr) {
	c.instance.cover(WhereService, func() { a = of() })
	if a == nil { // a connection that is gone has none
		return &net.TCPAddr{}
	}
	return a
}

// CloseWrite is what net/http calls before it closes a connection, if there is one.
func (c *webConn) CloseWrite() error { return c.cover(c.TCPConn.CloseWrite) }

// Close implements net.Conn.
func (c *webConn) Close() error {
	defer c.seat.release()
	return c.cover(c.TCPConn.Close)
}

// newErrorLog is what net/http complains to: mostly about what clients do.
func newErrorLog(to logrus.FieldLogger) *log.Logger {
	return log.New(errorLines{to}, "", 0)
}

type errorLines struct{ to logrus.FieldLogger }

func (e errorLines) Write(p []byte) (int, error) {
	e.to.WithField("service", "http").Debug(strings.TrimSpace(string(p)))
	return len(p), nil
}

// ServeHTTP answers GET and HEAD of / with the page: HTML to a client that says
// it reads HTML, plain text to any other.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hdr := w.Header()
	hdr.Set("X-Content-Type-Options", "nosniff")
	hdr.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	hdr.Set("Referrer-Policy", "no-referrer")
	hdr.Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		hdr.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path != "/" {
		http.Error(w, "there is one page here, and it is /", http.StatusNotFound)
		return
	}
	hdr.Set("Vary", "Accept")
	body, kind := p.text, "text/plain; charset=utf-8"
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		body, kind = p.html, "text/html; charset=utf-8"
	}
	hdr.Set("Content-Type", kind)
	hdr.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	// A client that is gone by now is its own affair.
	_, _ = w.Write(body)
}

var _ http.Handler = (*page)(nil)
