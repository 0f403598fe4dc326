package main

import (
	"context"
	"io"
	"os"

	"github.com/sirupsen/logrus"

	"netstackd/hooks/respond"
	"netstackd/hooks/respond/mcp"
)

// startMCP starts the server through which an agent answers at a desk: on standard
// input and output, or else where -http listens.
func (a *answerers) startMCP(d *respond.Desk, stdio bool) (io.Closer, error) {
	server := mcp.New(d, version, a.log)
	if !stdio {
		// It ends with the HTTP server.
		a.web.Handle("/mcp", server)
		a.log.WithFields(logrus.Fields{"address": a.web.Addr(), "path": "/mcp"}).Info("an agent is to answer pings over MCP")
		return io.NopCloser(nil), nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &stdioAgent{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		err := server.ServeStdio(ctx, os.Stdin, os.Stdout)
		if err != nil && ctx.Err() == nil {
			a.log.WithError(err).Warn("the agent's session has ended")
		}
		close(a.left)
	}()
	return s, nil
}

// A stdioAgent is the session with an agent on standard input and output.
type stdioAgent struct {
	cancel context.CancelFunc
	// ended is closed when the session has ended.
	ended chan struct{}
}

// Close ends the session and waits for that.
func (s *stdioAgent) Close() error {
	s.cancel()
	<-s.ended
	return nil
}

// agentLeft is closed when the agent has gone for whom alone the host was there;
// it is nil if there is none.
func (p *pipeline) agentLeft() <-chan struct{} {
	if p.answerers == nil {
		return nil
	}
	return p.answerers.left
}
