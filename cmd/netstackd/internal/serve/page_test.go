//go:build linux

package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asPage asks as a client does that names host, with headers in pairs.
func asPage(t *testing.T, s *Server, host, path string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://host"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial(s.listener.Addr().Network(), s.listener.Addr().String())
	}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
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

// TestPages: without a token only who asks by address or as localhost is answered,
// and no page of another host; with one the name is free, as Prometheus has it.
func TestPages(t *testing.T) {
	const word = "0123456789abcdef0123456789abcdef"
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(word), 0o600); err != nil {
		t.Fatal(err)
	}
	serving := func(c Config) *Server {
		s := newServer(t, c)
		s.Handle("GET /metrics", JSON(func() any { return 1 }))
		s.Profiles()
		s.Start()
		return s
	}
	bare, guarded := serving(Config{Address: anyPort}), serving(Config{Address: anyPort, TokenFile: path})
	socket := serving(Config{Address: Address{"unix", filepath.Join(t.TempDir(), "x.sock")}})
	bearer := []string{"Authorization", "Bearer " + word}
	const named = "ask by address, or as localhost; by a name only with -http-token-file\n"
	for _, test := range []struct {
		name       string
		s          *Server
		host, path string
		headers    []string
		status     int
		body       string
	}{
		{"by address", bare, "127.0.0.1:8080", "/metrics", nil, 200, ""},
		{"by address without a port", bare, "127.0.0.1", "/metrics", nil, 200, ""},
		{"by IPv6 address", bare, "[::1]:8080", "/metrics", nil, 200, ""},
		{"as localhost", bare, "localhost:8080", "/metrics", nil, 200, ""},
		{"as Localhost", bare, "Localhost", "/metrics", nil, 200, ""},
		{"rebound", bare, "evil.example:8080", "/metrics", nil, 403, `the Host header is "evil.example:8080": ` + named},
		{"rebound to a profile", bare, "evil.example", "/debug/pprof/heap", nil, 403, `the Host header is "evil.example": ` + named},
		{"rebound to nothing", bare, "evil.example", "/nothing", nil, 403, `the Host header is "evil.example": ` + named},
		{"a name like ours", bare, "localhost.evil.example", "/metrics", nil, 403, `the Host header is "localhost.evil.example": ` + named},
		{"a name like an address", bare, "127.0.0.1.evil.example", "/metrics", nil, 403, `the Host header is "127.0.0.1.evil.example": ` + named},
		{"a long name", bare, strings.Repeat("x", 5000), "/metrics", nil, 403, `the Host header is "` + strings.Repeat("x", 60) + `": ` + named},
		{"whether it lives, by any name", bare, "probe.example", "/healthz", nil, 200, "ok\n"},
		{"whether it is ready, by any name", bare, "probe.example", "/readyz", nil, 200, "ready\n"},
		{"not quite", bare, "probe.example", "/healthz/x", nil, 403, `the Host header is "probe.example": ` + named},
		{"another page", bare, "127.0.0.1", "/metrics", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, "no other host's web page may ask\n"},
		{"a link on another page", bare, "127.0.0.1", "/metrics", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 200, ""},
		{"typed in", bare, "127.0.0.1", "/metrics", []string{"Sec-Fetch-Site", "none"}, 200, ""},
		{"over a socket", socket, "netstackd", "/metrics", nil, 200, ""},
		{"by name with a token", guarded, "host.example:8080", "/metrics", bearer, 200, ""},
		{"by name without the token", guarded, "host.example:8080", "/metrics", nil, 401, ""},
	} {
		status, body := asPage(t, test.s, test.host, test.path, test.headers...)
		if status != test.status || test.body != "" && body != test.body {
			t.Errorf("%s: %d %q, want %d %q", test.name, status, body, test.status, test.body)
		}
	}
}
