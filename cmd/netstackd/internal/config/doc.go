// Package config turns the command line of netstackd, its environment and a file of
// YAML into a [Config] that can be run, or into an error of one line that says what
// was expected, and where.
//
//   - config.go: [Config] and its defaults.
//   - settings.go: what a setting is: name, help, parsing and printing, in one table.
//     settings_host.go, respond.go, settings_trace.go, http.go, settings_contain.go,
//     invocation.go: the table. Whoever adds a setting adds it there and nowhere else.
//   - parse.go: [Parse], the flags, and what takes more than one setting to check.
//     environment.go: variables. file.go: the file.
//   - text.go: a Config as such a file.
//   - adopt.go: what of another Config can be put in force while the host runs.
//   - kernel.go: which addresses the kernel's side of the link gets.
//   - usage.go: what -help prints. document.go: the table for manuals and shells.
package config
