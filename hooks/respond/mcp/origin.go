package mcp

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// checkHost refuses requests of web pages that have made a browser take this
// host for theirs: their name, which is in the request, leads here since their
// owner changed it (DNS rebinding). An address cannot be changed so, and
// localhost is nobody's. A unix socket no browser reaches.
func checkHost(r *http.Request) error {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && a.Network() == "unix" {
		return nil
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "localhost" {
		return nil
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return fmt.Errorf("the Host header is %q: ask by address, or as localhost", r.Host)
	}
	return nil
}

// crossOrigin refuses requests of web pages from elsewhere. Whoever is no
// browser sends neither header that it looks at.
var crossOrigin = http.NewCrossOriginProtection()

// checkOrigin refuses what a browser sends in the name of a page of another
// host.
func checkOrigin(r *http.Request) error {
	if crossOrigin.Check(r) != nil {
		return fmt.Errorf("the Origin header is %q: no other host's web page may ask", r.Header.Get("Origin"))
	}
	return nil
}
