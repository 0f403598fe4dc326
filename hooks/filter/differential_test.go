package filter

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var random = flag.Int("random", 300, "how many random expressions of each kind to compare with tcpdump")

// differ compares the filter with libpcap's program on each packet.
func differ(t testing.TB, expr string, f *Filter, want *program, c *corpus) {
	t.Helper()
	for i, packet := range c.packets {
		if got := f.Match(packet); got != want.match(t, packet) {
			t.Errorf("%q, understood as %q, on %s (%d bytes) %x: Match is %v, tcpdump's program says %v",
				expr, f, c.names[i], len(packet), packet, got, !got)
			return
		}
	}
}

// TestTcpdumpAgrees compares each expression of the table with libpcap, on the
// hand-made packets, whole and cut at every length, and on random ones.
func TestTcpdumpAgrees(t *testing.T) {
	t.Parallel()
	tcpdump := findTcpdump(t)
	whole, truncated := wholePackets(), truncatedPackets()
	table := expressions
	if knowsNames(t, tcpdump) {
		table = append(table[:len(table):len(table)], namedExpressions...)
	}
	for i, row := range table {
		f, err := Compile(row.expr)
		if err != nil {
			t.Errorf("%q: %v", row.expr, err)
			continue
		}
		want, err := compileBPF(tcpdump, row.expr, "-O")
		if err != nil {
			t.Errorf("%q: tcpdump: %v", row.expr, err)
			continue
		}
		differ(t, row.expr, f, want, whole)
		differ(t, row.expr, f, want, truncated)
		differ(t, row.expr, f, want, mutatedPackets(rand.New(rand.NewPCG(1, uint64(i))), 300))
	}
	// The empty expression.
	want, err := compileBPF(tcpdump, "", "-O")
	if err != nil {
		t.Fatal(err)
	}
	differ(t, "", &Filter{}, want, whole)
}

// knowsNames reports whether this machine has the files that tcpdump takes the
// names of ports and protocols from. Without them TestString still holds each
// name of namedExpressions to its number.
func knowsNames(t *testing.T, tcpdump string) bool {
	t.Helper()
	_, err := compileBPF(tcpdump, "ip proto gre and port domain", "-O")
	if err != nil {
		t.Logf("no names of ports and protocols are compared, as tcpdump knows none (%v): netbase is not installed", err)
	}
	return err == nil
}

