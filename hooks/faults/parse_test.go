package faults_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/faults"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestParse(t *testing.T) {
	one := func(kind faults.Kind, n, of uint64) []faults.Spec {
		return []faults.Spec{{Kind: kind, Amount: faults.Amount{N: n, Of: of}}}
	}
	for _, tt := range []struct {
		rule string
		want faults.Rule
		text string // as String writes it, if not as it was
	}{
		{"outbound icmp corrupt=1%", faults.Rule{
			Direction: hooks.Outbound, Protocols: faults.ICMPv4, Faults: one(faults.Corrupt, 1, 100),
		}, ""},
		{"inbound drop=1/3", faults.Rule{Direction: hooks.Inbound, Faults: one(faults.Drop, 1, 3)}, ""},
		{"drop=100%", faults.Rule{Faults: one(faults.Drop, 1, 1)}, ""},
		{"any drop=0%", faults.Rule{Faults: one(faults.Drop, 0, 1)}, "drop=0%"},
		{"truncate=1/1000", faults.Rule{Faults: one(faults.Truncate, 1, 1000)}, "truncate=0.1%"},
		{"duplicate=0.0000001%", faults.Rule{Faults: one(faults.Duplicate, 1, 1e9)}, ""},
		{"duplicate=12.50%", faults.Rule{Faults: one(faults.Duplicate, 1, 8)}, "duplicate=12.5%"},
		{"duplicate=333333333/1000000000", faults.Rule{Faults: one(faults.Duplicate, 333333333, 1e9)}, "duplicate=33.3333333%"},
		{"\ticmp6  udp tcp outbound drop=0/7", faults.Rule{
			Direction: hooks.Outbound, Protocols: faults.ICMPv6 | faults.UDP | faults.TCP, Faults: one(faults.Drop, 0, 1),
		}, "outbound icmp6 tcp udp drop=0%"},
		{"ip ip drop=2/4", faults.Rule{Protocols: faults.IPv4, Faults: one(faults.Drop, 1, 2)}, "ip drop=50%"},
		{"any any drop=1%", faults.Rule{Faults: one(faults.Drop, 1, 100)}, "drop=1%"},
		{"ip6 reorder=1%", faults.Rule{Protocols: faults.IPv6, Faults: []faults.Spec{
			{Kind: faults.Reorder, Amount: faults.Amount{N: 1, Of: 100}, Depth: 1},
		}}, "ip6 reorder=1%:1"},
		{"reorder=1%:256,delay=5%:20ms,seed=7", faults.Rule{Seed: 7, Faults: []faults.Spec{
			{Kind: faults.Reorder, Amount: faults.Amount{N: 1, Of: 100}, Depth: 256},
			{Kind: faults.Delay, Amount: faults.Amount{N: 1, Of: 20}, Delay: 20 * time.Millisecond},
		}}, ""},
		{"seed=18446744073709551615,delay=1%", faults.Rule{Seed: 1<<64 - 1, Faults: []faults.Spec{
			{Kind: faults.Delay, Amount: faults.Amount{N: 1, Of: 100}, Delay: 10 * time.Millisecond},
		}}, "delay=1%:10ms,seed=18446744073709551615"},
		{"delay=1%:1m,seed=0", faults.Rule{Faults: []faults.Spec{
			{Kind: faults.Delay, Amount: faults.Amount{N: 1, Of: 100}, Delay: time.Minute},
		}}, "delay=1%:1m0s"},
	} {
		got, err := faults.Parse(tt.rule)
		if err != nil {
			t.Errorf("%q: %v", tt.rule, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.rule, diff)
		}
		want := tt.text
		if want == "" {
			want = tt.rule
		}
		if got.String() != want {
			t.Errorf("%q is written as %q, want %q", tt.rule, got, want)
		}
	}
}

// refused are rules that do not parse.
var refused = []string{
	"", "   ", "corrupt", "corrupt=", "=1%", "corrupt=1", "corrupt=1%%", "corrupt=-1%", "corrupt=+1%", "corrupt=1e3%",
	"corrupt=%", "corrupt=.5%", "corrupt=1.%", "corrupt=1.2.3%", "corrupt=1,5%", "corrupt=101%", "corrupt=100.0000001%",
	"corrupt=0.00000001%", "corrupt=99999999999999999999%", "corrupt=1/0", "corrupt=2/1", "corrupt=/", "corrupt=1/", "corrupt=1/2/3",
	"corrupt=1/1000000001", "corrupt=1%:3", "drop=1%:", "duplicate=1%:10ms", "truncate=1%:100",
	"delay=1%:", "delay=1%:20", "delay=1%:0s", "delay=1%:-1s", "delay=1%:61s", "delay=1%:1ns", "delay=:20ms",
	"reorder=1%:", "reorder=1%:0", "reorder=1%:257", "reorder=1%:-1", "reorder=1%:two",
	"outbond icmp corrupt=1%", "OUTBOUND drop=1%", "inbound outbound drop=1%", "outbound outbound drop=1%", "sctp drop=1%",
	"icmp any drop=1%", "any icmp drop=1%", "outbound icmp", "drop=1% outbound", "drop=1%, corrupt=1%", "drop=1% corrupt=1%",
	"drop=1%,", ",drop=1%", "drop=1%,,corrupt=1%", "drop=1%,drop=2%", "corupt=1%", "drop=1%,seed", "drop=1%,seed=", "drop=1%,seed=-1",
	"drop=1%,seed=18446744073709551616", "seed=1,drop=1%,seed=2", "seed=1", "drop = 1%", "drop=1%\nTCP", "dröp=1%", "\x00\xff",
	strings.Repeat("long ", 100) + "drop=1%",
}

// TestRefusals holds the line that each rule is refused with.
func TestRefusals(t *testing.T) {
	var got strings.Builder
	for _, rule := range refused {
		r, err := faults.Parse(rule)
		if err == nil {
			t.Errorf("%q is taken as %q", rule, r)
			continue
		}
		fmt.Fprintln(&got, err)
	}
	const path = "testdata/refusals.golden"
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
}

// TestDropReasons: names that can stand in a metric, each with one line.
func TestDropReasons(t *testing.T) {
	reasons := faults.DropReasons()
	want := []string{faults.ReasonDetached, faults.ReasonDrop, faults.ReasonOverflow, faults.ReasonUnsent}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(reasons))); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	name := regexp.MustCompile(`^inject(-[a-z]+)+$`)
	for reason, line := range reasons {
		if !name.MatchString(reason) || len(line) < 10 || strings.Contains(line, "\n") {
			t.Errorf("%s: %q", reason, line)
		}
	}
}

func TestNeedWholeChecksums(t *testing.T) {
	for text, want := range map[string]bool{
		"drop=1%": false, "inbound delay=1%,reorder=1%": false, "duplicate=1%": false,
		"corrupt=1%": true, "outbound truncate=1%": true, "tcp drop=1%,corrupt=0%": true,
	} {
		if got := faults.NeedWholeChecksums(parsed(t, "drop=1%", text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if faults.NeedWholeChecksums(nil) {
		t.Error("no rule needs whole checksums")
	}
}
