package main

import (
	"strings"

	"netstackd/cmd/netstackd/internal/config"
)

// roff quotes text for the manual page: what troff would take for its own, and
// hyphens, which in commands are to be copied as they are (man(7), groff_char(7)).
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\&...`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// values is how a flag's value is shown behind it.
func values(s config.Setting) string {
	if s.Takes == "" {
		return ""
	}
	return " " + s.Takes
}
