//go:build linux

package main_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pingSizes are the payloads tried: small and odd ones, both sides of what
// fits one IPv4 packet (1472) and one IPv6 packet (1452) of 1500 bytes, both
// sides of the next fragment, and large ones.
var pingSizes = []int{
	0, 1, 2, 3, 7, 8, 15, 16, 55, 56, 57, 100, 255, 256, 511, 513, 999, 1000, 1001,
	1231, 1232, 1233, 1451, 1452, 1453, 1471, 1472, 1473, 1474, 1475, 1479, 1480, 1481, 1499, 1500, 1501,
	2047, 2048, 2051, 2899, 2900, 2901, 2951, 2952, 2953, 2960, 2961, 3333, 3999, 4000,
	8191, 16001, 40000, 65000,
}

// The longest pings fill a datagram. The length field of IPv4 counts the
// header, that of IPv6 does not.
const (
	longest4 = 65535 - 20 - 8
	longest6 = 65535 - 8
)

// pinged checks what ping printed: so many sent, and each answered. For the last
// reply of several ping waits hardly longer than the others took, which a busy machine
// may not be in time for: that one may be missing, and no other.
func pinged(t *testing.T, out string, count int) {
	t.Helper()
	want := fmt.Sprintf("%d packets transmitted, %d received, 0%% packet loss", count, count)
	gaveUp := count > 1 && strings.Contains(out, fmt.Sprintf("%d packets transmitted, %d received, ", count, count-1)) &&
		strings.Contains(out, fmt.Sprintf("icmp_seq=%d ", count-1)) && !strings.Contains(out, fmt.Sprintf("icmp_seq=%d ", count))
	if !strings.Contains(out, want) && !gaveUp {
		t.Errorf("ping did not say %q:\n%s", want, out)
	}
	for _, complaint := range []string{"wrong data", "truncated", "DUP!", "errors", "BAD CHECKSUM"} {
		if strings.Contains(out, complaint) {
			t.Errorf("ping complains of %q:\n%s", complaint, out)
		}
	}
}

// pingedEach pings n times, each with a ping of its own: whose only reply it waits for as
// long as an answerer may take on a busy machine.
func pingedEach(t *testing.T, n int, args ...string) {
	t.Helper()
	for range n {
		pinged(t, tool(t, patience, "ping", append([]string{"-c", "1", "-W", "10"}, args...)...), 1)
	}
}

// TestIntegrationPing pings every size once over each family. Every echo is
// answered with its own data, and matches the reply computed by hand.
func TestIntegrationPing(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, flags...)
	for _, size := range pingSizes {
		s := strconv.Itoa(size)
		pinged(t, tool(t, patience, "ping", "-4", "-c", "1", "-W", "2", "-s", s, netstack4), 1)
		pinged(t, tool(t, patience, "ping", "-6", "-c", "1", "-W", "2", "-s", s, netstack6), 1)
	}
	pinged(t, tool(t, patience, "ping", "-4", "-c", "1", "-W", "2", "-s", strconv.Itoa(longest4), netstack4), 1)
	pinged(t, tool(t, patience, "ping", "-6", "-c", "1", "-W", "2", "-s", strconv.Itoa(longest6), netstack6), 1)
	d.stop(t)
	tr := readTrace(t, path)
	tr.addsUp(t)
	tr.allMatch(t, 2*len(pingSizes)+2)
}

// TestIntegrationPingHundred is what the project promises: a hundred pings
// over each family, none lost, a match for each, and one request and one reply
// in the trace for each because none is fragmented.
func TestIntegrationPingHundred(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, flags...)
	pinged(t, tool(t, patience, "ping", "-c", "100", "-i", "0.01", netstack4), 100)
	pinged(t, tool(t, patience, "ping", "-6", "-c", "100", "-i", "0.01", netstack6), 100)
	d.stop(t)

	tr := readTrace(t, path)
	tr.addsUp(t)
	tr.allMatch(t, 200)
	requests, replies := tr.echoes("in"), tr.echoes("out")
	if len(requests) != 200 || len(replies) != 200 {
		t.Errorf("the trace holds %d requests and %d replies, want 200 of each", len(requests), len(replies))
	}
	answered := map[int]bool{}
	for _, p := range requests {
		answered[p.Seq] = p.Fate == "answered"
	}
	for _, c := range tr.compares {
		if c.Due == "reply" && !answered[c.Request] {
			t.Errorf("comparison %d is about packet %d, which is no answered request", c.Seq, c.Request)
		}
	}
	for _, p := range append(requests, replies...) {
		layers := map[int]string{4: "ipv4 icmpv4 ", 6: "icmpv6 "}[p.IP.Version]
		got := ""
		for _, sum := range p.Sums {
			got += sum.Layer + " "
			if sum.Verdict != "ok" || sum.Seen != sum.Hand {
				t.Errorf("packet %d: checksum %+v, want ok", p.Seq, sum)
			}
		}
		if got != layers {
			t.Errorf("packet %d has checksums of %q, want %q", p.Seq, got, layers)
		}
	}
}

// TestIntegrationPingFlood sends as fast as replies come.
func TestIntegrationPingFlood(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, flags...)
	begin := time.Now()
	pinged(t, tool(t, 30*time.Second, "ping", "-f", "-c", "2000", netstack4), 2000)
	pinged(t, tool(t, 30*time.Second, "ping", "-6", "-f", "-c", "2000", netstack6), 2000)
	t.Logf("4000 flood pings in %v", time.Since(begin))
	d.stop(t)
	tr := readTrace(t, path)
	tr.addsUp(t)
	tr.allMatch(t, 4000)
}
