package serve

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// maxSocketPath is what fits into the address of a unix socket (unix(7)), its
// last zero byte left out.
const maxSocketPath = 107

// An Address is where the server listens. The zero Address is nowhere.
type Address struct {
	// Network is "tcp" or "unix".
	Network string
	// Address is an IP address and a port, or a path.
	Address string
}

// ParseAddress reads an address as -http has it: 127.0.0.1:8080,
// [::1]:8080, localhost:8080, :8080 for every address of the machine, or
// unix:PATH. An error says what was expected.
func ParseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		switch {
		case path == "":
			return Address{}, errors.New("expected a path behind unix:, as in unix:/run/netstackd.sock")
		case path[0] == '@' || strings.ContainsRune(path, 0):
			// Everybody on the machine may connect to such a one.
			return Address{}, errors.New("an abstract socket has no owner: give a path, as in unix:/run/netstackd.sock")
		case len(path) > maxSocketPath:
			return Address{}, fmt.Errorf("the path of a socket may have %d bytes, this one has %d", maxSocketPath, len(path))
		}
		return Address{Network: "unix", Address: path}, nil
	}
	const expected = "expected an address of this machine and a port, as in 127.0.0.1:8080, or unix:PATH"
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Address{}, errors.New(expected)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Address{}, fmt.Errorf("%s; a port is a number from 0 to 65535", expected)
	}
	if host == "localhost" {
		// Not what a resolver makes of it, which may be elsewhere.
		host = "127.0.0.1"
	}
	if host != "" {
		if _, err := netip.ParseAddr(host); err != nil {
			return Address{}, errors.New(expected)
		}
	}
	return Address{Network: "tcp", Address: net.JoinHostPort(host, port)}, nil
}

// Local reports whether only this machine reaches the address.
func (a Address) Local() bool {
	if a.Network == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(a.Address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// String is the address as ParseAddress reads it.
func (a Address) String() string {
	if a.Network == "unix" {
		return "unix:" + a.Address
	}
	return a.Address
}
