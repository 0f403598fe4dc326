//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"netstackd/cmd/netstackbench/internal/report"
	"netstackd/deploy/agent"
)

// racer is an answerer that takes part in a race.
type racer struct {
	name string
	// label is the name with what it stands for, for the chart.
	label string
	// respond is netstackd's -respond, but for the folder that is made for each
	// race; empty for the kernel.
	respond string
}

// The answerers that are not netstackd's, or have a client beside it.
const (
	racerKernel = report.Kernel
	racerFIFO   = "fifo"
	racerExec   = "exec"
	racerMCP    = "mcp"
)

// builtInRacers are those that take part in every race.
func builtInRacers() []racer {
	return []racer{
		{racerKernel, "kernel, over veth", ""},
		{"netstack", "netstack", "netstack"},
		{"byhand", "byhand: the reference host", "byhand"},
		{racerFIFO, "fifo: a shell with awk", "fifo:"},
		{racerExec, "exec: answer.py", "exec:"},
		{racerMCP, "mcp: the Go SDK's client", "mcp"},
	}
}

// about says what the answerer is.
func (r racer) about() string {
	switch r.name {
	case racerKernel:
		return "the kernel's own stack, over veth"
	case racerFIFO:
		return "netstackd -respond fifo:DIR, answered by deploy/agent/answer.sh"
	case racerExec:
		return "netstackd -respond 'exec:python3 deploy/agent/answer.py'"
	case racerMCP:
		return "netstackd -respond mcp, answered by the client of the Go SDK"
	}
	return "netstackd -respond " + shellWord(r.respond)
}

// shellWord quotes a word for people if it is not plain.
func shellWord(s string) string {
	for _, c := range s {
		if !('a' <= c && c <= 'z') {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}

// published are figures of others, for the table and the chart.
func published() []report.Answerer {
	return []report.Answerer{{
		Name: "Claude Haiku 4.5", Label: "an LLM: Claude Haiku 4.5", Published: "dunkels.com, May 2026",
		Times: &report.Times{P50: 42_593_000},
	}}
}

// The addresses of a race. The kernel's side of the link has the first of each
// prefix.
var (
	raceClient6 = netip.MustParsePrefix("fd00:172::1/64")
	raceHost6   = netip.MustParsePrefix("fd00:172::2/64")
	raceAddrs   = []netip.Prefix{hostAddr, raceHost6}
)

// mcpAddress is where netstackd serves MCP, in the namespace's own loopback.
const mcpAddress = "127.0.0.1:8080"

// path is how the answerer is run. dir is a folder of the race.
func (r racer) path(daemon []string, dir string) path {
	if r.name == racerKernel {
		return path{Name: r.name, Kind: report.Kernel}
	}
	p := path{Name: r.name, Kind: report.Netstackd}
	respond := r.respond
	// Nobody else computes an answer. Netstack is scored by itself, and for that
	// the reference host has to look on.
	shadow := "none"
	var more []string
	switch r.name {
	case "netstack":
		shadow = "byhand"
	case racerFIFO:
		p.Client = &client{Command: []string{"sh", filepath.Join(dir, answerFIFO), dir}}
		respond += dir
	case racerExec:
		respond += "python3 " + filepath.Join(dir, answerExec)
	case racerMCP:
		p.Client = &client{Role: roleAgent, Command: []string{"http://" + mcpAddress + "/mcp"}}
		more = []string{"-http", mcpAddress}
	}
	p.Command = append([]string{daemon[0], "-respond", respond, "-shadow", shadow}, more...)
	p.Command = append(p.Command, daemon[1:]...)
	return p
}

// The reference answerers, in the folder of the race.
const (
	answerFIFO = "answer.sh"
	answerExec = "answer.py"
)

// raceFolder makes a folder with the reference answerers, which others may read:
// with root's privilege one runs as nobody.
func raceFolder() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "netstackbench-"); err != nil {
		return "", fmt.Errorf("make a folder for the answerers: %w", err)
	}
	err = errors.Join(
		os.Chmod(dir, 0o755),
		openToOthers(filepath.Dir(dir)),
		os.WriteFile(filepath.Join(dir, answerFIFO), []byte(agent.FIFO), 0o644),
		os.WriteFile(filepath.Join(dir, answerExec), []byte(agent.Exec), 0o644))
	if err != nil {
		return "", errors.Join(fmt.Errorf("fill the folder of the answerers: %w", err), os.RemoveAll(dir))
	}
	return dir, nil
}

// openToOthers wants all to be able to get to a folder, if there are others.
func openToOthers(dir string) error {
	if os.Geteuid() != 0 {
		return nil // commands run as the same user
	}
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("commands, which run as nobody, cannot get past %s: set TMPDIR to a folder open to all", at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}
