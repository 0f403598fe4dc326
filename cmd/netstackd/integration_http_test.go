//go:build linux

package main_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// overSocket returns a client that reaches the unix socket, whatever the host
// of the URL.
func overSocket(t *testing.T, path string) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// TestIntegrationHealth: the daemon serves HTTP on a socket that is its
// owner's, while it runs and no longer.
func TestIntegrationHealth(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	path := filepath.Join(t.TempDir(), "netstackd.sock")
	d := startDaemon(t, "-http", "unix:"+path)
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := os.ModeSocket | 0o600; info.Mode() != want {
		t.Errorf("socket of mode %v, want %v", info.Mode(), want)
	}
	resp, err := overSocket(t, path).Get("http://netstackd/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || string(body) != "ok\n" {
		t.Errorf("/healthz: %s, %q, %v", resp.Status, body, err)
	}
	d.stop(t)
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}
