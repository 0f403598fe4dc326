package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"netstackd/cmd/netstackconform/internal/suite"
)

// mostShown is how many packets a file shows whole, and mostHex how many bytes
// of each.
const (
	mostShown = 60
	mostHex   = 1500
)

// WriteDeviations writes a Markdown file for each deviation of netstack into a
// folder, which it makes, and returns their names: what goes in and comes out in
// hex, what the RFC asks for, and where in gVisor it is decided.
func (r *Report) WriteDeviations(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make folder for deviations: %w", err)
	}
	var names []string
	for _, h := range r.Hosts {
		if h.Host != r.Netstack {
			continue
		}
		for i, one := range h.Results {
			if !wrong(one.Status) {
				continue
			}
			name := filepath.Join(dir, one.Case.ID+".md")
			if err := os.WriteFile(name, r.deviation(i, one), 0o644); err != nil {
				return names, fmt.Errorf("write deviation: %w", err)
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// deviation is one file.
func (r *Report) deviation(i int, one suite.Result) []byte {
	var b bytes.Buffer
	c := one.Case
	verb := "deviates from"
	if one.Status == suite.Killed {
		verb = "dies of a case of"
	}
	fmt.Fprintf(&b, "# netstack %s %s (%s)\n\n", verb, c.RFC, c.ID)
	fmt.Fprintf(&b, "What the RFC asks for (%s): %s. gVisor's netstack, %s, does otherwise.\n\n", c.Requirement, c.Title, r.GVisor)
	fmt.Fprintf(&b, "- Observed: %s\n", one.Reason)
	for n, st := range c.Steps {
		fmt.Fprintf(&b, "- Wanted after step %d: %s\n", n+1, st.Want.Text)
	}
	if c.Place != "" {
		fmt.Fprintf(&b, "- Decided in: `pkg/tcpip/%s`\n", strings.ReplaceAll(c.Place, " ", "`, `"))
	}
	fmt.Fprintf(&b, "\n## Reproduce\n\nNIC with %s and %s, forwarding off, TCP and UDP ports %d (echo) and %d (discard) open, and TCP port %d (a page). "+
		"Whole IP packets, in hex, > to the host, < from it; what the host chooses itself is another each time:\n\n```\n%s```\n\n"+
		"Or `netstackconform -case %s -v`, which shows them byte by byte.\n",
		suite.Prefix4, suite.Prefix6, suite.EchoPort, suite.DiscardPort, suite.PagePort, hexDump(one.Events), c.ID)
	fmt.Fprintf(&b, "\n## Other hosts on the same packets\n\n")
	for _, h := range r.Hosts {
		if h.Host == r.Netstack || h.Skipped != "" {
			continue
		}
		got := h.Results[i]
		fmt.Fprintf(&b, "- %s: %s", h.Host, got.Status)
		if got.Reason != "" {
			fmt.Fprintf(&b, ": %s", got.Reason)
		}
		fmt.Fprintln(&b)
	}
	return b.Bytes()
}

// hexDump is packets, one a line: > to the host, < from it.
func hexDump(events []suite.Event) string {
	var b strings.Builder
	for i, e := range events {
		if i == mostShown {
			fmt.Fprintf(&b, "… %d more packets\n", len(events)-i)
			break
		}
		sign, cut := "<", ""
		if e.ToHost {
			sign = ">"
		}
		packet := e.Packet
		if len(packet) > mostHex {
			packet, cut = packet[:mostHex], "…"
		}
		fmt.Fprintf(&b, "%s %s%s\n", sign, packet, cut)
	}
	return b.String()
}
