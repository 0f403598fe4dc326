package catalogue_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"netstackd/cmd/netstackconform/internal/catalogue"
	"netstackd/cmd/netstackconform/internal/suite"
)

var (
	idForm    = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)+$`)
	rfcForm   = regexp.MustCompile(`^RFC \d+( §[0-9A-Z]+(\.\d+)*)?$`)
	placeForm = regexp.MustCompile(`^[a-z0-9/_]+\.go \w+$`)
)

// TestCatalogue wants every case whole.
func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	all := catalogue.All()
	for _, c := range all {
		if seen[c.ID] {
			t.Errorf("%s: there are two", c.ID)
		}
		seen[c.ID] = true
		if !idForm.MatchString(c.ID) || len(c.ID) > 40 {
			t.Errorf("%s: the ID is not in short kebab-case", c.ID)
		}
		if c.Group == "" || c.Title == "" || strings.HasSuffix(c.Title, ".") {
			t.Errorf("%s: group %q, title %q", c.ID, c.Group, c.Title)
		}
		switch c.Requirement {
		case suite.Must, suite.Should, suite.May:
		default:
			t.Errorf("%s: requirement %q", c.ID, c.Requirement)
		}
		if !rfcForm.MatchString(c.RFC) {
			t.Errorf("%s: citation %q is not like RFC 1122 §3.2.1.2", c.ID, c.RFC)
		}
		if c.Place != "" && !placeForm.MatchString(c.Place) {
			t.Errorf("%s: place %q is not like network/ipv4/icmp.go handleICMP", c.ID, c.Place)
		}
		if len(c.Steps) == 0 {
			t.Errorf("%s: no step", c.ID)
		}
		total := time.Duration(0)
		for i, st := range c.Steps {
			if st.Want.Text == "" {
				t.Errorf("%s: step %d wants nothing", c.ID, i+1)
			}
			total += st.Wait
		}
		if total > 5*time.Second != c.Long || total > 0 != c.Slow {
			t.Errorf("%s: waits %v, Slow is %v, Long %v", c.ID, total, c.Slow, c.Long)
		}
	}
	if len(all) >= suite.MaxCases {
		t.Errorf("%d cases, addresses are there for %d", len(all), suite.MaxCases)
	}
}

// TestPlaces wants each place to be in the gVisor that this is built with.
func TestPlaces(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "gvisor.dev/gvisor").Output()
	if err != nil {
		t.Fatalf("find gVisor: %v", err)
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "pkg", "tcpip")
	for _, c := range catalogue.All() {
		if c.Place == "" {
			continue
		}
		file, function, _ := strings.Cut(c.Place, " ")
		source, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Errorf("%s: %v", c.ID, err)
			continue
		}
		if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + function + `\(`).Match(source) {
			t.Errorf("%s: no function %s in %s", c.ID, function, file)
		}
	}
}
