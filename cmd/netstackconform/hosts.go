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

// dies has a host that a case kills die of it, and not hide that by another netstack.
var dies = []string{"-on-panic", "exit"}

// newHost returns a host by its name.
func newHost(name, binary string) suite.Host {
	switch name {
	case netstack:
		// Without receive offload no hook verifies, or drops, anything: what
		// shows is netstack's own judgement.
		return host.NewDaemon(name, binary, append(dies, "-guard", "off", "-offload", "off")...)
	case guardOn:
		return host.NewDaemon(name, binary, append(dies, "-guard", "on")...)
	case guardStrict:
		return host.NewDaemon(name, binary, append(dies, "-guard", "strict")...)
	case linux:
		return host.NewKernel()
	}
	return host.NewReference(name, binary)
}
