//go:build linux

package main

import (
	"netstackd/cmd/netstackconform/internal/host"
	"netstackd/cmd/netstackconform/internal/suite"
)

// The hosts' names.
const (
	netstack    = "netstack"
	guardOn     = "guard-on"
	guardStrict = "guard-strict"
	linux       = "linux"
	reference   = "reference"
)

func hostNames() []string { return []string{netstack, guardOn, guardStrict, linux, reference} }

// newHost returns a host by its name.
func newHost(name, binary string) suite.Host {
	switch name {
	case netstack:
		// Without receive offload no hook verifies, or drops, anything: what
		// shows is netstack's own judgement.
		return host.NewDaemon(name, binary, "-guard", "off", "-offload", "off")
	case guardOn:
		return host.NewDaemon(name, binary, "-guard", "on")
	case guardStrict:
		return host.NewDaemon(name, binary, "-guard", "strict")
	case linux:
		return host.NewKernel()
	}
	return host.NewReference(name, binary)
}
