// Package config turns the command line of netstackd into a [Config] that can
// be run, or into an error of one line that says what was expected.
//
//   - config.go: [Config] and its defaults.
//   - parse.go: [Parse], the flags.
//   - kernel.go: which addresses the kernel's side of the link gets.
//   - http.go: the flags of the HTTP server.
//   - usage.go: what -help prints.
package config
