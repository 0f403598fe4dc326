//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"netstackd/cmd/netstackbench/internal/report"
)

// path is a host to be measured. It travels to its worker as JSON.
type path struct {
	Name string
	Kind string // one of package report's
	// Binary is which of several binaries it runs, Command how.
	Binary  string
	Command []string
	// Client runs beside the host, if it is not nil.
	Client *client `json:",omitempty"`
}

// client is a process that runs beside a host, in the same namespace.
type client struct {
	// Role is which part of this program it is; without one Command has the program.
	Role    string `json:",omitempty"`
	Command []string
}

// about says what the path is.
func (p path) about() string {
	switch p.Kind {
	case report.Kernel:
		return "kernel to kernel over veth"
	case report.Netstackd:
		return strings.Join(p.Command, " ")
	case report.Compare:
		return strings.Join(p.Command, " ") + " -trace compare, as JSON to a file"
	case report.FDBased:
		return "netstack on gVisor's fdbased endpoint"
	case report.WireGuard:
		return "netstack on wireguard/tun's Read and Write"
	}
	return "read, swap addresses, write: ping alone"
}

// allPaths are the paths there are with these binaries.
func allPaths(binaries string) ([]path, error) {
	all := []path{{Name: report.Kernel, Kind: report.Kernel}}
	commands := strings.Split(binaries, ",")
	labels := make([]string, len(commands))
	seen := map[string]bool{}
	for i, line := range commands {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			return nil, fmt.Errorf("-netstackd %s: a name is empty", binaries)
		}
		labels[i] = strings.Join(append([]string{filepath.Base(fields[0])}, fields[1:]...), " ")
		if seen[labels[i]] {
			labels[i] = strings.Join(fields, " ")
		}
		if seen[labels[i]] {
			return nil, fmt.Errorf("-netstackd %s: %s is there twice", binaries, line)
		}
		seen[labels[i]] = true
	}
	for _, kind := range []string{report.Netstackd, report.Compare} {
		for i, line := range commands {
			p := path{Name: labels[i], Kind: kind, Binary: labels[i], Command: strings.Fields(line)}
			if kind == report.Compare {
				p.Name = "compare"
				if len(commands) > 1 {
					p.Name = labels[i] + "+compare"
				}
			}
			all = append(all, p)
		}
	}
	return append(all,
		path{Name: report.FDBased, Kind: report.FDBased},
		path{Name: report.WireGuard, Kind: report.WireGuard},
		path{Name: report.Minimal, Kind: report.Minimal}), nil
}

// checkBinaries wants every binary to be there.
func checkBinaries(paths []path) error {
	for _, p := range paths {
		if p.Command == nil {
			continue
		}
		if err := checkBinary(p.Command[0]); err != nil {
			return err
		}
	}
	return nil
}

func checkBinary(name string) error {
	info, err := os.Stat(name)
	if err == nil && (info.IsDir() || info.Mode()&0o111 == 0) {
		err = errors.New("no program")
	}
	if err != nil {
		return fmt.Errorf("-netstackd %s: %w: give the path of a netstackd binary, as `make build` makes it", name, err)
	}
	return nil
}
