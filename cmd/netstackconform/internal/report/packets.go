package report

import (
	"fmt"
	"io"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/wire"
)

// WritePackets writes each case with its packets: in hex, and with verbose in
// words, byte by byte.
func (r *Report) WritePackets(w io.Writer, verbose bool) error {
	for i, c := range r.Cases {
		if _, err := fmt.Fprintf(w, "%s: %s (%s, %s)\n", c.ID, c.Title, c.Requirement, c.RFC); err != nil {
			return err
		}
		for n, st := range c.Steps {
			if _, err := fmt.Fprintf(w, "step %d wants %s\n", n+1, st.Want.Text); err != nil {
				return err
			}
		}
		for _, h := range r.Hosts {
			if h.Skipped != "" {
				continue
			}
			if err := writeResult(w, h.Host, h.Results[i], verbose); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeResult(w io.Writer, host string, one suite.Result, verbose bool) error {
	verdict := string(one.Status)
	if one.Reason != "" {
		verdict += ": " + one.Reason
	}
	if _, err := fmt.Fprintf(w, "\n%s: %s\n", host, verdict); err != nil {
		return err
	}
	for _, e := range one.Events {
		who := "the host"
		if e.ToHost {
			who = "the case"
		}
		if _, err := fmt.Fprintf(w, "  step %d, %s sends %s\n", e.Step, who, e.Packet); err != nil {
			return err
		}
		if !verbose {
			continue
		}
		if err := wire.Explain(w, e.Packet); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}
