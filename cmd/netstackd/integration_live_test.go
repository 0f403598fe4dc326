//go:build linux

package main_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIntegrationLive: curl and tshark follow the pings live, with what was found
// out about them; of 1,000 captures more at once as many are served as there may be,
// the others are refused, and no ping is lost; at the daemon's end each answer is
// whole.
func TestIntegrationLive(t *testing.T) {
	if !inNamespace(t, "ping", "curl", "tshark") {
		return
	}
	path := filepath.Join(t.TempDir(), "netstackd.sock")
	d := startDaemon(t, "-http", "unix:"+path, "-trace", "compare", "-trace-out", filepath.Join(t.TempDir(), "trace"))
	client := overSocket(t, path)
	client.Timeout = 0 // the context of each request bounds it
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()

	shown, tshark := liveTshark(t, ctx, path)
	answer, err := follow(ctx, client, "?format=json&filter=icmp")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"filter":"icmp","comparing":true}`) {
		t.Fatalf("first line: %s", lines.Text())
	}
	followed := func(n int) func() bool {
		return func() bool {
			_, metrics := get(t, overSocket(t, path), "/metrics")
			return strings.Contains(metrics, fmt.Sprintf("\nnetstackd_capture_readers %d\n", n))
		}
	}
	waitFor(t, "two that follow", followed(2))
	last := make(chan string, 1)
	go func() {
		text := ""
		for lines.Scan() {
			text = lines.Text()
		}
		last <- fmt.Sprint(text, lines.Err())
	}()

	pinged(t, tool(t, patience, "ping", "-c", "3", "-i", "0.2", netstack4), 3)
	for i := range 6 {
		if !shown.Scan() || !strings.Contains(shown.Text(), "compare=match") {
			t.Fatalf("tshark shows as packet %d: %q", i, shown.Text())
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for shown.Scan() { // or tshark would stand still
		}
	}()

	pings := make(chan string)
	go func() {
		out, err := tryTool(patience, "ping", "-q", "-c", "150", "-i", "0.02", netstack4)
		pings <- fmt.Sprint(out, err)
	}()
	crowd(t, ctx, client, 1000, 16-2)
	if out := <-pings; !strings.Contains(out, " 0% packet loss") {
		t.Errorf("pings beside 1,000 captures:\n%s", out)
	}
	waitFor(t, "the two to be alone again", followed(2))

	d.stop(t)
	if got := <-last; got != `{"type":"end","reason":"the host is going down","lost":0}`+"<nil>" {
		t.Errorf("the answer ends with %s", got)
	}
	<-drained
	if err := tshark.Wait(); err != nil {
		t.Errorf("tshark: %v", err)
	}
}

// follow asks for a capture.
func follow(ctx context.Context, client *http.Client, query string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://netstackd/capture"+query, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(request)
}

// liveTshark has curl follow the pings for tshark, and returns what that shows.
func liveTshark(t *testing.T, ctx context.Context, path string) (*bufio.Scanner, *exec.Cmd) {
	t.Helper()
	curl := exec.CommandContext(ctx, "curl", "-sN", "--unix-socket", path, "http://netstackd/capture?filter=icmp")
	packets, err := curl.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	tshark := exec.CommandContext(ctx, "tshark", "-l", "-n", "-i", "-", "-T", "fields", "-e", "frame.comment")
	tshark.Stdin = packets
	shown, err := tshark.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []*exec.Cmd{tshark, curl} {
		cmd.WaitDelay = time.Second
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	packets.Close() // tshark has its own
	t.Cleanup(func() { _ = curl.Wait() })
	return bufio.NewScanner(shown), tshark
}

// crowd asks for so many captures at once, and wants so many of them to be served.
// Those leave when all have asked.
func crowd(t *testing.T, ctx context.Context, client *http.Client, n, served int) {
	t.Helper()
	asking, leave := context.WithCancel(ctx)
	defer leave()
	var mu sync.Mutex
	outcomes := map[string]int{}
	var asked, all sync.WaitGroup
	asked.Add(n)
	for range n {
		all.Go(func() {
			answer, err := follow(asking, client, "?filter=udp")
			outcome := "no answer" // its connection made room for another one
			if err == nil {
				defer answer.Body.Close()
				outcome = answer.Status
			}
			mu.Lock()
			outcomes[outcome]++
			mu.Unlock()
			asked.Done()
			if outcome == "200 OK" {
				_, _ = io.Copy(io.Discard, answer.Body)
			}
		})
	}
	asked.Wait()
	leave()
	all.Wait()
	refused := outcomes["503 Service Unavailable"]
	if outcomes["200 OK"] != served || refused == 0 || outcomes["200 OK"]+refused+outcomes["no answer"] != n {
		t.Errorf("%d captures at once: %v; want %d served, others refused", n, outcomes, served)
	}
}
