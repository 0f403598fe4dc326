//go:build linux

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRefusals wants exit status 2 and one line that says what was expected.
func TestRefusals(t *testing.T) {
	var got strings.Builder
	for _, args := range [][]string{
		{"-teleport"},
		{"now"},
		{"-only", "("},
		{"-only", "^nothing$"},
		{"-case", "nothing"},
		{"-case", "ttl-1", "-only", "tcp"},
		{"-v"},
		{"-hosts", "plan9"},
		{"-hosts", ""},
		{"-json", "/no/such/folder/file"},
		{"-junit", "/no/such/folder/file"},
		{"-report", "/no/such/folder/deviations"},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(args, &stdout, &stderr); status != 2 || stdout.Len() > 0 || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%q: exit status %d, output %q, %q", args, status, &stdout, &stderr)
		}
		fmt.Fprintf(&got, "%q\n  %s", args, &stderr)
	}
	path := filepath.Join("testdata", "refusals.golden")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-update rewrites it: %s", diff)
	}
}

// TestHelpAndList need no privilege and no binary.
func TestHelpAndList(t *testing.T) {
	for _, args := range [][]string{{"-help"}, {"-list"}, {"-list", "-only", "^TCP$"}} {
		var stdout, stderr bytes.Buffer
		if status := run(args, &stdout, &stderr); status != 0 || stderr.Len() > 0 || stdout.Len() == 0 {
			t.Errorf("%q: exit status %d, %q", args, status, &stderr)
		}
		if args[len(args)-1] == "^TCP$" && strings.Contains(stdout.String(), "ttl-1") {
			t.Errorf("-only: lists\n%s", &stdout)
		}
	}
}

// TestReference runs every case at the reference host, which needs no
// namespace, and has to pass each MUST.
func TestReference(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run([]string{"-hosts", "reference"}, &stdout, &stderr); status != 0 {
		t.Errorf("exit status %d\n%s\n%s", status, &stderr, &stdout)
	}
}
