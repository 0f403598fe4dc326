//go:build linux

package main_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// kill sends, n times, the ping in fragments that netstack panics of without a guard,
// each a datagram of its own.
func kill(t *testing.T, in *injector, n int) {
	t.Helper()
	for i := range n {
		id := uint16(1000 + i)
		for _, fragment := range fragment4(id, echoRequest4(id, 1, make([]byte, 65_516-8)), 1480) {
			in.send(t, 4, fragment)
		}
	}
}

// killerFragments is how many fragments one such ping has.
const killerFragments = (65_516 + 1479) / 1480

// metric returns the value of a series that the daemon behind a client exports.
func metric(t *testing.T, client *http.Client, series string) int {
	t.Helper()
	_, text := get(t, client, "/metrics")
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in\n%s", series, text)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(v)
}

// waitRebuilt waits until netstack was rebuilt n times.
func waitRebuilt(t *testing.T, client *http.Client, n int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d rebuilds", n), func() bool { return metric(t, client, "netstackd_rebuilds_total") >= n })
}

// allAnswer wants all services to be there.
func allAnswer(t *testing.T) {
	t.Helper()
	pinged(t, tool(t, patience, "ping", "-c", "2", "-i", "0.2", netstack4), 2)
	pinged(t, tool(t, patience, "ping", "-6", "-c", "2", "-i", "0.2", netstack6), 2)
	if page := tool(t, patience, "curl", "-sS", "--max-time", "10", "http://"+netstack4+"/"); !strings.Contains(page, "netstackd") {
		t.Errorf("the page is %q", page)
	}
	tcpEcho(t, netstack4)
	udpEcho(t, netstack4)
	if out, err := iperf3(t, netstack4, "-n", "1M"); err != nil {
		t.Errorf("iperf3: %v\n%s", err, out)
	}
}

// TestIntegrationPanic: without a guard, netstack panics of one ping. Each time it is
// rebuilt, the packet is in quarantine, the connections are lost and counted, and all
// adds up at the end.
func TestIntegrationPanic(t *testing.T) {
	if !inNamespace(t, "ping", "curl", "iperf3", "tshark") {
		return
	}
	dir := t.TempDir()
	socket, quarantine := filepath.Join(dir, "netstackd.sock"), filepath.Join(dir, "quarantine.pcapng")
	path, flags := traceFile(t, "compare")
	told := newSystemd(t)
	cmd := exec.Command(daemonPath(t), append(flags, "-addr", prefix4, "-addr", prefix6,
		"-guard", "off", "-quarantine", quarantine, "-http", "unix:"+socket)...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+told.path)
	d := startCommand(t, cmd)
	client, in := overSocket(t, socket), newInjector(t)
	idle := dialed(t, "tcp", netstack4, "7")
	if _, err := idle.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := idle.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}

	kill(t, in, 1)
	waitRebuilt(t, client, 1)
	waitFor(t, "systemd to be told", func() bool {
		return told.told.String() == "READY=1\nSTATUS=the host answers\n"+
			"STATUS=netstack panicked: it is rebuilt, and its connections are lost\nSTATUS=the host answers\n"
	})
	allAnswer(t)
	goroutines := metric(t, client, "go_goroutines")
	if _, err := net.InterfaceByName(device); err != nil {
		t.Error(err)
	}
	if status, body := get(t, client, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d, %q", status, body)
	}
	if n := metric(t, client, "netstackd_panic_lost_connections_total"); n != 1 {
		t.Errorf("%d connections are counted as lost, want 1", n)
	}
	// Who had one learns of it as soon as it says something.
	_, _ = idle.Write([]byte("x"))
	if n, err := idle.Read(make([]byte, 1)); err == nil {
		t.Errorf("a connection that was lost gave %d bytes", n)
	}

	const more = 10
	kill(t, in, more)
	waitRebuilt(t, client, 1+more)
	allAnswer(t)
	// What was abandoned is freed: no goroutine of it stays.
	waitFor(t, "the goroutines to be no more than before", func() bool { return metric(t, client, "go_goroutines") <= goroutines })
	if n := metric(t, client, `netstackd_panics_total{where="inbound"}`); n != 1+more {
		t.Errorf("%d panics are counted, want %d", n, 1+more)
	}
	d.stop(t)

	if n := strings.Count(d.log.String(), "netstack panicked: it is rebuilt"); n != 1+more {
		t.Errorf("%d lines of the log tell of a panic, want %d", n, 1+more)
	}
	for _, wrong := range []string{"cannot be freed", "did not count as many", "more panics than"} {
		if strings.Contains(d.log.String(), wrong) {
			t.Errorf("the log says %q", wrong)
		}
	}
	tr := readTrace(t, path)
	tr.addsUp(t)
	if n := tr.summary.Elsewhere["netstack-panic"]; n != 1+more {
		t.Errorf("%d packets are counted as netstack-panic, want %d: %v", n, 1+more, tr.summary.Elsewhere)
	}
	inQuarantine(t, quarantine, 1+more)
}

