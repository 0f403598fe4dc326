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

// TestIntegrationUnit: systemd finds nothing wrong with the unit, and little that
// could be closed still.
func TestIntegrationUnit(t *testing.T) {
	linktest.NeedTools(t, "systemd-analyze")
	text, err := os.ReadFile("../../deploy/netstackd.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "netstackd.service")
	// What it starts must be there.
	here := strings.Replace(string(text), "/usr/local/bin/netstackd", daemonPath(t), 1)
	if err := os.WriteFile(unit, []byte(here), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, patience, "systemd-analyze", "verify", "--man=no", unit); strings.TrimSpace(out) != "" {
		t.Errorf("systemd-analyze verify says: %s", out)
	}
	out := tool(t, patience, "systemd-analyze", "security", "--offline=true", "--no-pager", unit)
	exposure := regexp.MustCompile(`Overall exposure level for netstackd.service: ([0-9.]+)`).FindStringSubmatch(out)
	if exposure == nil {
		t.Fatalf("systemd-analyze security says no level:\n%s", out)
	}
	if level, err := strconv.ParseFloat(exposure[1], 64); err != nil || level > 1.6 {
		t.Errorf("exposure is %s, want at most 1.6:\n%s", exposure[1], out)
	}
}
