package config

import (
	"slices"
	"strings"
)

// A Setting is a setting as manuals and shells tell of it.
type Setting struct {
	// Name is the flag's, without its dash. The expression behind the flags is none.
	Name string
	// Takes names the value; it is empty for a toggle.
	Takes string
	// Help is what the usage says.
	Help string
	// Many says that it may be given several times, List that its value is a list with
	// commas.
	Many, List bool
	// Variable is that of the environment; Reload says that SIGHUP puts it in force.
	Variable string
	Reload   bool
	// Offers are values to complete, those that end with a colon beginnings of values;
	// File and User say that they are files, or users.
	Offers     []string
	File, User bool
}

// Settings returns all flags, in the order of the usage.
func Settings() []Setting {
	var all []Setting
	for _, s := range settings() {
		if s.expression {
			continue
		}
		offers := s.offers
		if parts := strings.Split(s.takes, "|"); offers == nil && len(parts) > 1 && strings.ToLower(s.takes) == s.takes {
			offers = parts
		}
		all = append(all, Setting{
			Name: s.name, Takes: s.takes, Help: s.help, Many: s.many, List: s.list,
			Variable: s.variable(), Reload: s.adopt != nil, Offers: slices.Clone(offers),
			File: s.takes == "FILE" || s.takes == "F", User: s.takes == "USER",
		})
	}
	return all
}
