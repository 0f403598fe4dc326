//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"netstackd/cmd/netstackconform/internal/catalogue"
	"netstackd/link/linktest"
)

// binDirVariable carries the folder with the binaries to the copies of this test
// binary that run inside namespaces, so that they are built once.
const binDirVariable = "NETSTACKCONFORM_TEST_BINARIES"

// binaries builds netstackd and netstackconform, and returns their folder. The
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

// conformance runs the suite.
func conformance(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return command(t, dir, append([]string{"-netstackd", filepath.Join(dir, "netstackd")}, args...)...)
}

// command runs the command. It wants nothing left behind.
func command(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "netstackconform"), args...)
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run: %v\n%s", err, &errs)
	}
	wantNoProcess(t, dir)
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// wantNoProcess wants none of the binaries in a folder to be running.
func wantNoProcess(t *testing.T, dir string) {
	t.Helper()
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if program, err := os.Readlink(link); err == nil && strings.HasPrefix(program, dir) {
			t.Errorf("a process is left: %s %s", link, program)
		}
	}
}

// TestIntegrationConform runs a few cases at all hosts: quick ones, a slow one,
// and one that kills netstack.
func TestIntegrationConform(t *testing.T) {
	dir, inside := binaries(t)
	if !inside {
		return
	}
	file, reports := filepath.Join(t.TempDir(), "out.json"), filepath.Join(t.TempDir(), "deviations")
	status, stdout, stderr := conformance(t, dir, "-json", file, "-report", reports,
		"-only", "^(ttl-1|reserved-flag|udp-service|tcp-rst-in-window|tcp-syn-ack-again|fragments-too-long|solicitation-unicast|error-tos)$")
	if status != 0 {
		t.Fatalf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Cases []struct {
			ID      string
			Results []struct {
				Host, Status, Reason string
				Live                 bool
			}
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, c := range got.Cases {
		for _, r := range c.Results {
			seen[c.ID+" "+r.Host] = r.Status
			if r.Live {
				seen[c.ID+" "+r.Host] += ", live"
			}
		}
	}
	for at, want := range map[string]string{
		"ttl-1 netstack":                 "pass",
		"ttl-1 linux":                    "pass",
		"ttl-1 reference":                "pass, live",
		"reserved-flag reference":        "pass, live",
		"solicitation-unicast reference": "pass",
		"reserved-flag netstack":         "deviate",
		"reserved-flag linux":            "pass",
		"udp-service netstack":           "pass",
		"udp-service guard-on":           "pass",
		"udp-service linux":              "pass",
		"udp-service reference":          "no opinion",
		"tcp-rst-in-window guard-on":     "pass",
		"tcp-rst-in-window linux":        "pass",
		"tcp-syn-ack-again netstack":     "pass",
		"tcp-syn-ack-again linux":        "pass",
		"fragments-too-long netstack":    "killed",
		"fragments-too-long guard-on":    "pass",
		"fragments-too-long linux":       "pass",
		"error-tos linux":                "deviate",
		"error-tos netstack":             "pass",
	} {
		if seen[at] != want {
			t.Errorf("%s: %q, want %q", at, seen[at], want)
		}
	}
	if _, err := os.Stat(filepath.Join(reports, "reserved-flag.md")); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Log(stdout)
	}
}

// TestIntegrationPlaces wants a place in gVisor for each case at which netstack
// deviates, and its deviation to be there still: what gVisor mends is found.
func TestIntegrationPlaces(t *testing.T) {
	dir, inside := binaries(t)
	if !inside {
		return
	}
	file := filepath.Join(t.TempDir(), "out.json")
	if status, stdout, stderr := conformance(t, dir, "-hosts", "netstack", "-json", file); status != 0 {
		t.Fatalf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Cases []struct {
			ID      string
			Results []struct{ Status, Reason string }
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	places := map[string]string{}
	for _, c := range catalogue.All() {
		places[c.ID] = c.Place
	}
	for _, c := range got.Cases {
		r := c.Results[0]
		deviates := r.Status == "deviate" || r.Status == "killed"
		if deviates != (places[c.ID] != "") {
			t.Errorf("%s: %s, %s; its place is %q", c.ID, r.Status, r.Reason, places[c.ID])
		}
	}
}

// TestIntegrationBadHosts wants a host that cannot be run named, and the others
// run.
func TestIntegrationBadHosts(t *testing.T) {
	dir, inside := binaries(t)
	if !inside {
		return
	}
	for name, script := range map[string]string{
		"dies":  "echo no such luck >&2; exit 1",
		"mute":  "case \"$*\" in *-version) exit 0;; esac; echo host is up >&2; exec sleep 60",
		"usage": "echo 'sham: unknown flag' >&2; exit 2",
	} {
		t.Run(name, func(t *testing.T) {
			sham := filepath.Join(t.TempDir(), "sham")
			if err := os.WriteFile(sham, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			status, stdout, stderr := conformance(t, dir, "-netstackd", sham, "-only", "^ttl-", "-hosts", "guard-on,linux")
			if name == "usage" {
				if status != 0 || !strings.Contains(stdout, "guard-on  skipped: ") || !strings.Contains(stdout, "unknown flag") {
					t.Errorf("exit status %d\n%s\n%s", status, stdout, stderr)
				}
			} else if status != 1 || !strings.Contains(stderr, "guard-on could not be run: ") {
				t.Errorf("exit status %d\n%s\n%s", status, stdout, stderr)
			}
			if !strings.Contains(stdout, "linux     MUST passed 2 of 2") {
				t.Errorf("the other host was not run:\n%s", stdout)
			}
		})
	}
}
