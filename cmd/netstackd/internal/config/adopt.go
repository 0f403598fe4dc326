package config

import (
	"slices"

	"netstackd/hooks/respond"
)

// outputSettings are those of what is written down, which change together or not at
// all: one of them may be right only with another.
var outputSettings = []string{"trace", "trace-format", "trace-out", "pcapng", "pcapng-rotate"}

// respondSettingNames are those of who answers, which change together too: who scores
// whom goes by who answers.
var respondSettingNames = []string{"respond", "shadow", "send-bad-replies"}

// Adopt returns what is in force once a host that runs with c was told to run with
// fresh: c with those settings of fresh that can change meanwhile. changed names
// those that did, stay those that differ and take a restart, in the order of the
// usage.
func (c *Config) Adopt(fresh *Config) (next *Config, changed, stay []string) {
	own := *c
	if own.started == nil {
		own.started = c.Answerers()
	}
	var keep []string
	// An agent that stays has standard output.
	if slices.Contains(own.started, RespondMCPStdio) && (fresh.Trace != "" && fresh.TraceOut == "-" || fresh.Pcapng == "-") {
		keep = append(keep, outputSettings...)
	}
	// A process, a path and a server are opened at the start or never.
	wanted := own
	wanted.Respond, wanted.RespondFor = fresh.Respond, fresh.RespondFor
	if slices.ContainsFunc(wanted.Answerers(), func(who string) bool {
		return who != respond.Netstack && who != respond.ByHand && !slices.Contains(own.started, who)
	}) {
		keep = append(keep, respondSettingNames...)
	}
	for _, s := range settings() {
		switch {
		case s.get == nil || slices.Equal(s.get(c), s.get(fresh)):
		case s.adopt == nil || slices.Contains(keep, s.name):
			stay = append(stay, s.name)
		default:
			s.adopt(&own, fresh)
			changed = append(changed, s.name)
		}
	}
	return &own, changed, stay
}

// KeepOutputs returns c with what is written down as it is in old, and without those
// settings in changed.
func (c *Config) KeepOutputs(old *Config, changed []string) (*Config, []string) {
	own := *c
	for _, s := range settings() {
		if slices.Contains(outputSettings, s.name) {
			s.adopt(&own, old)
		}
	}
	return &own, slices.DeleteFunc(changed, func(name string) bool { return slices.Contains(outputSettings, name) })
}
