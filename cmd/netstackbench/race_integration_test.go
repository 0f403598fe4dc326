//go:build linux

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/cmd/netstackbench/internal/report"
	"netstackd/link/linktest"
)

// TestIntegrationRace has everybody answer real pings, and beside them a command
// that answers wrongly, one that there is not, and one that says nothing.
func TestIntegrationRace(t *testing.T) {
	dir, inside := binaries(t)
	if !inside {
		return
	}
	linktest.NeedTools(t, "sh", "awk", "timeout", "python3", "sleep")
	file, chart := filepath.Join(t.TempDir(), "race.json"), filepath.Join(t.TempDir(), "race.png")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := runBench(t, ctx, dir, "race", "-rounds", "2", "-pings", "3", "-interval", "1ms", "-patience", "1s",
		"-netstackd", filepath.Join(dir, "netstackd"),
		"-exec", `wrong=while echo READ && read -r packet; do echo WRITE 4500; read -r verdict; echo "$verdict" >&2; done`,
		"-exec", "missing=/nowhere/answer", "-exec", "silent=exec sleep 1000",
		"-json", file, "-chart", chart)
	if got.status != 1 {
		t.Errorf("exit status %d, want 1: three have answered nothing", got.status)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, got.stderr)
	}
	var r report.Race
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(chart); err != nil || info.Size() < 1000 {
		t.Errorf("the chart: %v, %v", info, err)
	}
	if r.Machine.Cores < 1 || r.Machine.Kernel == "" || r.Run.Took <= 0 || r.Run.Patience != time.Second {
		t.Errorf("the machine and the run: %+v, %+v", r.Machine, r.Run)
	}
	answered := map[string]uint64{}
	for i := range r.Answerers {
		checkAnswerer(t, &r.Answerers[i])
		answered[r.Answerers[i].Name] = r.Answerers[i].Answered
	}
	// The first ping, and 3 a round over IPv4 and as many over IPv6.
	if diff := cmp.Diff(map[string]uint64{
		"kernel": 13, "netstack": 13, "byhand": 13, "fifo": 13, "exec": 13, "mcp": 13,
		"wrong": 0, "missing": 0, "silent": 0, "Claude Haiku 4.5": 0,
	}, answered); diff != "" {
		t.Errorf("pings answered (-want +got):\n%s", diff)
	}
	for _, want := range []string{
		"\nkernel ", " 13 of 13\n", " 0 of 1\n", "published, not measured here: dunkels.com",
		"\nwrong: no answer within 1s\n", "\nwrong: answerer says: ERROR length is 2 bytes, by hand 20 bytes at least (RFC 791 §3.1)\n",
		"\nwrong: wrong in length: 1\n",
		"\nmissing: no answer within 1s\n", "\nmissing: answerer says: ", "/nowhere/answer: not found\n", "exit status 127\n",
		"\nsilent: no answer within 1s\n",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("the table does not say %q", want)
		}
	}
	if t.Failed() {
		t.Logf("\n%s\n%s", got.stdout, got.stderr)
	}
}

// checkAnswerer wants what must hold on any machine.
func checkAnswerer(t *testing.T, a *report.Answerer) {
	t.Helper()
	switch a.Name {
	case "wrong", "missing", "silent":
		if a.Requests != 1 || a.Error == "" || a.Times != nil || a.Card == nil || a.Card.Requests != 1 || a.Card.Answered != 0 {
			t.Errorf("%+v, %+v", a, a.Card)
		}
		return
	case "Claude Haiku 4.5":
		if a.Published == "" {
			t.Errorf("%+v", a)
		}
		return
	}
	if a.Error != "" || a.First == nil || len(a.Rounds) != 2 || a.Notes != nil {
		t.Errorf("%+v", a)
	}
	for which, times := range map[string]*report.Times{"all": a.Times, "IPv4": a.IPv4, "IPv6": a.IPv6} {
		if times == nil || !(0 < times.P50 && times.P50 <= times.P90 && times.P90 <= times.P99 && times.P99 <= times.Max && times.Max <= 1e6) {
			t.Errorf("%s, %s: %+v", a.Name, which, times)
		}
	}
	switch c := a.Card; {
	case a.Name == "kernel":
		if c != nil {
			t.Errorf("the kernel has a scorecard: %+v", c)
		}
	case c == nil || c.Requests != 13 || c.Answered != 13 || c.RightFirstTime != 13 || len(c.Wrong) > 0:
		t.Errorf("%s: scorecard %+v", a.Name, c)
	}
}

// TestIntegrationRaceInterrupted wants a race to end soon that is interrupted while
// a ping waits for long.
func TestIntegrationRaceInterrupted(t *testing.T) {
	dir, inside := binaries(t)
	if !inside {
		return
	}
	linktest.NeedTools(t, "sh", "sleep")
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	got := runBench(t, ctx, dir, "race", "-answerers", "kernel,fifo,silent", "-exec", "silent=sleep 1000", "-patience", "5m",
		"-netstackd", filepath.Join(dir, "netstackd"))
	if took := time.Since(begin); took > 6*time.Second {
		t.Errorf("it took %v to end", took)
	}
	if got.status != 1 || got.stdout != "" || !strings.Contains(got.stderr, "interrupt") {
		t.Errorf("exit status %d\n%s\n%s", got.status, got.stdout, got.stderr)
	}
}
