package mcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// maxMessage bounds a message of a client, in bytes: the longest packet,
	// each byte as " 0xff", and room for what is around it.
	maxMessage = 512 << 10
	// bodyPatience bounds the time in which a message must be there.
	bodyPatience = 10 * time.Second
	// callPatience bounds a call, answerPatience the time in which its answer must
	// be taken after that.
	callPatience   = (longestWait + 10) * time.Second
	answerPatience = 10 * time.Second
)

var _ http.Handler = (*Server)(nil)

// ServeHTTP serves streamable HTTP, without sessions and without streams of the
// server's own. A call ends when its client hangs up, and no later than a minute
// after it came. What web pages may not ask is refused; who else may ask is the
// caller's to decide.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, check := range []func(*http.Request) error{checkHost, checkOrigin} {
		if err := check(r); err != nil {
			s.log.WithError(err).WithField("client", r.RemoteAddr).Debug("MCP request refused")
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
	}
	// Not every ResponseWriter has deadlines; those that count do.
	deadlines := http.NewResponseController(w)
	_ = deadlines.SetReadDeadline(time.Now().Add(s.bodyPatience))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			http.Error(w, fmt.Sprintf("a message may have %d bytes", maxMessage), http.StatusRequestEntityTooLarge)
			return
		}
		http.Error(w, "read message: "+err.Error(), http.StatusBadRequest)
		return
	}
	// From here on the connection is read only to see the client hang up.
	_ = deadlines.SetReadDeadline(time.Time{})
	_ = deadlines.SetWriteDeadline(time.Now().Add(callPatience + answerPatience))
	ctx, cancel := context.WithTimeoutCause(r.Context(), callPatience, errTooLong)
	defer cancel()
	r = r.WithContext(context.WithValue(ctx, clientKey{}, ctx))
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.http.ServeHTTP(w, r)
}

var errTooLong = fmt.Errorf("the call took longer than %v", callPatience)

// clientKey is the key of the context that ends when the client hangs up. The
// SDK hands contexts on without their end.
type clientKey struct{}

// withClient returns a context that ends with ctx and with the client.
func withClient(ctx context.Context) (context.Context, context.CancelFunc) {
	client, ok := ctx.Value(clientKey{}).(context.Context)
	if !ok {
		return context.WithCancel(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(client, func() { cancel(context.Cause(client)) })
	return ctx, func() { stop(); cancel(nil) }
}
