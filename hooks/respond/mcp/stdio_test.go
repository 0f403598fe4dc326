package mcp_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"netstackd/hooks/respond/mcp"
)

// over connects a client of the SDK by one of the transports.
func (b *bench) over(t *testing.T, way string) *sdk.ClientSession {
	t.Helper()
	if way == "http" {
		return b.overHTTP(t)
	}
	c := b.pipe(t, t.Context())
	return join(t, &sdk.IOTransport{Reader: c.out, Writer: c.in})
}

// A pipe is the client's side of ServeStdio.
type pipe struct {
	in    *io.PipeWriter
	out   *io.PipeReader
	lines *bufio.Scanner
	// ended gets what ServeStdio returned.
	ended chan error
}

// pipe serves a client, and ends with the test.
func (b *bench) pipe(t *testing.T, ctx context.Context) *pipe {
	t.Helper()
	inRead, inWrite := io.Pipe()
	outRead, outWrite := io.Pipe()
	p := &pipe{in: inWrite, out: outRead, lines: bufio.NewScanner(outRead), ended: make(chan error, 1)}
	p.lines.Buffer(nil, 1<<20)
	go func() { p.ended <- b.server.ServeStdio(ctx, inRead, outWrite) }()
	t.Cleanup(func() {
		inWrite.Close()
		outRead.Close()
	})
	return p
}

// end waits for ServeStdio.
func (p *pipe) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		t.Fatal("the session does not end")
		return nil
	}
}

// A message is what tests look at of one.
type message struct {
	ID    any
	Error *struct {
		Code    int
		Message string
	}
	Result json.RawMessage
}

// say writes a line, and ask reads the answer as well.
func (p *pipe) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		t.Fatalf("say %.80s: %v", line, err)
	}
}

func (p *pipe) hear(t *testing.T) (m message) {
	t.Helper()
	if !p.lines.Scan() {
		t.Fatalf("no answer: %v", p.lines.Err())
	}
	if err := json.Unmarshal(p.lines.Bytes(), &m); err != nil {
		t.Fatalf("answer %q: %v", p.lines.Text(), err)
	}
	return m
}

// greet opens the session as a client does.
func (p *pipe) greet(t *testing.T) {
	t.Helper()
	p.say(t, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`)
	if m := p.hear(t); m.Error != nil || !strings.Contains(string(m.Result), "netstackd") {
		t.Fatalf("initialize: %+v", m)
	}
	p.say(t, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
}

// toolCall is a line that calls a tool.
func toolCall(id int, tool, arguments string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, id, tool, arguments)
}

// TestGarbage: lines that are no messages are refused one by one, and the
// session goes on.
func TestGarbage(t *testing.T) {
	b := newBench(t)
	p := b.pipe(t, t.Context())
	p.greet(t)
	for _, test := range []struct{ line, want string }{
		{"READ", "expected one JSON-RPC message a line"},
		{"{", "expected a JSON-RPC message"},
		{"{}", "expected a JSON-RPC message"},
		{"null", "expected one JSON-RPC message a line"},
		{`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, "expected one JSON-RPC message a line"},
		{`{"jsonrpc":"1.0","id":1,"method":"ping"}`, "expected a JSON-RPC message"},
		{"\x00\xff\xfe", "expected one JSON-RPC message a line"},
		{strings.Repeat("x", 1<<20), "a message may have 524288 bytes"},
		{toolCall(1, "write_reply", fmt.Sprintf(`{"packet":%q}`, strings.Repeat("0", 1<<20))), "a message may have 524288 bytes"},
	} {
		p.say(t, test.line)
		m := p.hear(t)
		if m.ID != nil || m.Error == nil || m.Error.Code != -32700 || !strings.Contains(m.Error.Message, test.want) {
			t.Errorf("%.60s: %+v, want %q", test.line, m, test.want)
		}
	}
	p.say(t, "")
	p.say(t, "\r")
	p.say(t, toolCall(1, "list_pending", "{}"))
	if m := p.hear(t); m.Error != nil || m.ID != 1.0 {
		t.Errorf("after all that: %+v", m)
	}
	// The last line needs no end.
	go io.WriteString(p.in, toolCall(2, "list_pending", "{}")+"\n")
	if m := p.hear(t); m.Error != nil || m.ID != 2.0 {
		t.Errorf("%+v", m)
	}
	p.in.Close()
	if err := p.end(t); err != nil {
		t.Errorf("the end: %v", err)
	}
}

