//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestSoakRefusals wants exit status 2 and one line that says what was expected.
func TestSoakRefusals(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.WriteFile(data, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	refuse(t, "soak-refusals.txt", dir, [][]string{
		{"soak", "-teleport"},
		{"soak", "now"},
		{"soak", "-minutes", "-1"},
		{"soak", "-minutes", "NaN"},
		{"soak", "-minutes", "100001"},
		{"soak", "-minutes", "30m"},
		{"soak", "-seed", "-1"},
		{"soak", "-seed", "first"},
		{"soak", "-idle", "0"},
		{"soak", "-idle", "100001"},
		{"soak", "-json", "nowhere/soak.json"},
		{"soak", "-netstackd", ""},
		{"soak", "-netstackd", "nowhere/netstackd"},
		{"soak", "-netstackd", dir},
		{"soak", "-netstackd", data},
	})
}

func TestSoakHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run([]string{"soak", "-help"}, &stdout, &stderr); status != 0 || stdout.Len() != 0 {
		t.Errorf("exit status %d, on standard output %q", status, &stdout)
	}
	tellsOf(t, stderr.String(), "minutes", "seed", "idle", "netstackd", "json")
}

// TestSoakDefaults: a long run has more idle connections than a short one, and only
// what is not given is chosen.
func TestSoakDefaults(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "netstackd")
	if err := os.WriteFile(binary, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		idle int
		seed uint64 // 0: any
	}{
		{nil, idleShort, 0},
		{[]string{"-minutes", "30"}, idleLong, 0},
		{[]string{"-minutes", "30", "-idle", "7", "-seed", "5"}, 7, 5},
		{[]string{"-minutes", "0"}, idleShort, 0},
	} {
		opts, err := parseSoak(append(tt.args, "-netstackd", binary+" -guard strict"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if opts.Idle != tt.idle || tt.seed != 0 && opts.Seed != tt.seed || len(opts.Daemon) != 3 {
			t.Errorf("%q: %+v", tt.args, opts)
		}
	}
}

func TestMetric(t *testing.T) {
	page := []byte("# HELP a_total What.\na_total 3\na_total_more 9\nb{x=\"1\"} 1.5\nb{x=\"2\"} 2\nbad no\n")
	for _, tt := range []struct {
		name string
		want float64
		ok   bool
	}{{"a_total", 3, true}, {"b", 3.5, true}, {`b{x="2"}`, 2, true}, {"a", 0, false}, {"bad", 0, false}, {"c", 0, false}} {
		if got, err := metric(page, tt.name); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}