// systemd is who is told how the host is.
type systemd struct {
	path string
	told logText
}

func newSystemd(t *testing.T) *systemd {
	t.Helper()
	s := &systemd{path: filepath.Join(t.TempDir(), "notify")}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for b := make([]byte, 4096); ; {
			n, err := socket.Read(b)
			if err != nil {
				return
			}
			fmt.Fprintf(&s.told, "%s\n", b[:n])
		}
	})
	t.Cleanup(func() {
		socket.Close()
		reading.Wait()
	})
	return s
}

// inQuarantine wants killers in a quarantine, and the trace with each.
func inQuarantine(t *testing.T, path string, killers int) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("the quarantine has mode %v", info.Mode())
	}
	// Wireshark puts the fragments together: each killer is whole.
	out := tool(t, patience, "tshark", "-r", path, "-Y", "icmp.type == 8", "-T", "fields", "-e", "ip.reassembled.length", "-e", "frame.comment")
	if n := strings.Count(out, "65516\tnetstack panicked where=inbound"); n != killers {
		t.Errorf("tshark finds %d of %d killers in quarantine:\n%.3000s", n, killers, out)
	}
	if n := strings.Count(out, "sendICMPEchoReply"); n < killers {
		t.Errorf("the trace stands %d times in quarantine, want %d times", n, killers)
	}
	frames := tool(t, patience, "tshark", "-r", path, "-T", "fields", "-e", "ip.id")
	if n := strings.Count(frames, "0x"); n != killers*killerFragments {
		t.Errorf("%d packets in quarantine, want %d", n, killers*killerFragments)
	}
}

// TestIntegrationPanicUnderLoad: the same while connections are busy both ways.
func TestIntegrationPanicUnderLoad(t *testing.T) {
	if !inNamespace(t, "iperf3", "ping", "curl") {
		return
	}
	socket := filepath.Join(t.TempDir(), "netstackd.sock")
	d := startDaemon(t, "-guard", "off", "-http", "unix:"+socket)
	client, in := overSocket(t, socket), newInjector(t)
	const kills = 3
	for i := range kills {
		var load sync.WaitGroup
		load.Go(func() {
			// It ends with an error when its connections are reset.
			_, _ = tryTool(iperf3Limit, "timeout", "-s", "KILL", "10", "iperf3", "-c", netstack4, "-t", "8", "--bidir", "-P", "2")
		})
		waitFor(t, "the load", func() bool { return metric(t, client, `netstackd_service_open_connections{service="iperf3"}`) >= 5 })
		time.Sleep(200 * time.Millisecond) // for the load to be one
		kill(t, in, 1)
		waitRebuilt(t, client, i+1)
		allAnswer(t)
		load.Wait()
	}
	if n := metric(t, client, "netstackd_panic_lost_connections_total"); n < 5*kills {
		t.Errorf("%d connections are counted as lost, want %d", n, 5*kills)
	}
	d.stop(t)
	for _, wrong := range []string{"cannot be freed", "did not count as many"} {
		if strings.Contains(d.log.String(), wrong) {
			t.Errorf("the log says %q", wrong)
		}
	}
}

// TestIntegrationPanicExit: with -on-panic exit the host ends with status 1, and a
// line that says why.
func TestIntegrationPanicExit(t *testing.T) {
	if !inNamespace(t, "tshark") {
		return
	}
	quarantine := filepath.Join(t.TempDir(), "quarantine.pcapng")
	for run := range 2 {
		d := startDaemon(t, "-guard", "off", "-quarantine", quarantine, "-on-panic", "exit")
		kill(t, newInjector(t), 1)
		if status := d.waitExit(t); status != 1 {
			t.Errorf("exit status %d, want 1", status)
		}
		want := "netstackd: netstack panicked, and -on-panic exit ends the host: " + quarantine + " has the packet and the trace\n"
		if !strings.HasSuffix(d.log.String(), want) {
			t.Errorf("the log does not end with %q", want)
		}
		if _, err := net.InterfaceByName(device); err == nil {
			t.Error("the device is still there")
		}
		// What an earlier run has left stays.
		inQuarantine(t, quarantine, run+1)
	}
}
