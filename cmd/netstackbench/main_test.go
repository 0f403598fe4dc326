//go:build linux

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"netstackd/cmd/netstackbench/internal/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRefusals wants exit status 2 and one line that says what was expected.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.WriteFile(data, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	refuse(t, "refusals.txt", dir, [][]string{
		{"-teleport"},
		{"now"},
		{"-rounds", "0"},
		{"-rounds", "1001"},
		{"-rounds", "many"},
		{"-time", "49ms"},
		{"-time", "1h"},
		{"-time", "3"},
		{"-only", "("},
		{"-only", "teleport"},
		{"-only", "million"},
		{"-paths", "teleport"},
		{"-paths", ""},
		{"-paths", "kernel,"},
		{"-chart", "chart.gif"},
		{"-chart", "nowhere/chart.png"},
		{"-json", "nowhere/bench.json"},
		{"-netstackd", ""},
		{"-netstackd", "a,,b"},
		{"-netstackd", "a,a"},
		{"-netstackd", "nowhere/netstackd"},
		{"-netstackd", dir},
		{"-netstackd", data},
	})
}

// refuse wants each command line refused, and the words of a golden file for it.
func refuse(t *testing.T, name, dir string, lines [][]string) {
	t.Helper()
	var got strings.Builder
	for _, args := range lines {
		var stdout, stderr bytes.Buffer
		if status := run(args, &stdout, &stderr); status != 2 {
			t.Errorf("%q: exit status %d, want 2", args, status)
		}
		if stdout.Len() != 0 || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%q: it printed %q and %q, want one line on standard error", args, &stdout, &stderr)
		}
		fmt.Fprintf(&got, "%q\n%s", args, strings.ReplaceAll(stderr.String(), dir, "DIR"))
	}
	golden(t, name, strings.ReplaceAll(got.String(), dir, "DIR"))
}

// golden holds what was printed against a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run([]string{"-help"}, &stdout, &stderr); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	tellsOf(t, stderr.String(), "netstackd", "quick", "only", "paths", "rounds", "time", "million", "json", "chart", "list")
}

// tellsOf wants each flag in the help, though the text is written by hand.
func tellsOf(t *testing.T, help string, names ...string) {
	t.Helper()
	for _, name := range names {
		if !strings.Contains(help, "\n  -"+name+" ") {
			t.Errorf("help does not tell of -%s", name)
		}
	}
}

func TestList(t *testing.T) {
	var got strings.Builder
	for _, args := range [][]string{
		{},
		{"-million", "-only", "million"},
		{"-quick", "-paths", "kernel,compare"},
		{"-only", "^tcp.*-1$", "-netstackd", "bin/netstackd,old/netstackd,bin/netstackd -mtu 9000", "-paths", "*netstackd*"},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(append(args, "-list"), &stdout, &stderr); status != 0 || stderr.Len() != 0 {
			t.Errorf("%q: exit status %d, %s", args, status, &stderr)
		}
		fmt.Fprintf(&got, "%q\n%s\n", args, &stdout)
	}
	golden(t, "list.txt", got.String())
}

// TestCatalogue wants the works to make sense beside one another.
func TestCatalogue(t *testing.T) {
	kinds := []string{report.Kernel, report.Netstackd, report.Compare, report.FDBased, report.WireGuard, report.Minimal}
	names := map[string]bool{}
	for _, w := range catalogue() {
		if names[w.name] {
			t.Errorf("two works are called %s", w.name)
		}
		names[w.name] = true
		if w.title == "" || len(w.figures) == 0 || w.do == nil {
			t.Errorf("%s is not complete", w.name)
		}
		for _, kind := range w.kinds {
			if !slices.Contains(kinds, kind) {
				t.Errorf("%s is for paths of kind %q, which there is not", w.name, kind)
			}
		}
		for _, target := range w.targets {
			known := slices.ContainsFunc(w.figures, func(f figure) bool { return f.name == target.Figure })
			if target.Work != w.name || !known || !w.doneBy(target.Of) || target.Against != "" && !w.doneBy(target.Against) {
				t.Errorf("%s has a target that can never be judged: %+v", w.name, target)
			}
		}
		if find(w.name).title != w.title {
			t.Errorf("the worker finds another work by the name of %s", w.name)
		}
	}
}

// TestGoals wants each goal of the project that can be judged here to be judged.
func TestGoals(t *testing.T) {
	var got strings.Builder
	for _, w := range catalogue() {
		for _, target := range w.targets {
			fmt.Fprintf(&got, "%s, %s of %s: %v\n", target.Work, target.Figure, target.Of, target)
		}
	}
	golden(t, "goals.txt", got.String())
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"kernel", "kernel", true},
		{"kernel", "kernels", false},
		{"*", "netstackd -mtu 9000", true},
		{"netstackd*", "netstackd -mtu 9000", true},
		{"*compare", "old+compare", true},
		{"old+*", "old+compare", true},
		{"old.", "olds", false},
		{"", "kernel", false},
	} {
		if got := matches(tt.pattern, tt.name); got != tt.want {
			t.Errorf("matches(%q, %q) is %v", tt.pattern, tt.name, got)
		}
	}
}

// TestUsageOfSelf weighs this process by both ways.
func TestUsageOfSelf(t *testing.T) {
	own, err := ownTime()
	if err != nil {
		t.Fatal(err)
	}
	other, err := processTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if other < own {
		t.Errorf("CPU time by process number %v, by itself before %v", other, own)
	}
	resident, peak, err := memory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if resident < 1<<20 || peak < resident {
		t.Errorf("resident memory %d, at its peak %d", resident, peak)
	}
	if _, err := processTime(1 << 23); err == nil {
		t.Error("a process that there is not took CPU time")
	}
	if _, _, err := memory(1 << 23); err == nil {
		t.Error("a process that there is not has memory")
	}
}

// TestMeter wants both ends of a window.
func TestMeter(t *testing.T) {
	m := meter{pid: os.Getpid(), helpers: func() []*holder { return nil }}
	if _, _, err := m.spent(); err == nil {
		t.Error("no error though the window was never marked")
	}
	m.mark()
	m.mark()
	server, total, err := m.spent()
	if err != nil || server < 0 || total < server {
		t.Errorf("%v, %v seconds: %v", server, total, err)
	}
	m.mark()
	if _, _, err := m.spent(); err == nil {
		t.Error("no error though the window was marked three times")
	}
}

func TestHostEnd(t *testing.T) {
	var e hostEnd
	err := e.read([]byte(`{"packets":{"in":70,"out":30},"checksums":{"bad":0},
		"compare":{"match":5,"differ":2,"missing":0,"unexpected":1},"trace_lost":4}`), true)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(e.Notes)
	want := hostEnd{Packets: 100, TraceLost: 4, Traced: true, Notes: []string{"1 replies were unexpected", "2 replies differed"}}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if err := e.read([]byte(`[]`), true); err == nil {
		t.Error("a summary that is none was read")
	}
}
