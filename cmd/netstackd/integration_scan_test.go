//go:build linux

package main_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIntegrationScan scans the ports of both families while a flood of pings
// and a bulk transfer go on. Every reset, SYN-ACK and ICMP error is as by hand,
// and nothing is said to be missing or too much.
func TestIntegrationScan(t *testing.T) {
	if !inNamespace(t, "nmap", "ping", "nc") {
		return
	}
	const pings, ports = 5000, 2000
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, flags...)
	const limit = time.Minute
	var all sync.WaitGroup
	for _, line := range []string{
		fmt.Sprintf("ping -f -q -c %d %s", pings, netstack4),
		fmt.Sprintf("ping -6 -f -q -c %d %s", pings, netstack6),
		"head -c 20000000 /dev/zero | nc -N " + netstack4 + " 9",
		"head -c 5000000 /dev/zero | nc -N " + netstack6 + " 7 > /dev/null",
	} {
		all.Go(func() {
			if out, err := tryTool(limit, "sh", "-c", line); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
		})
	}
	for _, scan := range []string{
		fmt.Sprintf("-sS -p1-%d %s", ports, netstack4),
		fmt.Sprintf("-6 -sS -p1-%d %s", ports, netstack6),
		"-sS --badsum -p80-90 " + netstack4,
		"-sA -p1-100 " + netstack4,
		"-sT -p1-100 " + netstack4,
		"-sU --max-retries 0 --host-timeout 10 -p1-300 " + netstack4,
		"-6 -sU --max-retries 0 --host-timeout 10 -p1-300 " + netstack6,
	} {
		tool(t, limit, "nmap", append([]string{"-n", "-Pn", "-T4"}, strings.Fields(scan)...)...)
	}
	all.Wait()
	d.stop(t)

	tr := readTrace(t, path)
	tr.addsUpIfWhole(t)
	for _, bad := range []string{"differ", "missing", "unexpected"} {
		if n := tr.summary.Compare[bad]; n != 0 {
			t.Errorf("%d %s", n, bad)
		}
	}
	for _, c := range tr.compares {
		if c.Result != "match" {
			t.Errorf("%+v", c)
			break
		}
	}
	if got, least := tr.summary.Compare["match"], 2*pings+2*ports; got < least {
		t.Errorf("%d comparisons match, want %d at least: %v", got, least, tr.summary)
	}
}

// addsUpIfWhole is addsUp for traces that a fast sender may have made lose some
// lines; their summary must add up all the same.
func (tr trace) addsUpIfWhole(t *testing.T) {
	t.Helper()
	if tr.summary.TraceLost == 0 {
		tr.addsUp(t)
		return
	}
	for dir, total := range map[string]int{"in": tr.summary.Packets.In, "out": tr.summary.Packets.Out} {
		for _, n := range tr.summary.Fates[dir] {
			total -= n
		}
		if total != 0 {
			t.Errorf("%d packets %s more than fates", total, dir)
		}
	}
}
