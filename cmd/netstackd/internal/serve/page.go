package serve

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// refusePages keeps web pages from what is behind next, where no token does: a
// browser on this machine reaches loopback, whoever's page it shows. The paths that
// tell nothing are left to them, see open.
func refusePages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case open[r.URL.Path]:
		case !isOurs(r.Host):
			// Its name leads here since its owner changed it (DNS rebinding), so that the
			// browser takes this host for theirs and lets the page read.
			http.Error(w, fmt.Sprintf("the Host header is %.60q: ask by address, or as localhost; by a name only with -http-token-file", r.Host), http.StatusForbidden)
			return
		case r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate":
			// It could not read the answer, but have it made (Fetch Metadata Request
			// Headers §2.3). A link to here may be followed.
			http.Error(w, "no other host's web page may ask", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isOurs reports whether a Host header is one that no page of others can have: an
// address, which nobody can change, or localhost, which is nobody's. Browsers always
// send one; who sends none is no browser.
func isOurs(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "" || strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}
