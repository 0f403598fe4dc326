package main

import (
	"fmt"
	"io"

	"netstackd/cmd/netstackd/internal/config"
)

// checkConfig prints a configuration that can be run, as far as that shows without
// a device and without privilege, or says what is wrong with it.
func checkConfig(cfg *config.Config, w, errs io.Writer) int {
	text, err := cfg.Text()
	if err != nil {
		fmt.Fprintln(errs, "netstackd:", err)
		return exitUsage
	}
	fmt.Fprint(w, text)
	return exitOK
}
