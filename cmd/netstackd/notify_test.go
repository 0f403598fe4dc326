package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"
)

// TestKeepAlive: the watchdog hears nothing of a host whose packets do not move, and
// the log says so; a host that ends is not kept.
func TestKeepAlive(t *testing.T) {
	defer goleak.VerifyNone(t)
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "20000")
	log, logged := logtest.NewNullLogger()
	n := openNotifier(log)
	defer n.close()
	said := func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 128)
		k, err := socket.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:k])
	}
	type ask struct{ answer chan bool }
	asks, ending, ended := make(chan ask), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		n.keepAlive(func(<-chan struct{}) bool {
			a := ask{make(chan bool)}
			asks <- a
			return <-a.answer
		}, ending)
	}()
	(<-asks).answer <- true
	if got := said(); got != "WATCHDOG=1" {
		t.Errorf("said %q", got)
	}
	(<-asks).answer <- false // and nothing is said
	stuck := <-asks
	for !strings.Contains(lastMessage(logged), "packets do not move") {
		time.Sleep(time.Millisecond)
	}
	n.say("nothing but this") // since the first
	if got := said(); got != "nothing but this" {
		t.Errorf("said %q of a host that is stuck", got)
	}
	stuck.answer <- true // late, and the next at once
	if got := said(); got != "WATCHDOG=1" {
		t.Errorf("said %q once packets moved again", got)
	}
	stuck = <-asks
	close(ending)
	<-ended
	stuck.answer <- true // nobody waits, and it ends all the same
}

func lastMessage(logged *logtest.Hook) string {
	if e := logged.LastEntry(); e != nil {
		return e.Message
	}
	return ""
}

// TestNoWatchdog: a variable that is wrong costs a line of the log.
func TestNoWatchdog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "soon")
	log, logged := logtest.NewNullLogger()
	n := openNotifier(log)
	defer n.close()
	if got := lastMessage(logged); n.watchdog != 0 || !strings.Contains(got, "WATCHDOG_USEC must be a number of microseconds") {
		t.Errorf("watchdog %v, said %q", n.watchdog, got)
	}
}
