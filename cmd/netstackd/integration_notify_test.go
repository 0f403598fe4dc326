//go:build linux

package main_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestIntegrationNotify: systemd, or who is in its place, is told that the host is
// ready when it answers and not before, and when it goes down; contained.
func TestIntegrationNotify(t *testing.T) {
	if !inNamespace(t, "ip", "ping") {
		return
	}
	path := filepath.Join(openTo(t), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	told := func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := socket.Read(b)
		if err != nil {
			t.Fatalf("no message came: %v", err)
		}
		return string(b[:n])
	}
	run(t, "tuntap add dev "+device+" mode tun", "addr add "+kernel4+"/24 dev "+device)
	cmd := exec.Command(daemonPath(t), "-addr", prefix4, "-no-configure")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path)
	d := startCommand(t, cmd)
	if m, want := told(), "STATUS=device netstack0 is down: ip link set netstack0 up"; m != want {
		t.Errorf("told %q of a device that is down, want %q", m, want)
	}
	run(t, "link set dev "+device+" up")
	if m := told(); !strings.HasPrefix(m, "READY=1\n") {
		t.Errorf("told %q of a host that answers", m)
	}
	pinged(t, tool(t, patience, "ping", "-c", "1", "-W", "3", netstack4), 1)
	d.end(t, syscall.SIGTERM)
	if m := told(); !strings.HasPrefix(m, "STOPPING=1\n") {
		t.Errorf("told %q of a host that goes down", m)
	}
}

// TestIntegrationNotifyNobody: a socket that is not there costs a line of the log.
func TestIntegrationNotifyNobody(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cmd := exec.Command(daemonPath(t), "-addr", prefix4)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET=/nonexistent/notify")
	d := startCommand(t, cmd)
	d.waitLog(t, "systemd is not told when the host is up")
	d.stop(t)
}
