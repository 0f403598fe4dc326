// Command document writes what belongs to netstackd and follows from its table of
// settings, the manual page and the completions for shells, to the directory that is
// its argument.
//
//   - main.go: the files.
//   - manual.go, manual.tmpl: netstackd(8).
//   - complete.go and the other templates: completions for bash, zsh and fish.
package main
