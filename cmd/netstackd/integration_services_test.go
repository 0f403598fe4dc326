//go:build linux

package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// dialed connects to a service of the daemon, with a deadline on everything.
func dialed(t *testing.T, network, host, port string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout(network, net.JoinHostPort(host, port), patience)
	if err != nil {
		t.Fatalf("dial %s port %s: %v", network, port, err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatalf("set deadline: %v", err)
	}
	return conn
}

// bytesOf is n bytes in which no window of 256 repeats soon.
func bytesOf(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return data
}

// TestIntegrationServices talks to each service over each protocol and family
// with clients of the Go library.
func TestIntegrationServices(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	d := startDaemon(t)
	for _, host := range []string{netstack4, netstack6} {
		t.Run("tcp echo "+host, func(t *testing.T) { tcpEcho(t, host) })
		t.Run("tcp discard "+host, func(t *testing.T) { tcpDiscard(t, host) })
		t.Run("tcp chargen "+host, func(t *testing.T) { tcpChargen(t, host) })
		t.Run("udp echo "+host, func(t *testing.T) { udpEcho(t, host) })
		t.Run("udp discard "+host, func(t *testing.T) { udpSilence(t, host, "9", nil) })
		t.Run("udp chargen "+host, func(t *testing.T) { udpChargen(t, host) })
		t.Run("low port "+host, func(t *testing.T) {
			udpSilence(t, host, "7", &net.UDPAddr{Port: 1023})
			udpSilence(t, host, "19", &net.UDPAddr{Port: 1022})
		})
		t.Run("http "+host, func(t *testing.T) { httpPage(t, host) })
		t.Run("closed port "+host, func(t *testing.T) { closedPort(t, host) })
	}
	d.stop(t)
}

func tcpEcho(t *testing.T, host string) {
	conn := dialed(t, "tcp", host, "7").(*net.TCPConn)
	sent := bytesOf(100_000)
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		failed <- errors.Join(err, conn.CloseWrite())
	}()
	got, err := io.ReadAll(conn)
	if err := errors.Join(err, <-failed); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back of %d, or others", len(got), len(sent))
	}
}

func tcpDiscard(t *testing.T, host string) {
	conn := dialed(t, "tcp", host, "9").(*net.TCPConn)
	if _, err := conn.Write(bytesOf(1_000_000)); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || len(got) != 0 {
		t.Errorf("discard sent %d bytes and %v, want none and the end", len(got), err)
	}
}

func tcpChargen(t *testing.T, host string) {
	conn := dialed(t, "tcp", host, "19")
	got := make([]byte, 200*74)
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatal(err)
	}
	// RFC 864: lines of 72 printable characters, each begun one further on.
	for i, line := range bytes.SplitAfter(got[:100*74], []byte("\r\n"))[:100] {
		if len(line) != 74 || line[0] == line[1] || bytes.ContainsFunc(line[:72], func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("chargen line %d is %q", i, line)
		}
	}
	if second := got[74]; second != got[1] {
		t.Errorf("the second line begins with %q, want %q", second, got[1])
	}
}

func udpEcho(t *testing.T, host string) {
	conn := dialed(t, "udp", host, "7")
	for _, size := range []int{1, 2, 3, 511, 512, 1400, 1472, 1473, 4001, 9000} {
		sent := bytesOf(size)
		if _, err := conn.Write(sent); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got := make([]byte, 1<<16)
		n, err := conn.Read(got)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(got[:n], sent) {
			t.Errorf("%d bytes came back of %d, or others", n, size)
		}
	}
}

func udpChargen(t *testing.T, host string) {
	conn := dialed(t, "udp", host, "19")
	for _, size := range []int{1, 10, 74, 512, 1400} {
		if _, err := conn.Write(bytesOf(size)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 1<<16)
		n, err := conn.Read(got)
		if err != nil {
			t.Fatalf("request of %d bytes: %v", size, err)
		}
		if n > size || n == 0 {
			t.Errorf("a request of %d bytes drew %d: chargen must not amplify", size, n)
		}
	}
}

// udpSilence sends a datagram that must draw nothing.
func udpSilence(t *testing.T, host, port string, from *net.UDPAddr) {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", net.JoinHostPort(host, port))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", from, to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("is anybody there?")); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := conn.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("port %s from %v: %d bytes and %v came, want silence", port, from, n, err)
	}
}

func httpPage(t *testing.T, host string) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + net.JoinHostPort(host, "80") + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || !bytes.Contains(page, []byte("netstackd")) {
		t.Errorf("%s: %s", response.Status, page)
	}
}

// closedPort wants a refusal at once, not a time-out.
func closedPort(t *testing.T, host string) {
	if conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, "81"), patience); err == nil {
		conn.Close()
		t.Error("port 81 took a connection")
	} else if !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("port 81: %v, want connection refused", err)
	}
}

// TestIntegrationServicesNone wants no listener at all with -services none.
func TestIntegrationServicesNone(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	d := startDaemon(t, "-services", "none")
	for _, port := range []string{"7", "9", "19", "80"} {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(netstack4, port), patience)
		if err == nil {
			conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("port %s: %v, want connection refused", port, err)
		}
	}
	d.stop(t)
}

// TestIntegrationTools does some of it with the tools that people use.
func TestIntegrationTools(t *testing.T) {
	if !inNamespace(t, "nc", "curl") {
		return
	}
	d := startDaemon(t)
	for _, host := range []string{netstack4, netstack6} {
		for _, protocol := range []string{"tcp", "udp"} {
			args := []string{"-N", "-w", "2", host, "7"}
			if protocol == "udp" {
				args = []string{"-u", "-w", "1", host, "7"}
			}
			nc := exec.Command("nc", args...)
			nc.Stdin = strings.NewReader("hello over " + protocol + "\n")
			nc.WaitDelay = patience
			if out, err := nc.CombinedOutput(); string(out) != "hello over "+protocol+"\n" {
				t.Errorf("nc %v: %q, %v", args, out, err)
			}
		}
		out := tool(t, patience, "curl", "-sS", "-g", "--noproxy", "*", "-w", "%{http_code}",
			fmt.Sprintf("http://%s/", net.JoinHostPort(host, "80")))
		if !strings.HasSuffix(out, "200") || !strings.Contains(out, "netstackd") {
			t.Errorf("curl of %s: %s", host, out)
		}
	}
	d.stop(t)
}
