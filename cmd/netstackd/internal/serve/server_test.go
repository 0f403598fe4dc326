//go:build linux

package serve

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"
)

var anyPort = Address{"tcp", "127.0.0.1:0"}

// ask sends one request on a connection of its own, with headers in pairs.
func ask(t *testing.T, s *Server, path string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial(s.listener.Addr().Network(), s.listener.Addr().String())
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestHealth(t *testing.T) {
	for _, a := range []Address{anyPort, {"tcp", "[::1]:0"}, {"unix", filepath.Join(t.TempDir(), "x.sock")}} {
		s := newServer(t, Config{Address: a})
		s.Start()
		if status, body := ask(t, s, "/healthz"); status != http.StatusOK || body != "ok\n" {
			t.Errorf("%s: status %d, %q", a, status, body)
		}
		if status, _ := ask(t, s, "/elsewhere"); status != http.StatusNotFound {
			t.Errorf("%s: status %d for a path that nobody serves", a, status)
		}
	}
}

func TestToken(t *testing.T) {
	const word = "0123456789abcdef0123456789abcdef"
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(word+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// On an address that only this machine reaches a token counts as well.
	s := newServer(t, Config{Address: anyPort, TokenFile: path})
	s.Handle("/secret", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "secret") }))
	s.Handle("/readyz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ready") }))
	s.Start()
	for _, test := range []struct {
		path, header string
		want         int
	}{
		{"/secret", "Bearer " + word, http.StatusOK},
		{"/secret", "bearer " + word, http.StatusOK},
		{"/secret", "", http.StatusUnauthorized},
		{"/secret", "Bearer", http.StatusUnauthorized},
		{"/secret", "Bearer ", http.StatusUnauthorized},
		{"/secret", word, http.StatusUnauthorized},
		{"/secret", "Basic " + word, http.StatusUnauthorized},
		{"/secret", "Bearer " + word[1:], http.StatusUnauthorized},
		{"/secret", "Bearer " + word + "0", http.StatusUnauthorized},
		{"/elsewhere", "", http.StatusUnauthorized},
		{"/healthz/", "", http.StatusUnauthorized},
		{"/healthz", "", http.StatusOK},
		{"/readyz", "", http.StatusOK},
	} {
		status, body := ask(t, s, test.path, "Authorization", test.header)
		if status != test.want {
			t.Errorf("%s with %q: status %d, want %d", test.path, test.header, status, test.want)
		}
		if status == http.StatusUnauthorized && strings.Contains(body, "secret") {
			t.Errorf("%s with %q: %q", test.path, test.header, body)
		}
	}
}

func TestTokenFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, text := range []string{strings.Repeat("x", minToken), strings.Repeat("x", maxToken) + "\n", "\n  0123456789abcdef \r\n"} {
		if _, err := readToken(file("good", text)); err != nil {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
	const make = ": openssl rand -hex 32 makes "
	for _, test := range []struct{ path, want string }{
		{file("empty", ""), " holds 0 bytes: expected one word of 16 to 1024" + make + "one"},
		{file("short", "secret\n"), " holds 7 bytes: expected one word of 16 to 1024" + make + "one"},
		{file("long", strings.Repeat("x", maxToken+2)), " holds 1026 bytes: expected one word of 16 to 1024" + make + "one"},
		{file("two", "0123456789 abcdef"), " holds more than one word of printable ASCII" + make + "a token"},
		{file("binary", "0123456789abcdef\x00\xff"), " holds more than one word of printable ASCII" + make + "a token"},
		{dir, " is no regular file"},
	} {
		_, err := readToken(test.path)
		if want := "read token: " + test.path + test.want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	missing := filepath.Join(dir, "missing")
	if got, want := refusal(t, Config{Address: anyPort, TokenFile: missing}), "read token: stat "+missing+": no such file or directory"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestCloseEndsWork: a request that waits learns of the end, and is answered
// before Close returns.
func TestCloseEndsWork(t *testing.T) {
	log, _ := test.NewNullLogger()
	s, err := New(Config{Address: anyPort, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan struct{})
	s.Handle("/wait", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(waiting)
		<-r.Context().Done()
		http.Error(w, "the host is going down", http.StatusServiceUnavailable)
	}))
	s.Start()
	answer := make(chan string)
	go func() {
		status, body := ask(t, s, "/wait")
		answer <- fmt.Sprintf("%d %s", status, body)
	}()
	<-waiting
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got, want := <-answer, "503 the host is going down\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestCloseIsBounded: a handler that heeds nothing does not hold the end up.
func TestCloseIsBounded(t *testing.T) {
	log, _ := test.NewNullLogger()
	s, err := New(Config{Address: anyPort, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	begun, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	s.Handle("/stuck", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-release
	}))
	s.Start()
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-begun
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "requests are still in work after 2s") {
		t.Errorf("error %v", err)
	}
}

// TestLimits: a header that is too long is refused, and so is a body.
func TestLimits(t *testing.T) {
	s := newServer(t, Config{Address: anyPort})
	s.Handle("POST /body", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		}
	}))
	s.Start()
	for _, test := range []struct{ name, request, want string }{
		{"long header", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n", "431"},
		{"long body", fmt.Sprintf("POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", maxBody+1, strings.Repeat("x", maxBody+1)), "413"},
		{"longest body", fmt.Sprintf("POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", maxBody, strings.Repeat("x", maxBody)), "200"},
		{"not HTTP", "\x16\x03\x01 hello\r\n\r\n", "400"},
	} {
		conn, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		// The server may answer, and hang up, before it has read all of it.
		_, _ = io.WriteString(conn, test.request)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(line, " "+test.want+" ") {
			t.Errorf("%s: answer %q, %v, want %s", test.name, line, err, test.want)
		}
		conn.Close()
	}
}

// TestConnectionsAreBounded: those who only connect, or send half a header, keep
// nobody waiting, and Close does not wait for them.
func TestConnectionsAreBounded(t *testing.T) {
	s := newServer(t, Config{Address: anyPort})
	s.Start()
	for i := range 2 * maxConns {
		conn, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 {
			// Its place may have been taken already.
			_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\n")
		}
	}
	begun := time.Now()
	if status, _ := ask(t, s, "/healthz"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if took := time.Since(begun); took > headerTimeout/2 {
		t.Errorf("answered after %v: it waited until others gave up", took)
	}
	silent, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
}
