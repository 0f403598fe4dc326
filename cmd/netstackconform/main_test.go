//go:build linux

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"netstackd/cmd/netstackconform/internal/catalogue"
	"netstackd/cmd/netstackconform/internal/host"
	"netstackd/cmd/netstackconform/internal/suite"
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
		{"-only", "^fragments-timeout"},
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

// TestPrediction runs every case at the reference host in process, which needs
// no namespace, and has to pass each MUST.
func TestPrediction(t *testing.T) {
	cases := catalogue.All()
	place := map[*suite.Case]int{}
	for i, c := range cases {
		place[c] = i
	}
	got := suite.Run(t.Context(), host.NewPrediction(), cases, func(c *suite.Case) int { return place[c] })
	if got.Failed != "" || got.Skipped != "" {
		t.Fatalf("not run: %s%s", got.Failed, got.Skipped)
	}
	for _, r := range got.Results {
		if r.Status != suite.Pass && r.Status != suite.NoOpinion && r.Case.Requirement == suite.Must {
			t.Errorf("%s: %s, %s", r.Case.ID, r.Status, r.Reason)
		}
	}
}

// TestREADME wants the table of the README to name cases that there are, each at
// which netstack deviates, and to say how many there are.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	marked := map[string]bool{} // whether netstack deviates, as the README has it
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|([^|]*)\\|(?:[^|]*\\|){4}$").FindAllSubmatch(text, -1) {
		marked[string(row[1])] = strings.TrimSpace(string(row[2])) != ""
	}
	n := 0
	for _, c := range catalogue.All() {
		if c.Long {
			continue
		}
		n++
		deviates, named := marked[c.ID]
		if deviates != (c.Place != "") {
			t.Errorf("%s: the README names it: %v, as a deviation of netstack: %v; its place is %q", c.ID, named, deviates, c.Place)
		}
		delete(marked, c.ID)
	}
	for id := range marked {
		t.Errorf("%s: the README names it, and there is no such case", id)
	}
	if want := fmt.Sprintf("\n%d cases ", n); !bytes.Contains(text, []byte(want)) && !bytes.Contains(text, []byte(" "+want[1:])) {
		t.Errorf("the README does not say that there are %d cases", n)
	}
}
