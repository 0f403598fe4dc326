//go:build linux

package main_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	bt "netstackd/hooks/byhand/byhandtest"
)

// flooded is a daemon that is to stand a flood, seen from outside.
type flooded struct {
	*daemon
	client *http.Client
}

func startFlooded(t *testing.T, flags ...string) *flooded {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netstackd.sock")
	d := startDaemon(t, append(flags, "-http", "unix:"+path)...)
	return &flooded{daemon: d, client: overSocket(t, path)}
}

// elsewhere is what the services have dropped by a reason.
func (f *flooded) elsewhere(t *testing.T, reason string) int {
	t.Helper()
	_, body := get(t, f.client, "/api/summary")
	var summary struct{ Elsewhere map[string]int }
	if err := json.Unmarshal([]byte(body), &summary); err != nil {
		t.Fatal(err)
	}
	return summary.Elsewhere[reason]
}

// lives checks that others are served beside a flood, and that the daemon is no larger
// than so many KiB.
func (f *flooded) lives(t *testing.T, most int) {
	t.Helper()
	// What the flood has put into the device's queue goes first.
	waitFor(t, "the end of the queue", func() bool {
		out, err := tryTool(patience, "ping", "-c", "1", "-W", "1", netstack4)
		return err == nil && strings.Contains(out, " 0% packet loss")
	})
	// ping waits for the last reply as long as from one to the next.
	pinged(t, tool(t, patience, "ping", "-c", "3", "-i", "0.2", netstack4), 3)
	resp, err := (&http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + netstack4 + "/")
	if err != nil {
		t.Errorf("the page: %v", err)
	} else {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("the page: %s, %v", resp.Status, err)
		}
	}
	var p process
	p.read(t, f.daemon)
	t.Logf("resident %d KiB, %d threads", p.resident, p.threads)
	if p.resident > most {
		t.Errorf("resident %d KiB, want at most %d", p.resident, most)
	}
}

// TestIntegrationSynFlood: connections that are never opened, from everywhere, keep
// out nobody who opens one.
func TestIntegrationSynFlood(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	const syns = 20_000
	f := startFlooded(t, "-half-open", "64")
	in := newInjector(t)
	for i := range syns {
		src := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		in.send(t, 4, bt.TCP{SrcPort: uint16(1024 + i), DstPort: 80, Seq: uint32(i), Flags: bt.Syn}.Packet(src.String(), netstack4))
		if i%5000 == 4999 {
			f.lives(t, 128<<10)
		}
	}
	_, metrics := get(t, f.client, "/metrics")
	cookies := 0
	for line := range strings.Lines(metrics) {
		if rest, ok := strings.CutPrefix(line, "netstackd_tcp_syn_cookies_total "); ok {
			var n float64
			if _, err := fmt.Sscan(rest, &n); err != nil {
				t.Fatal(err)
			}
			cookies = int(n)
		}
	}
	t.Logf("%d SYNs answered by cookie, %d dropped by the kernel", cookies, int(kernelCounts(t).TxDropped))
	if cookies == 0 {
		t.Error("no SYN was answered by cookie")
	}
	f.stop(t)
}

// TestIntegrationIdleFlood: connections that do nothing, more than there is room for,
// keep out no other source, whose connections they give way for.
func TestIntegrationIdleFlood(t *testing.T) {
	if !inNamespace(t, "ping", "ip") {
		return
	}
	const idle, room = 3000, 256
	f := startFlooded(t, "-connections", fmt.Sprint(room))
	tool(t, patience, "ip", "addr", "add", "172.16.0.77/32", "dev", device)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range idle {
		// What is over the limit is reset, at once or a little later.
		if c, err := net.DialTimeout("tcp", net.JoinHostPort(netstack4, []string{"7", "9", "19"}[i%3]), patience); err == nil {
			conns = append(conns, c)
		}
	}
	f.lives(t, 128<<10) // the page is another service, which keeps some room for itself
	if n := f.elsewhere(t, "service-connection-limit") + f.elsewhere(t, "service-total-limit") + f.elsewhere(t, "service-gave-way"); n < idle-2*room {
		t.Errorf("%d connections were refused or gave way, want %d", n, idle-2*room)
	}
	before := f.elsewhere(t, "service-gave-way")
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("172.16.0.77")}, Timeout: patience}
	for i := range 10 {
		c, err := from.Dial("tcp", net.JoinHostPort(netstack4, "7"))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		got := make([]byte, 4)
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, "here"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "here" {
			t.Fatalf("connection %d of another source: %q, %v", i, got, err)
		}
	}
	if n := f.elsewhere(t, "service-gave-way") - before; n < 10 {
		t.Errorf("%d connections gave way, want 10", n)
	}
	f.stop(t)
}

// TestIntegrationStalledFlood: clients that send and do not read hold little each.
func TestIntegrationStalledFlood(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	const stalled = 300
	f := startFlooded(t)
	var sending sync.WaitGroup
	var conns []net.Conn
	for range stalled {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(netstack4, "7"), patience)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		sending.Go(func() {
			_ = c.SetWriteDeadline(time.Now().Add(1500 * time.Millisecond))
			_, _ = c.Write(make([]byte, 16<<20)) // more than anybody holds
		})
	}
	sending.Wait()
	// 64 of 6 MiB and the others of 576 KiB would be 517 MiB.
	f.lives(t, 640<<10)
	for _, c := range conns {
		c.Close()
	}
	f.stop(t)
}

// TestIntegrationDatagramFlood: datagrams to open ports and closed ones leave nothing
// behind.
func TestIntegrationDatagramFlood(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	const datagrams = 60_000
	f := startFlooded(t)
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(kernel4)})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	payload := make([]byte, 1000)
	for i := range datagrams {
		binary.BigEndian.PutUint32(payload, uint32(i))
		to := &net.UDPAddr{IP: net.ParseIP(netstack4), Port: []int{7, 9, 19, 4242}[i%4]}
		// A full queue and the errors about the closed port are the flood's own.
		_, _ = socket.WriteToUDP(payload, to)
		if i%20_000 == 19_999 {
			f.lives(t, 128<<10)
		}
	}
	f.stopBy(t, syscall.SIGTERM)
}
