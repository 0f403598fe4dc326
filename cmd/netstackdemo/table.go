package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"
)

// result is one row of the table.
type result struct {
	what   string
	figure string
	err    error // nil if the part worked
}

// failed reports whether any part did not work, or none was tried.
func (s *show) failed() bool {
	for _, r := range s.results {
		if r.err != nil {
			return true
		}
	}
	return len(s.results) == 0
}

// print writes the trace of the pings and the table.
func (s *show) print(w io.Writer, took time.Duration) {
	if len(s.blocks) > 0 {
		fmt.Fprintf(w, "What netstackd says about the pings:\n\n%s\n\n", strings.Join(s.blocks, "\n"))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "what\tresult\tfigure")
	for _, r := range s.results {
		if r.err != nil {
			fmt.Fprintf(table, "%s\tFAILED\t%v\n", r.what, r.err)
			continue
		}
		fmt.Fprintf(table, "%s\tok\t%s\n", r.what, r.figure)
	}
	if s.failed() {
		fmt.Fprintf(table, "the whole demo\tFAILED\t%.1f s\n", took.Seconds())
	} else {
		fmt.Fprintf(table, "the whole demo\tok\t%.1f s\n", took.Seconds())
	}
	// The writer is a terminal or a pipe: if it fails nobody reads the table.
	_ = table.Flush()
}

// milliseconds prints a duration for people.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.3f ms", float64(d)/float64(time.Millisecond))
}

// familyName is IPv4 or IPv6.
func familyName(addr netip.Addr) string {
	if addr.Is4() {
		return "IPv4"
	}
	return "IPv6"
}
