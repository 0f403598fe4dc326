//go:build linux

package main_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A manager is in systemd's place.
type manager struct {
	path     string
	messages chan string // as they came
}

func newManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{path: filepath.Join(openTo(t), "notify"), messages: make(chan string, 1<<16)}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // or the daemon would have to wait
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := socket.Read(b)
			if err != nil {
				return
			}
			m.messages <- string(b[:n])
		}
	}()
	t.Cleanup(func() {
		socket.Close()
		<-done
	})
	return m
}

// told is the next message.
func (m *manager) told(t *testing.T) string {
	t.Helper()
	select {
	case message := <-m.messages:
		return message
	case <-time.After(patience):
		t.Fatal("no message came")
		return ""
	}
}

// TestIntegrationNotify: systemd, or who is in its place, is told that the host is
// ready when it answers and not before, when it reads its configuration again, and
// when it goes down; contained.
func TestIntegrationNotify(t *testing.T) {
	if !inNamespace(t, "ip", "ping") {
		return
	}
	m := newManager(t)
	run(t, "tuntap add dev "+device+" mode tun", "addr add "+kernel4+"/24 dev "+device)
	file := filepath.Join(openTo(t), "netstackd.yaml")
	if err := os.WriteFile(file, []byte("addr: ["+prefix4+"]\nno-configure: true\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(daemonPath(t), "-config", file)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.path)
	d := startCommand(t, cmd)
	want := func(of, want string) {
		t.Helper()
		if got := m.told(t); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("told %q of a host that %s, want %s", got, of, want)
		}
	}
	want("has a device that is down", "STATUS=device netstack0 is down: ip link set netstack0 up")
	// Nothing that ends with READY=1 before it is.
	hangUp(t, d)
	d.waitLog(t, "configuration read again")
	run(t, "link set dev "+device+" up")
	want("answers", "READY=1\nSTATUS=the host answers")
	pinged(t, tool(t, patience, "ping", "-c", "1", "-W", "3", netstack4), 1)
	hangUp(t, d)
	want("reads its configuration", "RELOADING=1\nMONOTONIC_USEC=[0-9]+\nSTATUS=the configuration is read again")
	want("has read it", "READY=1\nSTATUS=the host answers")
	d.end(t, syscall.SIGTERM)
	want("goes down", "STOPPING=1\nSTATUS=the host is going down")
}

// hangUp has the daemon read its configuration again.
func hangUp(t *testing.T, d *daemon) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// TestIntegrationWatchdog: the watchdog is told as often as it asks that packets move,
// also of a host that is idle and one whose device is down, contained, and that costs
// no packet.
func TestIntegrationWatchdog(t *testing.T) {
	if !inNamespace(t, "ip", "ping") {
		return
	}
	m := newManager(t)
	cmd := exec.Command(daemonPath(t), "-addr", prefix4)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=20000")
	d := startCommand(t, cmd)
	if got := m.told(t); got != "WATCHDOG=1" && !strings.HasPrefix(got, "READY=1\n") {
		t.Errorf("told %q at first", got)
	}
	alive := func(of string) {
		t.Helper()
		for range len(m.messages) { // of before
			m.told(t)
		}
		for range 3 {
			if got := m.told(t); got != "WATCHDOG=1" && !strings.HasPrefix(got, "READY=1\n") {
				t.Errorf("told %q of a host that %s", got, of)
			}
		}
	}
	alive("is idle")
	pinged(t, tool(t, patience, "ping", "-c", "50", "-i", "0.02", netstack4), 50)
	alive("was pinged")
	run(t, "link set dev "+device+" down")
	d.waitLog(t, "is down")
	alive("has a device that is down")
	d.end(t, syscall.SIGTERM)
	got := "WATCHDOG=1"
	for got == "WATCHDOG=1" {
		got = m.told(t)
	}
	if !strings.HasPrefix(got, "STOPPING=1\n") {
		t.Errorf("told %q of a host that goes down", got)
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
