//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"netstackd/cmd/netstackconform/internal/torture"
)

// TestIntegrationTortureTUN is the short form of what goes through real TUN devices,
// and what becomes of it when things go wrong.
func TestIntegrationTortureTUN(t *testing.T) {
	dir, inside := binaries(t)
	if !inside {
		return
	}
	binary := filepath.Join(dir, "netstackd")
	t.Run("well", func(t *testing.T) { tortureWell(t, dir, binary) })
	t.Run("without a guard it dies of a long ping", func(t *testing.T) {
		status, stdout, stderr := command(t, dir, "torture", "-netstackd", binary,
			"-packets", "0", "-tun-packets", "6000", "-settle", "0", "-seed", "6", "-guard", "off")
		if status != 1 || !strings.Contains(stdout, "exit status 1") || !strings.Contains(stdout, "netstack panicked") ||
			!strings.Contains(stderr, "not well on ") || !strings.Contains(stderr, "with seed 6") {
			t.Errorf("exit status %d\n%s\n%s", status, stdout, stderr)
		}
	})
	t.Run("it cannot begin", func(t *testing.T) {
		for binary, want := range map[string]string{
			filepath.Join(dir, "none"):            "netstackconform: find netstackd: ",
			filepath.Join(dir, "netstackconform"): "netstackconform: skipped: ",
		} {
			status, stdout, stderr := command(t, dir, "torture", "-netstackd", binary, "-packets", "0", "-tun-packets", "100")
			if status != 1 || !strings.Contains(stderr, want) {
				t.Errorf("exit status %d\n%s\n%s", status, stdout, stderr)
			}
		}
	})
	t.Run("interrupted", func(t *testing.T) { tortureInterrupted(t, dir, binary) })
}

func tortureWell(t *testing.T, dir, binary string) {
	file := filepath.Join(t.TempDir(), "report.json")
	status, stdout, stderr := command(t, dir, "torture", "-netstackd", binary,
		"-packets", "0", "-tun-packets", "6000", "-settle", "0", "-seed", "1", "-json", file)
	if status != 0 {
		t.Fatalf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
	var report torture.Report
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &report)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-guard on -offload on", "-guard on -offload off", "-guard strict -offload on", "-guard strict -offload off"} {
		if !strings.Contains(stdout, "a TUN, "+want+": well\n") {
			t.Errorf("no %s in\n%s", want, stdout)
		}
	}
	for _, way := range report.Ways {
		k := way.Kernel
		if way.Sent < 1500 || k == nil || k.Passed+k.Dropped < way.Sent || way.Counts.In < k.Passed-50 || way.Opened == 0 {
			t.Errorf("%s: %d sent, the kernel counts %+v, netstackd %d in, %d connections", way.Name, way.Sent, k, way.Counts.In, way.Opened)
		}
		if len(way.Listed) == 0 || way.Counts.Compare.Match < way.Sent/10 {
			t.Errorf("%s: little was compared: %d match, %v", way.Name, way.Counts.Compare.Match, way.Listed)
		}
	}
}

// tortureInterrupted wants it to end soon, and to say so.
func tortureInterrupted(t *testing.T, dir, binary string) {
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "netstackconform"), "torture", "-netstackd", binary, "-packets", "0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	stderr := bufio.NewReader(pipe)
	// What it begins with says that it has begun.
	if _, err := stderr.ReadString('\n'); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	rest, err := io.ReadAll(stderr)
	if err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(rest), "netstackconform: context canceled") {
		t.Errorf("%v\n%s", err, rest)
	}
	wantNoProcess(t, dir)
}
