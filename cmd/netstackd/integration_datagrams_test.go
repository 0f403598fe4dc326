//go:build linux

package main_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestIntegrationDatagrams echoes datagrams that the client has the kernel cut
// apart, and takes the replies one by one and joined, as QUIC stacks do. Each is
// seen by itself, verified and compared, whatever they pass the device in.
func TestIntegrationDatagrams(t *testing.T) {
	if !inNamespace(t, "tshark") {
		return
	}
	for _, offload := range []string{"on", "off"} {
		t.Run("offload-"+offload, func(t *testing.T) {
			path, flags := traceFile(t, "compare")
			captured := filepath.Join(t.TempDir(), "f.pcapng")
			d := startDaemon(t, append(flags, "-offload", offload, "-pcapng", captured)...)
			sent, joined := 0, 0
			port := datagramsFrom
			for _, host := range []string{netstack4, netstack6} {
				for _, tc := range []struct{ size, bytes int }{
					{1400, 44 * 1400}, {1400, 3*1400 + 1}, {1000, 20*1000 + 999}, {64, 64 * 64}, {1, 64}, {1452, 44 * 1452}, {1400, 1400},
				} {
					for _, gro := range []bool{false, true} {
						n, j := echoDatagrams(t, port, host, tc.size, tc.bytes, gro)
						port++
						sent += n
						joined += j
					}
				}
			}
			if offload == "on" && joined < sent/4 {
				t.Errorf("of %d datagrams %d came joined to another", sent, joined)
			}
			if lost := datagramsLost(t); lost != "" {
				t.Errorf("the kernel lost datagrams: %s", lost)
			}
			d.stop(t)
			tr := readTrace(t, path)
			tr.addsUpIfWhole(t)
			s := tr.summary
			delete(s.Drops, "not-ours") // the kernel looks for routers
			if s.Verdicts["bad"] != 0 || s.Packets.In < sent || s.Packets.Out < sent || s.TraceLost != 0 || len(s.Drops)+len(s.Elsewhere) != 0 {
				t.Errorf("%d datagrams sent: %+v", sent, s)
			}
			echoes := map[string]int{}
			for _, p := range tr.packets {
				if p.IP.Proto == syscall.IPPROTO_UDP {
					echoes[p.Dir]++
				}
			}
			if echoes["in"] != sent || echoes["out"] != sent {
				t.Errorf("the trace holds %v datagrams, want %d each way", echoes, sent)
			}
			out := tool(t, patience, "tshark", "-r", captured, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
				"-Y", "udp.port == 7", "-T", "fields", "-E", "separator=|", "-e", "ip.checksum.status", "-e", "udp.checksum.status")
			good := 0
			for line := range strings.Lines(out) {
				if line == "1|1\n" || line == "|1\n" { // over IPv4, over IPv6
					good++
				}
			}
			if good != 2*sent {
				t.Errorf("tshark finds %d datagrams good, want %d:\n%.300s", good, 2*sent, out)
			}
		})
	}
}

// datagramsFrom is the first of the ports that datagrams are sent from. With these
// none has a checksum that comes to 0: one of a byte, whose checksum did, Linux 6.18
// was seen to send with 0 in the field and not with 0xffff (RFC 768), which means that
// there is no checksum, and over IPv6 is to be discarded (RFC 8200 §8.1).
const datagramsFrom = 20000

// echoDatagrams sends so many bytes from a port in datagrams of size bytes with one
// call, and wants them echoed in their order. It returns how many they were, and how many
// came joined to the one before, for which the kernel is asked with gro.
func echoDatagrams(t *testing.T, port int, host string, size, length int, gro bool) (sent, joined int) {
	t.Helper()
	conn, err := net.DialUDP("udp", &net.UDPAddr{Port: port}, &net.UDPAddr{IP: net.ParseIP(host), Port: 7})
	if err != nil {
		t.Fatalf("dial %s from port %d: %v", host, port, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size)
		if failed == nil && gro {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1)
		}
	}); err != nil || failed != nil {
		t.Fatalf("set options: %v, %v", err, failed)
	}
	data := bytesOf(length)
	if _, err := conn.Write(data); err != nil {
		t.Fatalf("send %d bytes: %v", length, err)
	}
	sent = (length + size - 1) / size
	what := fmt.Sprintf("%s, %d bytes in datagrams of %d, joined %v", host, length, size, gro)
	var back []byte
	buf, control := make([]byte, 1<<16), make([]byte, 64)
	for len(back) < length {
		n, c, _, _, err := conn.ReadMsgUDP(buf, control)
		if err != nil {
			t.Fatalf("%s: %d bytes came back, then: %v", what, len(back), err)
		}
		each := segmentSize(t, control[:c])
		switch rest := length - len(back); {
		case each == 0 && n != min(size, rest), each != 0 && (each != size && n != each || n%size != 0 && n != rest):
			t.Fatalf("%s: %d bytes came back in datagrams of %d, %d bytes before the end", what, n, each, rest)
		case n > size:
			joined += (n+size-1)/size - 1
		}
		back = append(back, buf[:n]...)
	}
	if !bytes.Equal(back, data) {
		t.Fatalf("%s: other bytes came back", what)
	}
	return sent, joined
}

// segmentSize is what a control message of UDP_GRO says, 0 without one.
func segmentSize(t *testing.T, control []byte) int {
	t.Helper()
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if m.Header.Level == unix.IPPROTO_UDP && m.Header.Type == unix.UDP_GRO {
			return int(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return 0
}

// datagramsLost are the namespace's counters of UDP errors that are not 0.
func datagramsLost(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/snmp6")
	if err != nil {
		t.Fatal(err)
	}
	four, err := os.ReadFile("/proc/thread-self/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	var lost []string
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 2 && strings.HasPrefix(f[0], "Udp6") && strings.HasSuffix(f[0], "Errors") && f[1] != "0" {
			lost = append(lost, f[0]+" "+f[1])
		}
	}
	var names []string
	for line := range strings.Lines(string(four)) {
		f := strings.Fields(line)
		if f[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i, name := range names {
			if strings.HasSuffix(name, "Errors") && f[i] != "0" {
				lost = append(lost, name+" "+f[i])
			}
		}
	}
	return strings.Join(lost, ", ")
}
