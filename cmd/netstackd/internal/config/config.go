package config

import (
	"math"
	"net/netip"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/serve"
	"netstackd/hooks/faults"
	"netstackd/hooks/filter"
	"netstackd/hooks/guard"
	"netstackd/hooks/respond"
	"netstackd/hooks/trace"
	"netstackd/link"
	"netstackd/stack"
)

// Config is what netstackd runs with, checked.
type Config struct {
	// Addresses are those that netstack owns, in the order given.
	Addresses []netip.Prefix
	// Hosts are the addresses that were named for the kernel's side of the link, in
	// the order given, and Kernel is what that gets; a device that is prepared gets none.
	Hosts  []netip.Addr
	Kernel []link.Address

	TUN string
	// TUNFD is the open descriptor of the device, which is then used instead of TUN;
	// 0 if none is given.
	TUNFD int
	// NoConfigure says that somebody else makes and configures the device TUN.
	NoConfigure bool
	// MTU in bytes, of a device that is made here.
	MTU int

	// Offload says whether super-segments pass between kernel and netstack.
	Offload link.Offload
	// BusyPoll is how long at most the idle device is polled before blocking.
	BusyPoll time.Duration

	// Services that run inside netstack.
	Services []string

	// Connections is how many TCP connections each service has at a time.
	Connections int

	// Total is how many of those all services have; 0 is twice Connections.
	Total int

	// HalfOpen is how many connections of each service may be half open.
	HalfOpen int

	// PerSource is how many of those, of all services, one source has; 0 is no limit.
	PerSource int
	// IdleTimeout is how long a service's connection may make no progress.
	IdleTimeout time.Duration
	// MemoryLimit in bytes is what the Go runtime tries to stay under, unless the
	// environment's GOMEMLIMIT says otherwise.
	MemoryLimit int64

	// Respond is who answers echo requests, but for the addresses of RespondFor:
	// netstack, byhand, fifo:DIR, exec:COMMAND, mcp or mcp:stdio.
	Respond    string
	RespondFor map[netip.Addr]string
	// Shadow are whom of netstack and byhand to score where they do not answer.
	Shadow []string
	// SendBadReplies sends what fifo, exec and mcp answer wrongly.
	SendBadReplies bool
	// ExecUser is whom exec commands run as; empty means nobody, if the daemon is
	// root.
	ExecUser string

	Guard guard.Mode
	// ExitOnPanic says to end when netstack has panicked, not to rebuild it.
	ExitOnPanic bool
	// Quarantine is the file that the packets are added to of which netstack panicked;
	// empty if they go to the log.
	Quarantine string

	// Trace is empty if tracing is off.
	Trace       trace.Level
	TraceFormat trace.Format
	// TraceOut is a file's name, or "-" for standard output, or "" for
	// standard error, where the trace goes when the capture has the other.
	TraceOut string

	// Pcapng is a capture's file name, or "-" for standard output; empty if
	// nothing is captured. PcapngRotate is the size in bytes past which the
	// next file is begun; 0 means one file.
	Pcapng       string
	PcapngRotate int64

	// Filter says which packets are traced and captured; nil means all.
	Filter *filter.Filter
	// Sample is how many of those there are to each one that is, at least 1.
	Sample uint64

	// Inject are the faults to be made, on purpose.
	Inject []faults.Rule

	// HTTP is where the HTTP server listens; the zero Address is nowhere.
	// HTTPTokenFile names the file with the token that its clients must show,
	// empty if they need none.
	HTTP          serve.Address
	HTTPTokenFile string
	// Captures is how many may follow the packets over HTTP at a time.
	Captures int

	// Contain says to give up, once the host is up, what it does not need. User is
	// whom to become before that; empty: nobody else.
	Contain bool
	User    string

	LogLevel logrus.Level
	LogJSON  bool

	// File is where the configuration was read from, beside the flags and the
	// environment; empty if there is no file.
	File string

	// started names who answered when the host started, and so is reached ever since; nil
	// if that is Answerers.
	started []string

	// given holds what was set, by name; of what was given several times, the first.
	given map[string]value

	// Version asks for the version and nothing else, CheckOnly for the effective
	// configuration.
	Version   bool
	CheckOnly bool
}

// The bounds of -mtu. IPv6 needs 1280 (RFC 8200 §5); IPv4 could do with 68
// (RFC 791 §3.2), but not the services. The upper bound is what leaves a
// super-segment within 65,535 bytes on every path.
const (
	minMTU     = 576
	minMTUIPv6 = 1280
	maxMTU     = 65520
)

// The bounds of -tun-fd: what the standard streams leave of the kernel's numbers
// (fs.nr_open of Documentation/admin-guide/sysctl/fs.rst, at most).
const (
	firstFD = 3
	maxFD   = math.MaxInt32
)

// maxConnections bounds -connections: no more have a port to come from.
const maxConnections = 1_000_000

// maxHalfOpen bounds -half-open: what SYN cookies are for begins long before that.
const maxHalfOpen = 65535

// The bounds of -idle-timeout, and the bounds and default of -memory-limit: less than
// the least leaves the collector no room, and it would do nothing but collect.
const (
	minIdle            = time.Second
	maxIdle            = 24 * time.Hour
	minMemoryLimit     = 64 << 20
	defaultMemoryLimit = 1 << 30
)

// maxBusyPoll bounds -busy-poll: longer than a tick of the kernel, it only burns.
const maxBusyPoll = 10 * time.Millisecond

// Prepared reports whether somebody else makes and configures the device.
func (c *Config) Prepared() bool { return c.NoConfigure || c.TUNFD != 0 }

// defaults returns the configuration that settings change.
func defaults() Config {
	return Config{
		TUN:         "netstack0",
		MTU:         1500,
		Offload:     link.OffloadAuto,
		BusyPoll:    50 * time.Microsecond,
		Services:    stack.ServiceNames(),
		Connections: stack.DefaultConnections,
		HalfOpen:    stack.DefaultHalfOpen,
		IdleTimeout: stack.DefaultIdle,
		Captures:    DefaultCaptures,
		MemoryLimit: defaultMemoryLimit,
		Respond:     respond.Netstack,
		Guard:       guard.Mode{On: true},
		Contain:     true,
		TraceFormat: trace.Text,
		TraceOut:    "-",
		Sample:      1,
		LogLevel:    logrus.InfoLevel,
	}
}
