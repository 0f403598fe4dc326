package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"netstackd/link/linktest"
)

// demoed runs the whole demo with a program in the daemon's place, and returns
// its exit status and what it printed.
func demoed(t *testing.T, script string, args ...string) (int, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netstackd")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	status := run(append([]string{"-netstackd", path}, args...), &out, &out)
	if strings.Contains(out.String(), "make a network namespace") {
		linktest.SkipOrFail(t, "needs a network namespace: %s", &out)
	}
	return status, out.String()
}

// TestDaemonThatFails wants a failure, and to be told why.
func TestDaemonThatFails(t *testing.T) {
	status, out := demoed(t, "echo no such luck >&2; exit 1")
	if status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	for _, want := range []string{"start netstackd", "FAILED", "it ended before it was ready: exit status 1", "no such luck"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

// TestDaemonThatOnlyTalks has a daemon that says it is up and does nothing:
// every part must fail, but the one that started it.
func TestDaemonThatOnlyTalks(t *testing.T) {
	status, out := demoed(t, "echo 'msg=\"host is up\"' >&2; exec sleep 60")
	if status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	if ok, failed := strings.Count(out, "  ok "), strings.Count(out, "  FAILED  "); ok != 1 || failed != 11 {
		t.Errorf("%d parts worked and %d failed, want 1 and 11:\n%s", ok, failed, out)
	}
}

// TestDaemonThatHangs wants the demo to give up in time, and no process of it
// to be left: the pipe that all of them hold is closed.
func TestDaemonThatHangs(t *testing.T) {
	begin := time.Now()
	status, out := demoed(t, "exec sleep 60", "-limit", "500ms")
	if status != 1 || !strings.Contains(out, "the demo took longer than 500ms") {
		t.Errorf("exit status %d, want 1 and the reason:\n%s", status, out)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v to give up", took)
	}
}

// TestEnterRefusesTheOuterNamespace is the promise never to touch the caller's
// network, whatever the environment says.
func TestEnterRefusesTheOuterNamespace(t *testing.T) {
	own, err := os.Readlink(ownNamespace)
	if err != nil {
		t.Fatal(err)
	}
	for _, outer := range []string{own, ""} {
		if err := enter(outer); err == nil || !strings.Contains(err.Error(), "still in the caller's network namespace") {
			t.Errorf("enter(%q): %v, want a refusal", outer, err)
		}
	}
}
