package mcp_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"netstackd/hooks/respond/mcp"
)

// post sends one message, with headers in pairs, as curl would.
func post(ctx context.Context, url, body string, headers ...string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// TestCurl: one POST is enough, without a session.
func TestCurl(t *testing.T) {
	b := newBench(t)
	url := b.listen(t)
	b.ping(t, ping4(1, 8))
	status, text, err := post(t.Context(), url, toolCall(1, "read_packet", "{}"))
	if err != nil || status != http.StatusOK || !strings.Contains(text, fmt.Sprintf("%x", ping4(1, 8))) {
		t.Errorf("status %d, %s, %v", status, text, err)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPut} {
		w := httptest.NewRecorder()
		b.server.ServeHTTP(w, httptest.NewRequest(method, "http://127.0.0.1/mcp", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: status %d", method, w.Code)
		}
	}
}

// TestWebPages: a page of another host, or one that has changed its name's
// address, gets nothing.
func TestWebPages(t *testing.T) {
	b := newBench(t)
	url := b.listen(t)
	address := strings.TrimPrefix(url, "http://")
	_, port, _ := net.SplitHostPort(address)
	for _, test := range []struct {
		name    string
		headers []string
		want    int
		why     string
	}{
		{"no browser", nil, http.StatusOK, ""},
		{"by name", []string{"Host", "localhost:" + port}, http.StatusOK, ""},
		{"by IPv6 address", []string{"Host", "[::1]:" + port}, http.StatusOK, ""},
		{"a page of its own", []string{"Origin", url, "Sec-Fetch-Site", "same-origin"}, http.StatusOK, ""},
		{"a page of its own, old browser", []string{"Origin", url}, http.StatusOK, ""},
		{"rebound name", []string{"Host", "evil.example"}, http.StatusForbidden, `the Host header is "evil.example": ask by address, or as localhost`},
		{"rebound name and its origin", []string{"Host", "evil.example:" + port, "Origin", "http://evil.example:" + port, "Sec-Fetch-Site", "same-origin"}, http.StatusForbidden, "Host"},
		{"name like ours", []string{"Host", "localhost.evil.example"}, http.StatusForbidden, "Host"},
		{"name like an address", []string{"Host", "127.0.0.1.evil.example"}, http.StatusForbidden, "Host"},
		{"another page", []string{"Origin", "http://evil.example"}, http.StatusForbidden, `the Origin header is "http://evil.example": no other host's web page may ask`},
		{"another page, new browser", []string{"Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"}, http.StatusForbidden, "Origin"},
		{"a page of another port", []string{"Origin", "http://127.0.0.1:1"}, http.StatusForbidden, "Origin"},
		{"a page of nowhere", []string{"Origin", "null"}, http.StatusForbidden, "Origin"},
	} {
		status, text, err := post(t.Context(), url, toolCall(1, "list_pending", "{}"), test.headers...)
		if err != nil || status != test.want || !strings.Contains(text, test.why) {
			t.Errorf("%s: status %d, %q, %v, want %d", test.name, status, text, err, test.want)
		}
	}
	// No browser reaches a socket.
	path := filepath.Join(t.TempDir(), "x.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: b.server}
	go web.Serve(l)
	defer web.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := toolCall(1, "list_pending", "{}")
	fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: anything\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
		t.Errorf("over a socket: %q, %v", line, err)
	}
}

// TestBadRequests: what is no MCP is refused.
func TestBadRequests(t *testing.T) {
	b := newBench(t)
	url := b.listen(t)
	for _, test := range []struct {
		name, body string
		headers    []string
		want       int
	}{
		{"nothing", "", nil, http.StatusBadRequest},
		{"no JSON", "READ", nil, http.StatusBadRequest},
		{"no message", "{}", nil, http.StatusBadRequest},
		{"an empty list", "[]", nil, http.StatusBadRequest},
		{"not said to be JSON", toolCall(1, "list_pending", "{}"), []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
		{"the answer not taken", toolCall(1, "list_pending", "{}"), []string{"Accept", "text/html"}, http.StatusBadRequest},
		{"the longest", toolCall(1, "list_pending", "{}") + strings.Repeat(" ", mcp.MaxMessage-len(toolCall(1, "list_pending", "{}"))), nil, http.StatusOK},
		{"too long", strings.Repeat(" ", mcp.MaxMessage+1), nil, http.StatusRequestEntityTooLarge},
		{"a version from nowhere", toolCall(1, "list_pending", "{}"), []string{"MCP-Protocol-Version", "1999-01-01"}, http.StatusBadRequest},
	} {
		status, text, err := post(t.Context(), url, test.body, test.headers...)
		if err != nil || status != test.want {
			t.Errorf("%s: status %d, %.200s, %v, want %d", test.name, status, text, err, test.want)
		}
	}
}

// TestSlowBody: a client that does not send what it announced is not waited for.
func TestSlowBody(t *testing.T) {
	b := newBench(t)
	b.server.SetBodyPatience(100 * time.Millisecond)
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.listen(t), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 100\r\n\r\n{")
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 400 ") {
		t.Errorf("%q, %v", line, err)
	}
}

// TestClientHangsUp: a client that goes while it waits takes no request with it,
// however it goes.
func TestClientHangsUp(t *testing.T) {
	b := newBench(t)
	// The calls wait longer than their bodies may take.
	b.server.SetBodyPatience(50 * time.Millisecond)
	url := b.listen(t)
	session := connect(t, url)
	for i := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		var err error
		if i%2 == 0 {
			_, _, err = post(ctx, url, toolCall(1, "read_packet", "{}"))
		} else {
			_, _, err = try[readResult](ctx, session, "read_packet", nil)
		}
		cancel()
		if err == nil {
			t.Fatalf("%d: the call ended without a packet", i)
		}
	}
	// The server learns of it a moment later.
	time.Sleep(100 * time.Millisecond)
	b.ping(t, ping4(1, 8))
	list := call[listResult](t, session, "list_pending", nil)
	if list.Count != 1 || list.Requests[0].Given {
		t.Errorf("a client that is gone was given the request: %+v", list)
	}
	if got := call[readResult](t, session, "read_packet", args{"wait_seconds": 0}); got.Status != "packet" {
		t.Errorf("the next one gets %+v", got)
	}
}

// TestWaiting: a call that waits longer than a body may take is answered.
func TestWaiting(t *testing.T) {
	b := newBench(t)
	b.server.SetBodyPatience(50 * time.Millisecond)
	session := b.overHTTP(t)
	time.AfterFunc(300*time.Millisecond, func() { b.ping(t, ping4(1, 8)) })
	if got := call[readResult](t, session, "read_packet", nil); got.Status != "packet" {
		t.Errorf("%+v", got)
	}
	if got := call[readResult](t, session, "read_packet", args{"wait_seconds": 1}); got.Status != "timeout" {
		t.Errorf("%+v", got)
	}
}

// TestDeskCloses: who waits is told when the host goes down.
func TestDeskCloses(t *testing.T) {
	b := newBench(t)
	session := b.overHTTP(t)
	time.AfterFunc(100*time.Millisecond, b.desk.Close)
	if _, why := refusal[readResult](t, session, "read_packet", nil); !strings.Contains(why, "the host is going down") {
		t.Error(why)
	}
	if _, why := refusal[writeResult](t, session, "write_reply", args{"packet": "45"}); !strings.Contains(why, "the host goes down") {
		t.Error(why)
	}
}

// TestManyClients: many of them at once, each request goes to one.
func TestManyClients(t *testing.T) {
	b := newBench(t)
	url := b.listen(t)
	const clients, pings = 8, 25
	for i := range clients * pings {
		b.ping(t, ping4(uint16(i), i))
	}
	var mu sync.Mutex
	seen := map[uint64]int{}
	var wg sync.WaitGroup
	for range clients {
		session := connect(t, url)
		wg.Go(func() {
			for {
				got, failure, err := try[readResult](t.Context(), session, "read_packet", args{"wait_seconds": 0})
				if err != nil || failure != "" {
					t.Errorf("%v %s", err, failure)
				}
				if got.Status != "packet" {
					return
				}
				mu.Lock()
				seen[got.ID]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("request %d was given %d times", id, n)
		}
	}
	if len(seen) != clients*pings {
		t.Errorf("%d requests were given, want %d", len(seen), clients*pings)
	}
}

// FuzzServeHTTP gives the server any message. It answers with a status, sends
// nothing that is not right, and does not hang.
func FuzzServeHTTP(f *testing.F) {
	f.Fuzz(func(t *testing.T, body, version string) {
		b := newBench(t)
		right := b.ping(t, ping4(1, 8))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/mcp", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "*/*")
		if version != "" {
			r.Header.Set("MCP-Protocol-Version", version)
		}
		w := httptest.NewRecorder()
		b.server.ServeHTTP(w, r)
		for _, reply := range b.replies() {
			// Identification, TTL and such are free: the message is not.
			if !bytes.HasSuffix(reply, right[20:]) {
				t.Errorf("%q sends %x", body, reply)
			}
		}
	})
}
