package config

import "slices"

// Adopt returns what is in force once a host that runs with c was told to run with
// fresh: c with those settings of fresh that can change meanwhile. changed names
// those that did, stay those that differ and take a restart, in the order of the
// usage.
func (c *Config) Adopt(fresh *Config) (next *Config, changed, stay []string) {
	own := *c
	for _, s := range settings() {
		switch {
		case s.get == nil || slices.Equal(s.get(c), s.get(fresh)):
		case s.adopt == nil:
			stay = append(stay, s.name)
		default:
			s.adopt(&own, fresh)
			changed = append(changed, s.name)
		}
	}
	return &own, changed, stay
}
