package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"netstackd/stack"
)

const (
	// shownConnections are how many connections are shown if nobody says, and
	// maxConnections how many at most.
	shownConnections = 1000
	maxConnections   = 100_000
	// listing is how many lists are made at a time.
	listing = 4
)

// A lister knows the sockets inside netstack. It is *stack.Host.
type lister interface {
	Listeners() []stack.Listener
	Connections(limit int, see func(stack.Connection)) stack.ConnectionTotals
}

// connectionsHandler shows what ss would show of the sockets inside netstack: an
// object, of which the connections are written while they are looked at, each on a
// line of its own.
func connectionsHandler(host lister) http.Handler {
	turns := make(chan struct{}, listing)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit, err := readLimit(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if r.Method == http.MethodHead {
			return
		}
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, fmt.Sprintf("%d lists are being made, which is the most", listing), http.StatusServiceUnavailable)
			return
		}
		// A client that is gone by now is its own affair.
		_ = writeConnections(w, host, limit)
	})
}

// readLimit reads how many connections to show.
func readLimit(r *http.Request) (limit int, err error) {
	limit = shownConnections
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, fmt.Errorf("read query: %w", err)
	}
	for name, values := range query {
		if name != "limit" {
			return 0, fmt.Errorf("unknown parameter %.40q: expected limit", name)
		}
		limit, err = strconv.Atoi(values[0])
		if err != nil || len(values) > 1 || limit < 0 || limit > maxConnections {
			return 0, fmt.Errorf("limit=%.40q: expected one number of connections, from 0 to %d", values[0], maxConnections)
		}
	}
	return limit, nil
}

// writeConnections writes the object.
func writeConnections(to io.Writer, host lister, limit int) error {
	w := bufio.NewWriterSize(to, 32<<10) // it keeps its first error for Flush
	put := func(before string, v any) {
		text, _ := json.Marshal(v) // names, numbers and addresses: they always encode
		w.WriteString(before)
		w.Write(text)
	}
	put(`{"listeners":`, host.Listeners())
	shown, before := 0, ",\n\"connections\":[\n"
	totals := host.Connections(limit, func(c stack.Connection) {
		put(before, c)
		shown, before = shown+1, ",\n"
	})
	if shown == 0 {
		w.WriteString(",\n\"connections\":[")
	}
	total := uint64(0)
	for _, n := range totals.States {
		total += n
	}
	put("],\n\"shown\":", shown)
	put(`,"total":`, total)
	put(",\n\"states\":", totals.States)
	w.WriteString("}\n")
	return w.Flush()
}
