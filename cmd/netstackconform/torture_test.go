//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTortureRefusals: what cannot be is told in one line that says what was expected.
func TestTortureRefusals(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-packets", "0", "-tun-packets", "0"}, "leave nothing to send: give one of them"},
		{[]string{"-packets", "many"}, "see torture -help"},
		{[]string{"-guard", "on,shut"}, `-guard "shut": expected on, strict or off`},
		{[]string{"-time", "-1s"}, "-time and -settle expect none or more"},
		{[]string{"-settle", "-1s"}, "-time and -settle expect none or more"},
		{[]string{"more"}, `unexpected argument "more"`},
		{[]string{"-way", "{"}, "-way: "},
	} {
		var out, errs bytes.Buffer
		status := run(append([]string{"torture"}, test.args...), &out, &errs)
		if status != 2 || !strings.Contains(errs.String(), test.want) || strings.Count(errs.String(), "\n") != 1 || out.Len() > 0 {
			t.Errorf("%q: status %d, %q, %q; want %q", test.args, status, out.String(), errs.String(), test.want)
		}
	}
	var out bytes.Buffer
	if status := run([]string{"torture", "-help"}, &out, &out); status != 0 || out.String() != tortureUsage {
		t.Errorf("status %d, %q", status, out.String())
	}
}

// TestTorture runs the command: with its guard netstack lives, and the report says
// where it has been; without, it panics of a long ping, which is told, and status 1.
func TestTorture(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir+"/", ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	file := filepath.Join(dir, "report.json")
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "netstackconform"), "torture", "-packets", "8000", "-tun-packets", "0", "-seed", "1", "-guard", "strict", "-json", file)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "-guard strict -offload on, errors not limited: well") {
		t.Errorf("%v\n%s", err, out)
	}
	var report struct {
		Seed uint64
		Ways []struct {
			Sent  uint64
			Kinds map[string]uint64
		}
	}
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &report)
	}
	if err != nil || report.Seed != 1 || len(report.Ways) != 2 || report.Ways[1].Sent < 4000 || report.Ways[1].Kinds["echo"] == 0 {
		t.Errorf("%v, report %+v", err, report)
	}
	cmd = exec.CommandContext(t.Context(), filepath.Join(dir, "netstackconform"), "torture", "-packets", "60000", "-tun-packets", "0", "-seed", "1", "-guard", "off")
	out, err = cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "WRONG: netstack panicked (inbound)") ||
		!strings.Contains(string(out), "expected to parse IPv4 header we just created") {
		t.Errorf("without a guard: %v\n%s", err, out)
	}
}
