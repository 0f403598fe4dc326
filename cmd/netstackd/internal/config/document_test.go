package config

import (
	"strings"
	"testing"
)

// TestOffers: what a shell offers is taken, and what is told of no flag is missing.
func TestOffers(t *testing.T) {
	all := Settings()
	if want := len(settings()) - 1; len(all) != want {
		t.Errorf("%d settings, want all %d but the expression", len(all), want)
	}
	for _, s := range all {
		for _, offer := range s.Offers {
			if strings.HasSuffix(offer, ":") {
				offer += "/tmp"
			}
			d := &draft{Config: defaults()}
			d.given = map[string]value{}
			if err := find(settings(), s.Name).apply(d, value{text: offer}); err != nil {
				t.Errorf("-%s offers what it refuses: %v", s.Name, err)
			}
		}
	}
}
