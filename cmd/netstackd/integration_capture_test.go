//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestIntegrationCapture: the capture holds every packet with a comment, and
// tshark, which computes the checksums itself, comes to the same verdicts.
func TestIntegrationCapture(t *testing.T) {
	if !inNamespace(t, "ping", "tshark") {
		return
	}
	path := filepath.Join(t.TempDir(), "f.pcapng")
	trace, flags := traceFile(t, "compare")
	d := startDaemon(t, append(flags, "-pcapng", path)...)
	pinged(t, tool(t, patience, "ping", "-c", "5", "-i", "0.2", "-s", "4000", netstack4), 5)
	pinged(t, tool(t, patience, "ping", "-6", "-c", "5", "-i", "0.2", netstack6), 5)
	smallTalk(t, netstack4)
	smallTalk(t, netstack6)
	in := newInjector(t)
	bad := echoRequest4(77, 1, []byte("spoiled"))
	bad[2] ^= 0xff
	in.send(t, 4, ipv4Packet(1, 77, 0, bad))
	pinged(t, tool(t, patience, "ping", "-c", "1", netstack4), 1) // what came before it has been read
	d.stop(t)

	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the capture's mode is %v", info.Mode())
	}
	s := readTrace(t, trace).summary
	// Field by field, so that a packet without a checksum shows as empty.
	out := tool(t, patience, "tshark", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
		"-o", "udp.check_checksum:TRUE", "-T", "fields", "-E", "separator=|", "-E", "occurrence=f", "-e", "frame.comment",
		"-e", "ip.checksum.status", "-e", "tcp.checksum.status", "-e", "udp.checksum.status", "-e", "icmp.checksum.status", "-e", "icmpv6.checksum.status")
	packets, spoiled := 0, 0
	for line := range strings.Lines(out) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(fields) < 6 {
			continue // what tshark says of itself
		}
		packets++
		comment := fields[0]
		theirs := false
		for _, status := range fields[1:] {
			theirs = theirs || status == "0"
		}
		ours := strings.Contains(comment, "verdict=bad")
		if ours {
			spoiled++
		}
		if ours != theirs || !strings.Contains(comment, "fate=") {
			t.Errorf("tshark says bad: %v, of a packet with the comment %q", theirs, comment)
		}
	}
	if want := s.Packets.In + s.Packets.Out; packets != want {
		t.Errorf("%d packets captured, want %d", packets, want)
	}
	if spoiled != 1 {
		t.Errorf("%d packets with a bad checksum, want the one that was spoiled", spoiled)
	}

	// Offline, without the device: the same bytes explained.
	explained := tool(t, patience, daemonPath(t), "explain", path, "icmp[4:2] = 77")
	if !strings.Contains(explained, ": bad") || strings.Count(explained, "\nPacket ") != 0 || !strings.HasPrefix(explained, "Packet ") {
		t.Errorf("explain of the spoiled packet:\n%s", explained)
	}
}

// TestIntegrationFilter: an expression and a sample limit what is written down,
// not what is counted.
func TestIntegrationFilter(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	path, flags := traceFile(t, "packets")
	d := startDaemon(t, append(flags, "-trace-sample", "1/2", "icmp[icmptype] == icmp-echo")...)
	pinged(t, tool(t, patience, "ping", "-c", "10", "-i", "0.2", netstack4), 10)
	pinged(t, tool(t, patience, "ping", "-6", "-c", "2", "-i", "0.2", netstack6), 2)
	d.stop(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range lines[:len(lines)-1] {
		if !strings.Contains(line, `"icmp":{"type":8,`) {
			t.Errorf("not filtered: %s", line)
		}
	}
	if len(lines) != 5+1 {
		t.Errorf("%d lines, want each second of ten requests and the summary", len(lines))
	}
	if !strings.Contains(lines[len(lines)-1], `"match":12`) {
		t.Errorf("the summary counts what was written down: %s", lines[len(lines)-1])
	}
}

// TestIntegrationInject: of what is damaged on purpose between netstack and the
// hooks, the hooks see each packet, and no other.
func TestIntegrationInject(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, append(flags, "-inject", "outbound icmp corrupt=10%,seed=7")...)
	in := newInjector(t)
	const requests = 2000
	for i := range requests {
		in.send(t, 4, ipv4Packet(1, uint16(i), 0, echoRequest4(77, uint16(i), bytesOf(i%1400))))
		if i%100 == 99 {
			time.Sleep(2 * time.Millisecond) // the device's queue is bounded
		}
	}
	time.Sleep(100 * time.Millisecond)
	d.stop(t)
	said := regexp.MustCompile(`msg="faults injected".*out="map\[corrupt:(\d+) `).FindStringSubmatch(d.log.String())
	if said == nil {
		t.Fatal("the log does not say what was injected")
	}
	injected, err := strconv.Atoi(said[1])
	if err != nil {
		t.Fatal(err)
	}
	s := readTrace(t, path).summary
	if injected < 100 || s.Verdicts["bad"] != injected {
		t.Errorf("%d packets damaged, %d bad checksums seen", injected, s.Verdicts["bad"])
	}
}

// TestIntegrationExplain: a packet in hex needs no device and no privilege.
func TestIntegrationExplain(t *testing.T) {
	request, err := os.ReadFile("../../hooks/wire/testdata/echo-request.hex")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(daemonPath(t), "explain", string(request))
	cmd.SysProcAttr = nobody()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"by hand 0x615d, in the packet 0x615d: ok", "by hand 0x54f5, in the packet 0x54f5: ok", "0x54f5 → 0x5cf5"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the explanation lacks %q:\n%s", want, out)
		}
	}
	for _, args := range [][]string{{"explain", "4500f"}, {"explain", "/does/not/exist.pcap"}, {"explain", "zz"}} {
		out, err := exec.Command(daemonPath(t), args...).CombinedOutput()
		if err == nil || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%q: %v, %q; want one line and a failure", args, err, out)
		}
	}
}
