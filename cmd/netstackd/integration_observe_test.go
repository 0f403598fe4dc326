//go:build linux

package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// get asks the daemon behind a client, and returns the status and the body.
func get(t *testing.T, client *http.Client, path string) (int, string) {
	t.Helper()
	resp, err := client.Get("http://netstackd" + path)
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

// TestIntegrationObserve: pings show in the metrics and in the summary, while
// scrapers storm, and none is lost; and a device that is down makes the host not
// ready until it is up.
func TestIntegrationObserve(t *testing.T) {
	if !inNamespace(t, "ping", "ip") {
		return
	}
	path := filepath.Join(t.TempDir(), "netstackd.sock")
	d := startDaemon(t, "-http", "unix:"+path, "-trace", "compare", "-trace-out", filepath.Join(t.TempDir(), "trace"))
	client := overSocket(t, path)
	if status, body := get(t, client, "/readyz"); status != http.StatusOK || body != "ready\n" {
		t.Errorf("/readyz: %d, %q", status, body)
	}
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				stopped <- n
				return
			case <-time.After(10 * time.Millisecond):
			}
			resp, err := client.Get("http://netstackd/metrics")
			if err != nil {
				t.Error(err)
				continue
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			n++
		}
	}()
	out := tool(t, patience, "ping", "-q", "-c", "200", "-i", "0.02", netstack4)
	close(stop)
	if n := <-stopped; n < 20 {
		t.Errorf("%d scrapes in the time of 200 pings, want many", n)
	}
	if !strings.Contains(out, " 0% packet loss") {
		t.Errorf("pings were lost under scrapes:\n%s", out)
	}
	time.Sleep(200 * time.Millisecond) // until what was scraped last is old
	_, metrics := get(t, client, "/metrics")
	for _, want := range []string{
		`netstackd_packets_total{direction="in",ip_version="4",protocol="icmpv4"} 200`,
		`netstackd_packet_fates_total{direction="in",fate="answered",reason=""} `,
		`netstackd_comparisons_total{result="differ"} 0`,
		`netstackd_comparisons_total{result="missing"} 0`,
		`netstackd_reply_latency_seconds_count{responder="netstack"} `,
		`netstackd_trace_events_lost_total{output="trace"} 0`,
		`netstackd_link_kernel_tx_dropped_total 0`,
		`netstackd_icmp_echo_replies_sent_total{ip_version="4"} 200`,
	} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("no line %s", want)
		}
	}
	if t.Failed() {
		t.Log(metrics)
	}
	_, body := get(t, client, "/api/summary")
	var summary struct {
		Compare struct{ Match, Differ uint64 }
	}
	if err := json.Unmarshal([]byte(body), &summary); err != nil || summary.Compare.Match < 200 || summary.Compare.Differ != 0 {
		t.Errorf("/api/summary: %v\n%s", err, body)
	}
	conn := dialed(t, "tcp", netstack4, "7")
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	_, list := get(t, client, "/api/connections")
	var sockets struct {
		Listeners   []struct{ Service, Protocol string }
		Connections []struct {
			Service, State, Local, Remote string
			Out                           int `json:"bytes_out"`
		}
		Total int
	}
	if err := json.Unmarshal([]byte(list), &sockets); err != nil || len(sockets.Listeners) != 9 || sockets.Total != 1 ||
		len(sockets.Connections) != 1 || sockets.Connections[0].Remote != conn.LocalAddr().String() ||
		sockets.Connections[0].Local != netstack4+":7" || sockets.Connections[0].State != "established" || sockets.Connections[0].Out != 5 {
		t.Errorf("/api/connections: %v\n%s", err, list)
	}
	tool(t, patience, "ip", "link", "set", device, "down")
	waitFor(t, "the host to be not ready", func() bool {
		status, body := get(t, client, "/readyz")
		return status == http.StatusServiceUnavailable && body == "device netstack0 is down: ip link set netstack0 up\n"
	})
	tool(t, patience, "ip", "link", "set", device, "up")
	waitFor(t, "the host to be ready", func() bool {
		status, _ := get(t, client, "/readyz")
		return status == http.StatusOK
	})
	d.stop(t)
}
