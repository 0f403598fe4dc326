package suite

import (
	"fmt"
	"net/netip"
)

// The host's addresses, and those of the kernel at the near end of the link,
// from which no case sends: it drops what is addressed to another.
const (
	Host4, Host6 = "172.16.0.2", "fd00:172::2"
	Near4, Near6 = "172.16.0.1", "fd00:172::1"
	// Broadcast4 is the subnet's.
	Broadcast4 = "172.16.255.255"
)

// The host's addresses with their prefixes.
var (
	Prefix4 = netip.MustParsePrefix(Host4 + "/16")
	Prefix6 = netip.MustParsePrefix(Host6 + "/64")
)

// The ports that every host listens on, for TCP and UDP alike: echo (RFC 862)
// and discard (RFC 863). On PagePort, over TCP alone, it listens for the request
// of a page, after which the host is the first to close. All others are closed.
const (
	EchoPort    = 7
	DiscardPort = 9
	PagePort    = 80
	ClosedPort  = 4242
)

var (
	sentinel4 = "172.16.254.254"
	near      = map[netip.Addr]bool{netip.MustParseAddr(Near4): true, netip.MustParseAddr(Near6): true}
)

// MaxCases is how many cases there may be, tried MaxTries times each.
const (
	MaxCases = 2000
	MaxTries = 30
)

// peers are the addresses that case i, from 0, has at the far end, when it is
// tried for the nth time, from 0, and one beyond, by which it may have come.
func peers(i, try int) (v4, v6, via4 string) {
	i += 1 + try%MaxTries*MaxCases
	host := fmt.Sprintf("%d.%d", 1+i/250, 1+i%250)
	return "172.16." + host, fmt.Sprintf("fd00:172::1:%x", i), "10.1." + host
}
