//go:build linux

package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"netstackd/link/linktest"
)

// TestIntegrationSoakInterrupted wants a soak to end soon that is interrupted, and to
// say so.
func TestIntegrationSoakInterrupted(t *testing.T) {
	dir, inside := binaries(t)
	if !inside {
		return
	}
	linktest.NeedTools(t, "sh", "awk", "timeout")
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	got := runBench(t, ctx, dir, "soak", "-netstackd", filepath.Join(dir, "netstackd"))
	if got.status != 1 || !strings.Contains(got.stdout, "\nPROBLEM  interrupted") {
		t.Errorf("exit status %d\n%s\n%s", got.status, got.stdout, got.stderr)
	}
}

// TestIntegrationSoakNoDaemon wants one that cannot begin to say why.
func TestIntegrationSoakNoDaemon(t *testing.T) {
	dir, inside := binaries(t)
	if !inside {
		return
	}
	got := runBench(t, t.Context(), dir, "soak", "-netstackd", filepath.Join(dir, "netstackd")+" -teleport")
	if got.status != 1 || !strings.Contains(got.stdout, "PROBLEM  start netstackd: ") || !strings.Contains(got.stdout, "teleport") {
		t.Errorf("exit status %d\n%s\n%s", got.status, got.stdout, got.stderr)
	}
}
