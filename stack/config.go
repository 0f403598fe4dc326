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

	// Limits are what clients may hold.
	Limits Limits

	// About is what the HTTP page says of the program, beside the addresses
	// and the services.
	About About

	// Panicked is told of each panic of netstack's on a goroutine of ours, on that
	// goroutine, which must not wait; it may be called by several at once. Restarting
	// is called before each rebuild, while nothing is attached, and Rebuilt after it,
	// with the time that the host was down; neither may wait. Abandon is called after
	// Link was detached from a netstack that panicked, in which its goroutines may be
	// stuck for ever: it gives those up. All may be nil.
	Panicked   func(Panic)
	Restarting func()
	Rebuilt    func(down time.Duration)
	Abandon    func()
	// UnlimitedErrors has netstack send each ICMP error that it has to say, however
	// many: for who looks at what each packet brings.
	UnlimitedErrors bool

	// ExitOnPanic says not to rebuild netstack when it panicked.
	ExitOnPanic bool

	// Log receives everything worth saying; nil says nothing.
	Log logrus.FieldLogger
}

// Limits bound what clients may hold. They can change while the host runs.
type Limits struct {
	// Connections is how many TCP connections each service has at a time; 0
	// means DefaultConnections.
	Connections int

	// Total is how many TCP connections all services have together; 0 means twice
	// Connections.
	Total int

	// PerSource is how many TCP connections one source, an IPv4 address or an IPv6
	// /64, has at a time, of all services together; 0 is no limit of its own.
	PerSource int

	// HalfOpen is how many TCP connections of each service may be half open, and wait
	// to be accepted; 0 means DefaultHalfOpen. More are answered with SYN cookies.
	HalfOpen int

	// Idle is after how long without progress a TCP connection of echo, discard or
	// chargen is reset, and one of http at the latest; 0 means DefaultIdle.
	Idle time.Duration
}

// The defaults of Limits. A client that stalls makes a service and netstack hold what
// it sent and does not take: 6 MiB for each of the first few connections, 576 KiB for
// each of the others.
const (
	DefaultConnections = 1024
	DefaultHalfOpen    = 1024
	DefaultIdle        = 5 * time.Minute
)

// check refuses what makes no sense.
func (l *Limits) check() error {
	for name, n := range map[string]int{
		"connections": l.Connections, "connections in all": l.Total, "connections a source": l.PerSource, "half open": l.HalfOpen,
	} {
		if n < 0 {
			return fmt.Errorf("%d %s: expected none or more", n, name)
		}
	}
	if l.Idle < 0 {
		return fmt.Errorf("%v idle: expected none or more", l.Idle)
	}
	return nil
}

// limits are those with the defaults in place.
func (l *Limits) limits() limits {
	lim := defaultLimits()
	lim.total, lim.perSource = l.Total, l.PerSource
	if l.Connections > 0 {
		lim.connections = l.Connections
	}
	if l.HalfOpen > 0 {
		lim.backlog = l.HalfOpen
	}
	if l.Idle > 0 {
		lim.idle = l.Idle
	}
	return lim
}

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
	if err := c.Limits.check(); err != nil {
		return nil, fmt.Errorf("create host: %w", err)
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
