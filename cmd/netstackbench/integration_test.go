//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"netstackd/cmd/netstackbench/internal/report"
	"netstackd/link/linktest"
)

// binDirVariable carries the folder with the binaries to the copies of this test
// binary that run inside namespaces, so that they are built once.
const binDirVariable = "NETSTACKBENCH_TEST_BINARIES"

// binaries builds netstackd and netstackbench, and returns their folder. The
// caller goes on only where it reports true.
func binaries(t *testing.T) (dir string, inside bool) {
	t.Helper()
	if dir = os.Getenv(binDirVariable); dir == "" {
		dir = t.TempDir()
		build := exec.Command("go", "build", "-trimpath", "-o", dir+"/", "../netstackd", ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
		t.Setenv(binDirVariable, dir)
	}
	if !linktest.InNamespace(t) {
		return "", false
	}
	linktest.NeedTUN(t)
	return dir, true
}

// outcomeOf is what a run of the benchmark gave.
type outcomeOf struct {
	status         int
	stdout, stderr string
}

// runBench runs the benchmark until it ends or ctx does, which interrupts it. It
// wants nothing left behind: no process and no file.
func runBench(t *testing.T, ctx context.Context, dir string, args ...string) outcomeOf {
	t.Helper()
	tmp := t.TempDir()
	// Who has no privilege has to get there.
	if err := os.Chmod(filepath.Dir(tmp), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "netstackbench"), args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && ctx.Err() == nil {
		t.Fatalf("run: %v\n%s", err, &stderr)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	for _, process := range running(dir, tmp) {
		t.Errorf("a process is left: %s", process)
	}
	return outcomeOf{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// running are the processes whose program lies in a folder, and those that were
// started in another or have it on their command line.
func running(programs, tmp string) []string {
	var all []string
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		program, _ := os.Readlink(process + "/exe")
		at, _ := os.Readlink(process + "/cwd")
		line, _ := os.ReadFile(process + "/cmdline")
		if strings.HasPrefix(program, programs) || strings.HasPrefix(at, tmp) || bytes.Contains(line, []byte(tmp)) {
			all = append(all, fmt.Sprintf("%s %s %q in %s", process, program, line, at))
		}
	}
	return all
}

// TestIntegrationBench runs a little of everything, and wants the table, the
// JSON and the chart to fit together.
func TestIntegrationBench(t *testing.T) {
	dir, inside := binaries(t)
	if !inside {
		return
	}
	json, chart := filepath.Join(t.TempDir(), "bench.json"), filepath.Join(t.TempDir(), "bench.svg")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := runBench(t, ctx, dir, "-quick", "-rounds", "2", "-time", "60ms", "-netstackd", filepath.Join(dir, "netstackd"),
		"-only", "^(idle|tcp-in-1|rr-1|udp-1400|ping-flood|hold-1)$", "-json", json, "-chart", chart)
	if got.status != 0 {
		t.Fatalf("exit status %d\n%s\n%s", got.status, got.stdout, got.stderr)
	}
	for _, want := range []string{"TCP in, 1 stream", "ping flood", "at most 0.5 of minimal", "targets: "} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("the table does not say %q:\n%s", want, got.stdout)
		}
	}
	f, err := os.Open(json)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := report.ReadJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(chart); err != nil || info.Size() < 1000 {
		t.Errorf("the chart: %v, %v", info, err)
	}
	if len(r.Groups) != 8 {
		t.Errorf("%d groups of rows, want 8", len(r.Groups))
	}
	if r.Machine.Cores < 1 || r.Machine.Modules["gvisor.dev/gvisor"] == "" || r.Run.Took <= 0 {
		t.Errorf("the machine and the run: %+v, %+v", r.Machine, r.Run)
	}
	for _, g := range r.Groups {
		checkGroup(t, &g)
	}
}

// checkGroup wants what must hold on any machine.
func checkGroup(t *testing.T, g *report.Group) {
	t.Helper()
	medians := map[string]float64{}
	for _, row := range g.Rows {
		medians[row.Path] = row.Spread.Median
	}
	want := []string{"kernel", "netstackd", "fdbased", "wireguard"}
	if strings.HasPrefix(g.Work, "ping") {
		want = append(want, "minimal")
	}
	for _, path := range want {
		if medians[path] == 0 {
			t.Errorf("%s, %s: no row of %s", g.Work, g.Figure, path)
		}
	}
	for _, row := range g.Rows {
		where := g.Work + ", " + g.Figure + ", " + row.Path
		s := row.Spread
		if row.Error != "" || len(row.Samples) == 0 || !(0 < s.Min && s.Min <= s.Median && s.Median <= s.Max) || math.IsInf(s.Max, 0) {
			t.Errorf("%s: %+v", where, row)
			continue
		}
		if row.ToKernel == nil || math.Abs(*row.ToKernel-s.Median/medians["kernel"]) > 1e-9 {
			t.Errorf("%s: ratio to the kernel %v", where, row.ToKernel)
		}
		if row.ToBest == nil || math.Abs(*row.ToBest-s.Median/medians[row.Best]) > 1e-9 {
			t.Errorf("%s: ratio to the best alternative %v", where, row.ToBest)
		}
		if row.Cost == nil || row.Cost.Resident < 1<<20 || row.Cost.Peak < row.Cost.Resident/2 || row.Cost.Total < row.Cost.Server {
			t.Errorf("%s: cost %+v", where, row.Cost)
		}
		if (row.Kind == report.Compare) != (row.TraceLost != nil) {
			t.Errorf("%s: trace lost %v", where, row.TraceLost)
		}
	}
}

// TestIntegrationPathFails wants a host that does not start to be told, with its
// own words, and the others measured all the same.
func TestIntegrationPathFails(t *testing.T) {
	dir, inside := binaries(t)
	if !inside {
		return
	}
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho no luck today >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	// It is up, and dies when it is asked for something.
	mortal := filepath.Join(t.TempDir(), "mortal")
	if err := os.WriteFile(mortal, []byte("#!/bin/sh\necho host is up >&2\nsleep 0.05\nkill -9 $$\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := runBench(t, ctx, dir, "-quick", "-rounds", "1", "-time", "60ms", "-only", "^(idle|rr-1)$",
		"-paths", "kernel,netstackd,broken,mortal",
		"-netstackd", strings.Join([]string{filepath.Join(dir, "netstackd"), broken, mortal}, ","))
	if got.status != 1 {
		t.Errorf("exit status %d, want 1", got.status)
	}
	for _, want := range []string{
		"  broken: the host died: exit status 3: no luck today\n",
		"  mortal: the host died: signal: killed: host is up\n",
	} {
		if strings.Count(got.stdout, want) != 2 {
			t.Errorf("the table does not say %q for both works", want)
		}
	}
	for _, path := range []string{"kernel", "netstackd"} {
		if strings.Contains(got.stdout, "  "+path+":") {
			t.Errorf("%s has failed as well", path)
		}
	}
	if t.Failed() {
		t.Logf("\n%s\n%s", got.stdout, got.stderr)
	}
}

// TestIntegrationInterrupted wants an interrupted run to end soon, with exit
// status 1 and nothing left, its traces neither.
func TestIntegrationInterrupted(t *testing.T) {
	dir, inside := binaries(t)
	if !inside {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	begin := time.Now()
	got := runBench(t, ctx, dir, "-rounds", "100", "-only", "^tcp-in-1$", "-netstackd", filepath.Join(dir, "netstackd"))
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("it took %v to end", took)
	}
	if got.status != 1 || got.stdout != "" || !strings.Contains(got.stderr, "interrupt") {
		t.Errorf("exit status %d\n%s\n%s", got.status, got.stdout, got.stderr)
	}
}