// TestTcpdumpAgreesOnNames compares every name that stands for a number.
func TestTcpdumpAgreesOnNames(t *testing.T) {
	t.Parallel()
	tcpdump := findTcpdump(t)
	compare := func(expr string, c *corpus) {
		t.Helper()
		f, err := Compile(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			return
		}
		want, err := compileBPF(tcpdump, expr, "-O")
		if err != nil {
			t.Errorf("%q: tcpdump: %v", expr, err)
			return
		}
		differ(t, expr, f, want, c)
	}
	lengths, protocols := &corpus{}, &corpus{}
	for n := range 256 {
		lengths.add(fmt.Sprint(n), make([]byte, n))
		protocols.add(fmt.Sprint("protocol ", n), ipv4("10.0.0.1", "10.0.0.2", byte(n), 0, nil, nil))
	}
	for name := range numberNames {
		compare("len = "+name, lengths)
	}
	if !knowsNames(t, tcpdump) {
		return
	}
	for name := range protocolNumbers {
		compare(`proto \`+name, protocols)
	}
	ends := &corpus{}
	for _, s := range services {
		for _, protocol := range []byte{protoTCP, protoUDP, protoSCTP} {
			name := fmt.Sprintf("port %d of %d", s.port, protocol)
			ends.add(name, ipv4("10.0.0.1", "10.0.0.2", protocol, 0, nil, ports(40000, s.port)))
		}
	}
	for name := range services {
		compare("dst port "+name, ends)
	}
}

// optimizerDiffers are the expressions of the table to which libpcap's optimizer
// gives another meaning, or which it refuses.
var optimizerDiffers = map[string]string{
	"port 80 or 443 > 5":          "sees that it is always true, and drops the loads that fail on the empty packet",
	"ip[100] & 0 = 0":             "sees that the value is 0, and drops the load that fails",
	"tcp[-1] = 2":                 "adds the index to the instruction, where nothing wraps",
	"ip[-1] = 2":                  "makes an absolute load of it, at an offset that the kernel gives a meaning",
	"icmp6[0 - 1] != 2":           "adds 40 to the index modulo 2^32",
	"icmp[icmp6[0] + udp[0]] = 0": "refuses what never matches",
	"1 > 1":                       "refuses what never matches",
	"ip[0] = ip6[0]":              "refuses what never matches",
	"tcp[0:2] = udp[0:2]":         "refuses what never matches",
	"icmp6[ip[0] & 1] != 0":       "refuses what never matches",
}

// TestTcpdumpOptimizedAgrees compares with the program that tcpdump runs by
// default, on packets that are whole.
func TestTcpdumpOptimizedAgrees(t *testing.T) {
	t.Parallel()
	tcpdump := findTcpdump(t)
	whole := wholePackets()
	for _, row := range expressions {
		if optimizerDiffers[row.expr] != "" {
			continue
		}
		f, err := Compile(row.expr)
		if err != nil {
			t.Errorf("%q: %v", row.expr, err)
			continue
		}
		want, err := compileBPF(tcpdump, row.expr)
		if err != nil {
			t.Errorf("%q: tcpdump: %v", row.expr, err)
			continue
		}
		differ(t, row.expr, f, want, whole)
	}
}

// TestTcpdumpAgreesOnRandom compares random expressions: those that the
// grammar of the subset makes, and the same with random tokens lost, doubled,
// swapped or put in. Here tcpdump also judges what is an expression at all.
func TestTcpdumpAgreesOnRandom(t *testing.T) {
	tcpdump := findTcpdump(t)
	for _, kind := range []string{"grammar", "edited"} {
		for part := range 2 {
			t.Run(fmt.Sprint(kind, part), func(t *testing.T) {
				t.Parallel()
				accepted := 0
				for n := part; n < *random; n += 2 {
					r := rand.New(rand.NewPCG(uint64(len(kind)), uint64(n)))
					var expr string
					if kind == "edited" {
						// Without a space that is missing, no edit makes a
						// name that tcpdump would look up.
						expr = strings.Join(edit(r, randomExpression(r, 1+r.IntN(2))), " ")
					} else {
						expr = joinTokens(r, randomExpression(r, 1+r.IntN(6)))
					}
					if randomAgrees(t, tcpdump, r, expr) {
						accepted++
					}
				}
				t.Logf("%d expressions of %d accepted by both", accepted, *random/2)
				if least := *random / 40; accepted < least {
					t.Errorf("only %d expressions were accepted by both, want %d", accepted, least)
				}
			})
		}
	}
}

// randomAgrees compares one expression, and reports whether it was accepted.
func randomAgrees(t *testing.T, tcpdump string, r *rand.Rand, expr string) bool {
	t.Helper()
	f, refused := Compile(expr)
	want, err := compileBPF(tcpdump, expr, "-O")
	if r := refusal(""); err != nil && !errors.As(err, &r) {
		t.Fatalf("%q: %v", expr, err)
	}
	switch {
	case refused == nil && err != nil:
		// libpcap takes the first number anywhere in a right operand, even
		// that of an accessor in it, for the operand, and it has 16 registers.
		for _, excuse := range []string{"division by zero", "modulus by zero", "shift by more than 31", "out of registers"} {
			if strings.Contains(err.Error(), excuse) {
				return false
			}
		}
		t.Errorf("%q is understood as %q, and tcpdump says: %v", expr, f, err)
		return false
	case refused != nil && err == nil:
		// Without its optimizer, libpcap sees those of literals alone. Its
		// newer versions refuse a protocol number that no byte holds.
		for _, excuse := range []string{"a division by 0", "a shift by more than 31", "expected a protocol number of at most 255"} {
			if strings.Contains(refused.Error(), excuse) {
				return false
			}
		}
		t.Errorf("tcpdump understands %q: %v", expr, refused)
		return false
	case refused != nil:
		return false
	}
	differ(t, expr, f, want, wholePackets())
	differ(t, expr, f, want, mutatedPackets(r, 150))
	return true
}