// TestUsedID: a number that is in use is refused, and costs no room.
func TestUsedID(t *testing.T) {
	b := newBench(t)
	p := b.pipe(t, t.Context())
	p.greet(t)
	p.say(t, toolCall(1, "read_packet", "{}"))
	for range 2 * mcp.MaxInFlight {
		p.say(t, toolCall(1, "list_pending", "{}"))
		if m := p.hear(t); m.Error == nil || !strings.Contains(m.Error.Message, "id 1 is that of a call in work") {
			t.Fatalf("%+v", m)
		}
	}
	b.ping(t, ping4(1, 8))
	if m := p.hear(t); m.ID != 1.0 || !strings.Contains(string(m.Result), hex.EncodeToString(ping4(1, 8))) {
		t.Errorf("%+v", m)
	}
	p.say(t, toolCall(1, "list_pending", "{}"))
	if m := p.hear(t); m.Error != nil {
		t.Errorf("the number is free again: %+v", m.Error)
	}
}

// TestManyCalls: a client that asks and does not listen is not read for ever;
// when it listens, nothing is lost.
func TestManyCalls(t *testing.T) {
	b := newBench(t)
	p := b.pipe(t, t.Context())
	p.greet(t)
	const calls = 10 * mcp.MaxInFlight
	said := make(chan int, 1)
	go func() {
		for i := range calls {
			if _, err := io.WriteString(p.in, toolCall(i+1, "list_pending", "{}")+"\n"); err != nil {
				said <- i
				return
			}
		}
		said <- calls
	}()
	select {
	case n := <-said:
		t.Errorf("%d calls were taken, none of which was answered", n)
	case <-time.After(200 * time.Millisecond):
	}
	seen := map[any]bool{}
	for range calls {
		m := p.hear(t)
		if m.Error != nil || seen[m.ID] {
			t.Fatalf("%+v", m)
		}
		seen[m.ID] = true
	}
	if n := <-said; n != calls || len(seen) != calls {
		t.Errorf("%d calls, %d answers", n, len(seen))
	}
}

// TestReadersAreBounded: more calls of read_packet than may wait are refused.
func TestReadersAreBounded(t *testing.T) {
	b := newBench(t)
	var pipes []*pipe
	for range 2 {
		p := b.pipe(t, t.Context())
		p.greet(t)
		pipes = append(pipes, p)
		for n := range mcp.MaxReaders / 2 {
			p.say(t, toolCall(n+1, "read_packet", "{}"))
		}
	}
	// They are in work a moment after they were read.
	for deadline := time.Now().Add(patience); b.server.Readers() < mcp.MaxReaders; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d calls wait", b.server.Readers())
		}
	}
	last := b.pipe(t, t.Context())
	last.greet(t)
	last.say(t, toolCall(1, "read_packet", `{"wait_seconds":0}`))
	if m := last.hear(t); !strings.Contains(string(m.Result), "64 calls of read_packet wait already") {
		t.Errorf("one call more is taken: %s", m.Result)
	}
	pipes[0].in.Close() // a client that goes makes room
	if err := pipes[0].end(t); err != nil {
		t.Error(err)
	}
	last.say(t, toolCall(2, "read_packet", `{"wait_seconds":0}`))
	if m := last.hear(t); !strings.Contains(string(m.Result), "timeout") {
		t.Errorf("%s", m.Result)
	}
}

// TestClientGoes: a client that goes while it waits takes no request with it.
func TestClientGoes(t *testing.T) {
	b := newBench(t)
	p := b.pipe(t, t.Context())
	p.greet(t)
	p.say(t, toolCall(1, "read_packet", "{}"))
	p.in.Close()
	p.out.Close()
	if err := p.end(t); err != nil {
		t.Errorf("the end: %v", err)
	}
	b.ping(t, ping4(1, 8))
	if got := call[readResult](t, b.overHTTP(t), "read_packet", args{"wait_seconds": 0}); got.Status != "packet" {
		t.Errorf("the next one gets %+v", got)
	}
}

// TestDaemonEnds: the end of the daemon ends a session whatever its client does.
func TestDaemonEnds(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(t *testing.T, p *pipe)
	}{
		{"that is silent", func(*testing.T, *pipe) {}},
		{"that has opened a session", func(t *testing.T, p *pipe) { p.greet(t) }},
		{"that waits for a packet", func(t *testing.T, p *pipe) {
			p.greet(t)
			p.say(t, toolCall(1, "read_packet", "{}"))
		}},
		{"that does not listen", func(t *testing.T, p *pipe) {
			p.greet(t)
			p.say(t, toolCall(1, "list_pending", "{}"))
			p.say(t, toolCall(2, "list_pending", "{}"))
		}},
		{"that is in the middle of a line", func(t *testing.T, p *pipe) {
			p.greet(t)
			if _, err := io.WriteString(p.in, `{"jsonrpc":`); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run("a client "+test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b := newBench(t)
			p := b.pipe(t, ctx)
			test.do(t, p)
			cancel()
			if err := p.end(t); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			if _, err := io.WriteString(p.in, "more\n"); err == nil {
				t.Error("its input is still open")
			}
		})
	}
}
