package serve

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// The limits. A handler that needs longer, because it waits for something or
// goes on and on, moves its own deadlines with an http.ResponseController.
const (
	// readTimeout bounds the time in which a request must be there, and
	// headerTimeout that of its header.
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	// writeTimeout bounds the time in which an answer must be taken.
	writeTimeout = 30 * time.Second
	// idleTimeout is how long a connection may be kept without a request.
	idleTimeout = time.Minute
	maxHeader   = 16 << 10
	// maxBody bounds a request's body; handlers may want less.
	maxBody = 1 << 20
	// maxConns bounds the connections, see crowd.
	maxConns = 128
	// endPatience is how long Close waits for the requests in work, which know
	// that the end has come.
	endPatience = 2 * time.Second
)

// ErrGoingDown is why the context of a request ends, if it is not the client that
// has gone.
var ErrGoingDown = errors.New("the host is going down")

// Config says what to serve.
type Config struct {
	Address Address
	// Ready says why the host does not answer, or nothing while it does. It is
	// called for each request of /readyz, at once from many goroutines.
	Ready func() string
	// TokenFile names the file whose token clients must show; empty: none.
	// Without one only this machine may reach the address.
	TokenFile string
	Log       logrus.FieldLogger
}

// A Server is the HTTP server. Handle comes before Start, Start before Close,
// each from one goroutine.
type Server struct {
	listener net.Listener
	server   *http.Server
	mux      *http.ServeMux
	log      logrus.FieldLogger

	// ready is why the host is not ready, an empty string once it is.
	ready func() string
	// down is why it will not be again, once it goes down.
	down atomic.Pointer[string]
	// end cancels the context of every request.
	end context.CancelCauseFunc
	// ended gets what Serve returned; nil until Start.
	ended chan error
}

// New opens the listener and reads the token. It starts nothing: clients that
// connect now are served from Start on. /healthz and /readyz answer from then on.
func New(c Config) (*Server, error) {
	if c.TokenFile == "" && !c.Address.Local() {
		return nil, fmt.Errorf("listen on %s: other machines can reach it: give -http-token-file too", c.Address)
	}
	s := &Server{mux: http.NewServeMux(), ready: c.Ready, log: c.Log}
	var handler http.Handler = s.mux
	if c.TokenFile != "" {
		t, err := readToken(c.TokenFile)
		if err != nil {
			return nil, err
		}
		handler = t.guard(handler)
	} else if c.Address.Network != "unix" { // which no browser reaches
		handler = refusePages(handler)
	}
	l, err := listen(c.Address)
	if err != nil {
		return nil, err
	}
	all := newCrowd(l, maxConns)
	s.listener = all
	var base context.Context
	base, s.end = context.WithCancelCause(context.Background())
	s.server = &http.Server{
		Handler:           http.MaxBytesHandler(handler, maxBody),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         all.follow,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          stdlog.New(debugLines{c.Log}, "", 0),
	}
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
	})
	s.mux.HandleFunc("GET /readyz", s.readyz)
	return s, nil
}

// readyz says whether the host answers, and if not, why.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	why := ""
	if s.ready != nil {
		why = s.ready()
	}
	if down := s.down.Load(); down != nil {
		why = *down
	}
	if why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ready")
}

// GoDown says that the host goes down, and why: /readyz tells it from now on, the
// first reason of several, and the context of every request ends. The server still
// serves, until Close.
func (s *Server) GoDown(why string) {
	s.down.CompareAndSwap(nil, &why)
	s.end(ErrGoingDown)
}

// Handle serves a pattern of http.ServeMux with h. The context of its requests
// ends with the client's connection, and when the server does.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Addr is where the server listens, for people: an URL, or unix:PATH. The port
// is the one that the system chose if 0 was asked for.
func (s *Server) Addr() string {
	a := s.listener.Addr()
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return "http://" + a.String()
}

// Start begins to serve.
func (s *Server) Start() {
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.server.Serve(s.listener) }()
}

// Close ends what is in work, waits for it, and removes a unix socket. A
// handler that does not heed its request's context is not waited for longer
// than 2 s. Of a server that was not started it closes the listener.
func (s *Server) Close() error {
	s.end(ErrGoingDown)
	if s.ended == nil {
		return s.listener.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), endPatience)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("end HTTP server: requests are still in work after %v: %w", endPatience, err), s.server.Close())
	}
	if ended := <-s.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve HTTP: %w", ended))
	}
	return err
}

// debugLines logs what package http says of its clients: their doing.
type debugLines struct{ log logrus.FieldLogger }

func (d debugLines) Write(p []byte) (int, error) {
	d.log.Debug(strings.TrimSpace(string(p)))
	return len(p), nil
}
