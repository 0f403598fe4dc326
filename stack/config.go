package stack

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Config says what host to build. New copies what it keeps.
type Config struct {
	// Link is the endpoint the NIC will own. Start attaches it. Close detaches
	// it, and netstack closes it when it removes the NIC, as it always does.
	// When Start was never called, Link is never touched.
	Link netstack.LinkEndpoint

	// Addresses are the host's own, each with the prefix of its subnet: at
	// least one, any number of either family. A single address is a /32 or
	// /128; /31 (RFC 3021) and /127 (RFC 6164) are pairs. The first of a
	// family is its primary address.
	Addresses []netip.Prefix

	// Services are the names of those to run, out of ServiceNames, in any
	// order, each once. Empty runs none.
	Services []string

	// Connections is how many TCP connections each service has at a time; 0
	// means DefaultConnections. One more is reset.
	Connections int

	// PerSource is how many TCP connections one source, an IPv4 address or an IPv6
	// /64, has at a time, of all services together; 0 is no limit of its own. One
	// more is reset.
	PerSource int

	// Idle is after how long without progress a TCP connection of echo, discard or
	// chargen is reset, and one of http at the latest; 0 means DefaultIdle.
	Idle time.Duration

	// About is what the HTTP page says of the program, beside the addresses
	// and the services.
	About About

	// Log receives everything worth saying; nil says nothing.
	Log logrus.FieldLogger
}

// DefaultConnections of a service. A stalled client makes netstack hold a send
// and a receive buffer for it, about 2 MiB, so the connections of one service pin
// 2 GiB at worst and until their idle time is over.
const DefaultConnections = 1024

// DefaultIdle is how long a connection may make no progress.
const DefaultIdle = 5 * time.Minute

// About names the program for the HTTP page. All of it may be empty.
type About struct {
	Program    string      // "netstackd"
	Version    string      // of the program
	Components []Component // what it was built with, in the order to print
}

// Component is a part the program was built with.
type Component struct {
	Name    string // "gvisor.dev/gvisor"
	Version string // "v0.0.0-20260905035102-160fafc42237"
}

// check refuses what New cannot build and returns the services asked for, in
// the order of the table.
func (c *Config) check() ([]definition, error) {
	if c.Link == nil {
		return nil, errors.New("create host: no link endpoint")
	}
	if err := checkAddresses(c.Addresses); err != nil {
		return nil, fmt.Errorf("create host: %w", err)
	}
	if c.Connections < 0 {
		return nil, fmt.Errorf("create host: %d connections: expected none or more", c.Connections)
	}
	if c.PerSource < 0 || c.Idle < 0 {
		return nil, fmt.Errorf("create host: %d connections a source, %v idle: expected none or more", c.PerSource, c.Idle)
	}
	chosen, err := chooseServices(c.Services)
	if err != nil {
		return nil, fmt.Errorf("create host: %w", err)
	}
	return chosen, nil
}

func checkAddresses(prefixes []netip.Prefix) error {
	if len(prefixes) == 0 {
		return errors.New("no address")
	}
	seen := make(map[netip.Addr]bool, len(prefixes))
	for _, p := range prefixes {
		if err := checkAddress(p); err != nil {
			return err
		}
		if seen[p.Addr()] {
			return fmt.Errorf("address %s: given twice", p.Addr())
		}
		seen[p.Addr()] = true
	}
	return nil
}

// checkAddress refuses what cannot be a host's own unicast address (RFC 1122
// section 3.2.1.3, RFC 4291 section 2.5).
func checkAddress(p netip.Prefix) error {
	a := p.Addr()
	switch {
	case !p.IsValid():
		return fmt.Errorf("address %s: not valid", p)
	case a.Zone() != "":
		return fmt.Errorf("address %s: has a zone", p)
	case a.Is4In6():
		return fmt.Errorf("address %s: is IPv4 mapped into IPv6; write it as IPv4", p)
	case a.IsUnspecified():
		return fmt.Errorf("address %s: is the unspecified address", p)
	case a.IsLoopback():
		return fmt.Errorf("address %s: is a loopback address", p)
	case a.IsMulticast():
		return fmt.Errorf("address %s: is a multicast address", p)
	case a == limitedBroadcast || a == broadcastOf(p):
		return fmt.Errorf("address %s: is a broadcast address", p)
	case a.Is4() && a == networkOf(p):
		return fmt.Errorf("address %s: is the network's own address", p)
	case a == networkOf(p):
		return fmt.Errorf("address %s: is the subnet-router anycast address", p)
	}
	return nil
}

// limitedBroadcast is 255.255.255.255 (RFC 919).
var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// networkOf is the address of p whose host part is all zeros, or the zero Addr
// where p has no such address: single addresses and pairs.
func networkOf(p netip.Prefix) netip.Addr {
	if p.Bits() >= p.Addr().BitLen()-1 {
		return netip.Addr{}
	}
	return p.Masked().Addr()
}

// broadcastOf is the address of p whose host part is all ones, or the zero Addr
// where p has none: IPv6, single addresses and pairs.
func broadcastOf(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() || p.Bits() >= 31 {
		return netip.Addr{}
	}
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(b)
}

func chooseServices(names []string) ([]definition, error) {
	known := ServiceNames()
	for i, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("service %q: not one of %s", name, strings.Join(known, ", "))
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("service %q: given twice", name)
		}
	}
	var chosen []definition
	for _, d := range catalogue() {
		if slices.Contains(names, d.name) {
			chosen = append(chosen, d)
		}
	}
	return chosen, nil
}

// silentLog discards; it stands in for a nil Config.Log.
func silentLog() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}
