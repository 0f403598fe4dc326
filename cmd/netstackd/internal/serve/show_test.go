//go:build linux

package serve

import (
	"net/http"
	"strings"
	"testing"
)

// TestReady: /readyz says why not, and that the host goes down, the first reason
// of several.
func TestReady(t *testing.T) {
	why := "the host is coming up"
	s := newServer(t, Config{Address: anyPort, Ready: func() string { return why }})
	s.Start()
	want := func(status int, text string) {
		t.Helper()
		if got, body := ask(t, s, "/readyz"); got != status || body != text+"\n" {
			t.Errorf("%d %q, want %d %q", got, body, status, text)
		}
	}
	want(http.StatusServiceUnavailable, "the host is coming up")
	why = ""
	want(http.StatusOK, "ready")
	s.GoDown("the device is gone")
	s.GoDown("the host is going down")
	want(http.StatusServiceUnavailable, "the device is gone")
}

// TestRefusals: what is asked wrongly is refused in one line.
func TestRefusals(t *testing.T) {
	s := newServer(t, Config{Address: anyPort})
	s.Handle("GET /api/summary", JSON(func() any { return map[string]int{"a": 1} }))
	s.Profiles()
	s.Start()
	for _, test := range []struct {
		path   string
		status int
		body   string
	}{
		{"/api/summary", 200, "{\n  \"a\": 1\n}\n"},
		{"/", 404, "404 page not found\n"},
		{"/api/", 404, "404 page not found\n"},
		{"/..%2f..%2fetc/passwd", 404, "404 page not found\n"},
		{"/api/summary%00", 404, "404 page not found\n"},
		{"/debug/pprof/nothing", 404, "Unknown profile\n"},
		{"/debug/pprof/profile?seconds=0", 400, `seconds="0": expected a number from 1 to 25` + "\n"},
		{"/debug/pprof/profile?seconds=1000000", 400, `seconds="1000000": expected a number from 1 to 25` + "\n"},
		{"/debug/pprof/trace?seconds=x", 400, `seconds="x": expected a number from 1 to 25` + "\n"},
	} {
		if status, body := ask(t, s, test.path); status != test.status || body != test.body {
			t.Errorf("%s: %d %q, want %d %q", test.path, status, body, test.status, test.body)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/api/summary", "/debug/pprof/heap"} {
		resp, err := http.Post("http://"+s.listener.Addr().String()+path, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %s, Allow %q", path, resp.Status, resp.Header.Get("Allow"))
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestProfilesTakeTurns: a second profile is refused while one is made.
func TestProfilesTakeTurns(t *testing.T) {
	turn, begun, release := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	s := newServer(t, Config{Address: anyPort})
	s.Handle("GET /slow", oneProfile(turn, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-release
	})))
	s.Start()
	first := make(chan int)
	go func() {
		status, _ := ask(t, s, "/slow")
		first <- status
	}()
	<-begun
	if status, body := ask(t, s, "/slow"); status != http.StatusTooManyRequests || body != "another profile is being made: one at a time\n" {
		t.Errorf("%d %q", status, body)
	}
	close(release)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first: %d", status)
	}
}
