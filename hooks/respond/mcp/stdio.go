package mcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// maxInFlight bounds the calls of one client that are in work: one that asks
	// on and on and takes no answers is not read any further.
	maxInFlight = 64
	// endPatience is how long the end of a session may take.
	endPatience = time.Second
)

// ServeStdio serves one client that writes its messages to in, a line each, and
// reads the answers from out. It returns nil when the client has closed its end,
// and ctx's error when that ended first. It closes both streams; a read or a
// write that does not end for that, as of a terminal, it does not wait for.
//
// A line that is no message, or is too long, is answered with an error, and the
// next one read.
func (s *Server) ServeStdio(ctx context.Context, in io.ReadCloser, out io.WriteCloser) error {
	l := &lines{
		in: in, out: out, messages: make(chan jsonrpc.Message), closed: make(chan struct{}),
		room: make(chan struct{}, maxInFlight), calls: map[jsonrpc.ID]bool{},
	}
	session, err := s.sdk.Connect(context.WithoutCancel(ctx), l, nil)
	if err != nil {
		return errors.Join(fmt.Errorf("serve MCP on standard input: %w", err), l.Close())
	}
	go l.pump()
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = ctx.Err()
		_ = l.Close()
		select {
		case <-ended:
		case <-time.After(endPatience):
		}
	}
	_ = l.Close()
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("serve MCP on standard input: %w", err)
	}
	return nil
}

// lines is the connection with a client on two streams.
type lines struct {
	in  io.ReadCloser
	out io.WriteCloser

	// messages come from pump, which closes it at the end of in.
	messages chan jsonrpc.Message
	// room holds a token for each call that was read and whose answer was not taken.
	room chan struct{}

	// closed is closed by Close, once.
	closed chan struct{}
	once   sync.Once

	// mu guards writing to out: a message is a line.
	mu sync.Mutex

	// callsMu guards calls.
	callsMu sync.Mutex
	calls   map[jsonrpc.ID]bool // those that are not being answered yet
}

var (
	_ sdk.Transport  = (*lines)(nil)
	_ sdk.Connection = (*lines)(nil)
)

// Connect returns the connection, which is one already.
func (l *lines) Connect(context.Context) (sdk.Connection, error) { return l, nil }

// SessionID is empty: there is one session.
func (l *lines) SessionID() string { return "" }

// pump reads lines until there are no more.
func (l *lines) pump() {
	defer close(l.messages)
	r := bufio.NewReaderSize(l.in, 64<<10)
	for {
		line, long, err := readLine(r, maxMessage)
		m, refusal := decode(line, long)
		switch {
		case refusal != nil:
			if l.writeLine(refusal) != nil {
				return
			}
		case m != nil && !l.deliver(m):
			return
		}
		if err != nil {
			return
		}
	}
}

// deliver hands a message to Read, once there is room for it. It reports false
// when the connection was closed.
func (l *lines) deliver(m jsonrpc.Message) bool {
	if r, ok := m.(*jsonrpc.Request); ok && r.IsCall() {
		if !l.begin(r.ID) {
			// The SDK would not answer it at all.
			return l.writeLine(parseError(fmt.Sprintf("id %v is that of a call in work", r.ID.Raw()))) == nil
		}
		select {
		case l.room <- struct{}{}:
		case <-l.closed:
			return false
		}
	}
	select {
	case l.messages <- m:
		return true
	case <-l.closed:
		return false
	}
}

// begin notes that a call is in work, and reports whether none was by that ID.
func (l *lines) begin(id jsonrpc.ID) bool {
	l.callsMu.Lock()
	defer l.callsMu.Unlock()
	if l.calls[id] {
		return false
	}
	l.calls[id] = true
	return true
}

// end notes that a call is answered, and reports whether it was in work.
func (l *lines) end(id jsonrpc.ID) bool {
	l.callsMu.Lock()
	defer l.callsMu.Unlock()
	found := l.calls[id]
	delete(l.calls, id)
	return found
}

// readLine reads one line without its end. Of one that is longer than limit it
// reads all and keeps nothing.
func readLine(r *bufio.Reader, limit int) (line []byte, long bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > limit; long {
			line = nil
		} else {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSpace(line), long, err
		}
	}
}

// decode reads a message, or says in another why it is none. An empty line is
// neither.
func decode(line []byte, long bool) (m jsonrpc.Message, refusal []byte) {
	switch {
	case long:
		return nil, parseError(fmt.Sprintf("a message may have %d bytes", maxMessage))
	case len(line) == 0:
		return nil, nil
	case line[0] != '{':
		return nil, parseError("expected one JSON-RPC message a line, an object")
	}
	m, err := jsonrpc.DecodeMessage(line)
	if err != nil {
		return nil, parseError("expected a JSON-RPC message: " + err.Error())
	}
	return m, nil
}

// parseError is an answer to what has no number to answer to (JSON-RPC 2.0 §5).
func parseError(why string) []byte {
	text, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": nil, "error": map[string]any{"code": jsonrpc.CodeParseError, "message": why},
	})
	if err != nil {
		return nil
	}
	return text
}

// Read returns the next message.
func (l *lines) Read(ctx context.Context) (jsonrpc.Message, error) {
	select {
	case m, ok := <-l.messages:
		if ok {
			return m, nil
		}
	case <-l.closed:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return nil, io.EOF
}

// Write writes a message.
func (l *lines) Write(_ context.Context, m jsonrpc.Message) error {
	// The client may use the ID again as soon as it sees the answer; there is
	// room for another call when it has taken it.
	if r, ok := m.(*jsonrpc.Response); ok && l.end(r.ID) {
		defer func() { <-l.room }()
	}
	text, err := jsonrpc.EncodeMessage(m)
	if err != nil {
		return err
	}
	return l.writeLine(text)
}

func (l *lines) writeLine(text []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.out.Write(append(text, '\n'))
	return err
}

// Close closes both streams.
func (l *lines) Close() (err error) {
	l.once.Do(func() {
		close(l.closed)
		err = errors.Join(l.in.Close(), l.out.Close())
	})
	return err
}
