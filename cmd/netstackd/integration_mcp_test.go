//go:build linux

package main_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// An agent is a client of the SDK that answers pings by its own arithmetic.
type agent struct{ session *sdk.ClientSession }

// newAgent connects over a transport; the session ends with the test.
func newAgent(t *testing.T, transport sdk.Transport) agent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(ctx, transport, nil)
	if err != nil {
		t.Fatalf("connect to the MCP server: %v", err)
	}
	t.Cleanup(func() { session.Close() })
	return agent{session}
}

// call calls a tool, and reports what came and whether it was an error.
func (a agent) call(ctx context.Context, tool string, args map[string]any, out any) (failed bool, err error) {
	r, err := a.session.CallTool(ctx, &sdk.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		return false, err
	}
	text, err := json.Marshal(r.StructuredContent)
	if err != nil {
		return r.IsError, err
	}
	return r.IsError, json.Unmarshal(text, out)
}

// A verdict is what write_reply says.
type verdict struct {
	Verdict, Why string
	Sent         bool
}

// answer reads one packet and answers it, changed as spoil says.
func (a agent) answer(ctx context.Context, spoil func(reply []byte)) (v verdict, err error) {
	var read struct{ Status, Packet string }
	if failed, err := a.call(ctx, "read_packet", map[string]any{"wait_seconds": 10}, &read); err != nil || failed || read.Status != "packet" {
		return v, fmt.Errorf("read_packet: %+v, %v", read, err)
	}
	request, err := hex.DecodeString(read.Packet)
	if err != nil {
		return v, err
	}
	reply := echoed(request)
	spoil(reply)
	failed, err := a.call(ctx, "write_reply", map[string]any{"packet": hex.EncodeToString(reply)}, &v)
	if err == nil && failed == v.Sent {
		err = fmt.Errorf("%+v, an error: %v", v, failed)
	}
	return v, err
}

// echoed makes the reply to an echo request without options: addresses change
// places, the type changes, the ICMP sum is computed anew.
func echoed(request []byte) []byte {
	b := append([]byte(nil), request...)
	header, at, size := 20, 12, 4
	pseudo := []byte(nil)
	if b[0]>>4 == 6 {
		header, at, size = 40, 8, 16
	}
	copy(b[at:], request[at+size:at+2*size])
	copy(b[at+size:], request[at:at+size])
	b[header] = 0
	if header == 40 {
		b[header] = 129
		n := len(b) - header
		pseudo = append(append(pseudo, b[8:40]...), 0, 0, byte(n>>8), byte(n), 0, 0, 0, 58)
	}
	b[header+2], b[header+3] = 0, 0
	sum := ^onesSum(pseudo, b[header:])
	b[header+2], b[header+3] = byte(sum>>8), byte(sum)
	return b
}

func asIs([]byte) {}

// answering has an agent answer n pings beside what the test does. The channel
// gets the first error, or nil.
func (a agent) answering(t *testing.T, n int, spoil func([]byte)) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		for i := range n {
			v, err := a.answer(t.Context(), spoil)
			if err != nil || v.Verdict != "match" || !v.Sent {
				done <- fmt.Errorf("ping %d: %+v, %v", i, v, err)
				return
			}
		}
		done <- nil
	}()
	return done
}

