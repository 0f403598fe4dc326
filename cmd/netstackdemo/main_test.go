package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the test binary stand in for the program when a test runs it
// again in a namespace.
func TestMain(m *testing.M) {
	if _, inside := os.LookupEnv(outerNamespace); inside {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// TestUsage wants exit status 2 and one line for a wrong command line.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-teleport"},
		{"now"},
		{"-pings", "0"},
		{"-pings", "many"},
		{"-mib", "0"},
		{"-limit", "0s"},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(args, &stdout, &stderr); status != 2 {
			t.Errorf("%v: exit status %d, want 2", args, status)
		}
		if stdout.Len() != 0 || strings.Count(stderr.String(), "\n") != 1 || !strings.HasPrefix(stderr.String(), "netstackdemo: ") {
			t.Errorf("%v: it printed %q and %q, want one line on standard error", args, &stdout, &stderr)
		}
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run([]string{"-help"}, &stdout, &stderr); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	if !strings.Contains(stderr.String(), "-netstackd") {
		t.Errorf("help does not name the flags: %q", &stderr)
	}
}
