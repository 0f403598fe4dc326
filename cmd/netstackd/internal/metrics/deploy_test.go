package metrics

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDeployed: every metric that the alerts and the dashboard name is there in a
// scrape.
func TestDeployed(t *testing.T) {
	h, _ := NewHandler(sources())
	scraped := scrape(t, h)
	name := regexp.MustCompile(`\b(netstackd|go|process)_[a-z0-9_]+\b`)
	for _, path := range []string{"../../../../deploy/prometheus/rules.yaml", "../../../../deploy/grafana/netstackd.json"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		names := name.FindAllString(string(text), -1)
		slices.Sort(names)
		names = slices.Compact(names)
		if len(names) < 8 {
			t.Errorf("%s names %v, want more", path, names)
		}
		for _, n := range names {
			if !strings.Contains(scraped, "\n"+n+" ") && !strings.Contains(scraped, "\n"+n+"{") {
				t.Errorf("%s names %s, which is no metric", path, n)
			}
		}
	}
}