// TestIntegrationMCP: real pings of both families are answered through the
// daemon's MCP server, exactly once each; a wrong answer is refused, and nobody
// else answers instead.
func TestIntegrationMCP(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	path, flags := traceFile(t, "compare")
	socket := filepath.Join(t.TempDir(), "netstackd.sock")
	d := startDaemon(t, append(flags, "-respond", "mcp", "-http", "unix:"+socket)...)
	a := newAgent(t, &sdk.StreamableClientTransport{Endpoint: "http://netstackd/mcp", HTTPClient: overSocket(t, socket), MaxRetries: -1})

	sizes := []string{"0", "1", "55", "56", "57", "1452", "1453", "1472", "1473", "40000"}
	done := a.answering(t, 2*len(sizes), asIs)
	for _, size := range sizes {
		// One by one: after the last of several ping waits two round trips only.
		pinged(t, tool(t, patience, "ping", "-4", "-c", "1", "-W", "10", "-s", size, netstack4), 1)
		pinged(t, tool(t, patience, "ping", "-6", "-c", "1", "-W", "10", "-s", size, netstack6), 1)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}

	// A wrong one gets no ping answered; what was wrong is said.
	wrong := make(chan error, 1)
	go func() {
		v, err := a.answer(t.Context(), func(reply []byte) { reply[22] ^= 0x80 })
		if err == nil && (v.Sent || v.Verdict != "wrong" || !strings.Contains(v.Why, "ICMP checksum is 0x")) {
			err = fmt.Errorf("%+v", v)
		}
		wrong <- err
	}()
	if out, err := tryTool(patience, "ping", "-c", "1", "-W", "1", netstack4); err == nil || !strings.Contains(out, "100% packet loss") {
		t.Errorf("a wrong answer answers: %v\n%s", err, out)
	}
	if err := <-wrong; err != nil {
		t.Errorf("the wrong answer: %v", err)
	}
	// Nothing else waits for the agent, who sleeps.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	if resp, err := client.Get("http://" + netstack4 + "/"); err != nil {
		t.Error(err)
	} else {
		resp.Body.Close()
	}
	d.stop(t)
	tr := readTrace(t, path)
	tr.addsUp(t)
	if got := tr.judged(t, "mcp", true); got["match"] != 2*len(sizes) {
		t.Errorf("the trace tells of %v answers of the agent, want %d that match", got, 2*len(sizes))
	}
}

// TestIntegrationMCPWaits: an agent that waits for a packet, or holds one, does
// not hold the daemon's end up.
func TestIntegrationMCPWaits(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	socket := filepath.Join(t.TempDir(), "netstackd.sock")
	d := startDaemon(t, "-respond", "mcp", "-http", "unix:"+socket)
	a := newAgent(t, &sdk.StreamableClientTransport{Endpoint: "http://netstackd/mcp", HTTPClient: overSocket(t, socket), MaxRetries: -1})
	// One ping that nobody answers, and a call that waits for the next.
	_, _ = tryTool(patience, "ping", "-c", "1", "-W", "1", netstack4)
	var read struct{ Status string }
	if _, err := a.call(t.Context(), "read_packet", nil, &read); err != nil || read.Status != "packet" {
		t.Fatalf("%+v, %v", read, err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := a.session.CallTool(t.Context(), &sdk.CallToolParams{Name: "read_packet", Arguments: map[string]any{}})
		ended <- err
	}()
	time.Sleep(200 * time.Millisecond)
	begin := time.Now()
	d.stop(t)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
	select {
	case <-ended: // with an answer or without
	case <-time.After(patience):
		t.Error("the call does not end")
	}
}

// TestIntegrationMCPStdio: an agent starts the daemon, answers over its standard
// input and output, and ends it by closing them. The trace goes where the log
// goes.
func TestIntegrationMCPStdio(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	cmd := exec.Command(daemonPath(t), "-addr", prefix4, "-respond", "mcp:stdio", "-trace", "packets")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d := startCommand(t, cmd)
	a := newAgent(t, &sdk.IOTransport{Reader: out, Writer: in})
	done := a.answering(t, 5, asIs)
	for range 5 {
		pinged(t, tool(t, patience, "ping", "-c", "1", "-W", "10", netstack4), 1)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	d.waitLog(t, "ICMP echo reply")
	if err := a.session.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if status := d.waitExit(t); status != 0 {
		t.Errorf("exit status %d when the agent has gone, want 0", status)
	}
	d.waitLog(t, "the agent has gone")
}

// TestIntegrationMCPStdioSignal: a signal ends the daemon while its agent waits.
func TestIntegrationMCPStdioSignal(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cmd := exec.Command(daemonPath(t), "-addr", prefix4, "-respond", "mcp:stdio")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	d := startCommand(t, cmd)
	fmt.Fprintln(in, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`)
	fmt.Fprintln(in, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"read_packet","arguments":{}}}`)
	time.Sleep(100 * time.Millisecond)
	begin := time.Now()
	d.stop(t)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
}
