package main

import (
	"fmt"
	"strings"

	"netstackd/cmd/netstackd/internal/config"
)

// words are what is completed for a flag, or nothing.
func words(s config.Setting) string { return strings.Join(s.Offers, " ") }

// summary is a help's first part, for shells that show it in a line.
func summary(s config.Setting) string {
	help := s.Help
	for _, end := range []string{"; ", " (default", ": "} {
		help, _, _ = strings.Cut(help, end)
	}
	return help
}

// bashAction is what bash does for a flag's value, in a function of the template.
func bashAction(s config.Setting) string {
	switch {
	case s.List:
		return fmt.Sprintf("_netstackd_list %q", words(s))
	case len(s.Offers) > 0:
		return fmt.Sprintf("_netstackd_words %q", words(s))
	case s.File:
		return "_netstackd_files"
	case s.User:
		return "_netstackd_users"
	}
	return ":"
}

// zshSpec is a flag as _arguments takes it (zshcompsys(1)).
func zshSpec(s config.Setting) string {
	quote := strings.NewReplacer("'", "’", "[", `\[`, "]", `\]`, ":", `\:`).Replace
	many := ""
	if s.Many {
		many = "*"
	}
	spec := fmt.Sprintf("%s-%s[%s]", many, s.Name, quote(summary(s)))
	if s.Takes == "" {
		return spec
	}
	action := " "
	switch {
	case s.List:
		action = "_values -s , " + s.Name + " " + words(s)
	case len(s.Offers) > 0:
		action = "(" + strings.ReplaceAll(words(s), ":", `\:`) + ")"
	case s.File:
		action = "_files"
	case s.User:
		action = "_users"
	}
	return spec + ":" + quote(s.Takes) + ":" + action
}

// fishFlags are a flag's arguments to fish's complete.
func fishFlags(s config.Setting) string {
	quote := strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace
	flags := fmt.Sprintf("-o %s -d '%s'", s.Name, quote(summary(s)))
	switch {
	case s.Takes == "":
	case len(s.Offers) > 0:
		flags += fmt.Sprintf(" -x -a '%s'", words(s))
	case s.File:
		flags += " -r -F"
	case s.User:
		flags += " -x -a '(__fish_complete_users)'"
	default:
		flags += " -x"
	}
	return flags
}
