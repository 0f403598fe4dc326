//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"netstackd/link/linktest"
)

// TestIntegrationUnit: systemd finds nothing wrong with the units, and little that
// could be closed still.
func TestIntegrationUnit(t *testing.T) {
	linktest.NeedTools(t, "systemd-analyze")
	for name, most := range map[string]float64{"netstackd.service": 1.6, "netstackd-prepared.service": 1.2} {
		text, err := os.ReadFile("../../deploy/systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		unit := filepath.Join(t.TempDir(), name)
		// What it starts must be there.
		here := strings.Replace(string(text), "/usr/bin/netstackd", daemonPath(t), 1)
		if err := os.WriteFile(unit, []byte(here), 0o644); err != nil {
			t.Fatal(err)
		}
		if out := tool(t, patience, "systemd-analyze", "verify", "--man=no", unit); strings.TrimSpace(out) != "" {
			t.Errorf("systemd-analyze verify says of %s: %s", name, out)
		}
		out := tool(t, patience, "systemd-analyze", "security", "--offline=true", "--no-pager", unit)
		exposure := regexp.MustCompile(`Overall exposure level for ` + name + `: ([0-9.]+)`).FindStringSubmatch(out)
		if exposure == nil {
			t.Fatalf("systemd-analyze security says no level of %s:\n%s", name, out)
		}
		if level, err := strconv.ParseFloat(exposure[1], 64); err != nil || level > most {
			t.Errorf("exposure of %s is %s, want at most %v:\n%s", name, exposure[1], most, out)
		}
	}
}
