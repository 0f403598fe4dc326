//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestIntegrationDeployed: every metric that the alerts and the dashboard name is
// there in a scrape of a daemon that traces, and answers pings by another.
func TestIntegrationDeployed(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	path := filepath.Join(t.TempDir(), "netstackd.sock")
	d := startDaemon(t, "-http", "unix:"+path, "-trace", "compare", "-trace-out", filepath.Join(t.TempDir(), "trace"), "-respond", "byhand")
	pinged(t, tool(t, patience, "ping", "-c", "1", netstack4), 1)
	_, scraped := get(t, overSocket(t, path), "/metrics")
	d.stop(t)
	name := regexp.MustCompile(`\b(netstackd|go|process)_[a-z0-9_]+\b`)
	for _, path := range []string{"../../deploy/prometheus/rules.yaml", "../../deploy/grafana/netstackd.json"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		names := name.FindAllString(string(text), -1)
		slices.Sort(names)
		names = slices.Compact(names)
		if len(names) < 8 {
			t.Errorf("%s names %v, want more", path, names)
		}
		for _, n := range names {
			if !strings.Contains(scraped, "\n"+n+" ") && !strings.Contains(scraped, "\n"+n+"{") {
				t.Errorf("%s names %s, which is no metric", path, n)
			}
		}
	}
	if t.Failed() {
		t.Log(scraped)
	}
}

// TestIntegrationPromtool has the makers of Prometheus judge a scrape and the alerts.
func TestIntegrationPromtool(t *testing.T) {
	if !inNamespace(t, "ping", "promtool") {
		return
	}
	path := filepath.Join(t.TempDir(), "netstackd.sock")
	d := startDaemon(t, "-http", "unix:"+path, "-pcapng", filepath.Join(t.TempDir(), "capture.pcapng"), "-guard", "strict", "-respond", "byhand")
	pinged(t, tool(t, patience, "ping", "-c", "1", netstack4), 1)
	_, scraped := get(t, overSocket(t, path), "/metrics")
	d.stop(t)
	for _, tt := range []struct {
		args  []string
		input string
	}{
		{[]string{"check", "metrics"}, scraped},
		{[]string{"check", "rules", "../../deploy/prometheus/rules.yaml"}, ""},
	} {
		cmd := exec.Command("promtool", tt.args...)
		cmd.Stdin = strings.NewReader(tt.input)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s\n%s", strings.Join(tt.args, " "), err, out, tt.input)
		}
	}
}
