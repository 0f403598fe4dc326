package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sampleSoak is a soak with everything in it once, which has passed.
func sampleSoak() *Soak {
	return &Soak{
		Date:    time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Machine: Machine{CPU: "Example CPU", Cores: 2, Memory: 16 << 30, Kernel: "6.1.0 x86_64", Go: "go1.26"},
		Run:     SoakRun{Minutes: 2.5, Seed: 42, Idle: 5000, Rounds: 3, Took: 195 * time.Second, Netstackd: "bin/netstackd -guard strict"},
		Loads: []SoakLoad{
			{Name: "ping IPv4", Sent: 1000, Answered: 990, Late: 1, Lost: 10, ByFault: 7, ByKernel: 3, Twice: 1, Refused: 5, Slowest: 1.25},
			{Name: "TCP in", Sent: 51, Answered: 50, Lost: 1, ByFault: 1, Bytes: 3 << 29, Slowest: 0.0125},
		},
		Faults: []SoakFault{
			{Name: "device down", Costs: []string{"*"}, Times: 3, Amount: 4500, Unit: "ms", Slowest: 2.5},
			{Name: "SIGHUP storm", Times: 3, Amount: 600, Unit: "signals", Slowest: 1.75},
			{Name: "fragment flood", Costs: []string{"one", "two"}, Times: 3, Slowest: 0.5},
		},
		Judged: SoakJudged{
			Packets: 100_000, Match: 1200, Unjudged: 9, TraceLost: 77,
			Drops: map[string]uint64{"not-ours": 12}, Elsewhere: map[string]uint64{"link-down": 20, "service-idle": 3},
		},
		Kernel: 5,
		Levels: []SoakLevel{
			{Name: "resident memory", Unit: "MiB", Baseline: 30, Warm: 40, Peak: 301.25, End: 42},
			{Name: "goroutines", Baseline: 28, Peak: 5040, End: 28},
		},
		Samples: []SoakPoint{{At: 0.5, Resident: 1 << 25, Goroutines: 28}, {At: 5.5, Resident: 1 << 26, Fault: "SYN flood"}},
		Log:     map[string]int{"warning: the device is down": 3, "error: configuration refused": 12},
		Omitted: []string{"an example: nobody needs it"},
	}
}

func TestSoakText(t *testing.T) {
	good, bad := sampleSoak(), sampleSoak()
	bad.Loads[0].Unexplained = 2
	bad.Run.Rounds, bad.Levels[0].Warm = 1, 0
	bad.Levels[1].End = 99
	bad.Judge()
	for name, s := range map[string]*Soak{"soak.txt": good, "soak-failed.txt": bad} {
		var got bytes.Buffer
		if err := s.WriteText(&got); err != nil {
			t.Fatal(err)
		}
		golden(t, name, got.Bytes())
	}
}

func TestSoakJSON(t *testing.T) {
	want := sampleSoak()
	var text bytes.Buffer
	if err := want.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "soak.json", text.Bytes())
	var got Soak
	if err := json.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, &got); diff != "" {
		t.Errorf("soak (-want +got):\n%s", diff)
	}
}

// TestSoakJudge: each figure that must not be is a problem, and nothing else is.
func TestSoakJudge(t *testing.T) {
	for _, tt := range []struct {
		what   string
		change func(*Soak)
		want   string
	}{
		{"nothing", func(*Soak) {}, ""},
		{"a loss that is not explained", func(s *Soak) { s.Loads[0].Unexplained = 1 }, "ping IPv4: 1 of 1000 lost and not explained"},
		{"a load that did nothing", func(s *Soak) { s.Loads[1] = SoakLoad{Name: "TCP in"} }, "TCP in: nothing was answered"},
		{"a difference", func(s *Soak) { s.Judged.Differ = 1 }, "netstackd says that 1 replies differ"},
		{"a reply missing", func(s *Soak) { s.Judged.Missing = 3 }, "netstackd says that 3 replies are missing"},
		{"a reply too many", func(s *Soak) { s.Judged.Unexpected = 2 }, "netstackd says that 2 replies are unexpected"},
		{"memory at the border", func(s *Soak) { s.Levels[0].End = 48 }, ""},
		{"memory over it", func(s *Soak) { s.Levels[0].End = 48.1 }, "resident memory: 48.1 MiB at the end, 40.0 MiB after the first round"},
		{"memory of one round at the border", func(s *Soak) { s.Levels[0].Warm, s.Levels[0].End = 0, 36 }, ""},
		{"memory of one round over it", func(s *Soak) { s.Levels[0].Warm, s.Levels[0].End = 0, 36.1 }, "resident memory: 36.1 MiB at the end, 30.0 MiB before"},
		{"less memory", func(s *Soak) { s.Levels[0].End = 20 }, ""},
		{"goroutines", func(s *Soak) { s.Levels[1].End = 34 }, "goroutines: 34 at the end, 28 before"},
	} {
		s := sampleSoak()
		tt.change(s)
		s.Judge()
		if got := strings.Join(s.Problems, "; "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
}
