package config

import (
	"net/netip"

	"github.com/sirupsen/logrus"

	"netstackd/hooks/trace"
	"netstackd/link"
	"netstackd/stack"
)

// Config is what netstackd runs with, checked.
type Config struct {
	// Addresses are those that netstack owns, in the order given.
	Addresses []netip.Prefix
	// Kernel is what the kernel's side of the link gets.
	Kernel []link.Address

	TUN string
	// MTU in bytes.
	MTU int

	// Services that run inside netstack.
	Services []string

	Guard bool

	// Trace is empty if tracing is off.
	Trace       trace.Level
	TraceFormat trace.Format
	// TraceOut is a file's name, or "-" for standard output.
	TraceOut string

	LogLevel logrus.Level
	LogJSON  bool

	// Version asks for the version and nothing else.
	Version bool
}

// The bounds of -mtu. IPv6 needs 1280 (RFC 8200 §5); IPv4 could do with 68
// (RFC 791 §3.2), but not the services. The upper bound is what leaves a
// super-segment within 65,535 bytes on every path.
const (
	minMTU     = 576
	minMTUIPv6 = 1280
	maxMTU     = 65520
)

// defaults returns the configuration that flags change.
func defaults() Config {
	return Config{
		TUN:         "netstack0",
		MTU:         1500,
		Services:    stack.ServiceNames(),
		Guard:       true,
		TraceFormat: trace.Text,
		TraceOut:    "-",
		LogLevel:    logrus.InfoLevel,
	}
}
