package report

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteTable writes the league table.
func (r *Race) WriteTable(w io.Writer) error {
	var out bytes.Buffer
	m := r.Machine
	fmt.Fprintf(&out, "%s, %d cores, Linux %s, %s\n", m.CPU, m.Cores, m.Kernel, m.Go)
	fmt.Fprintf(&out, "%s, %d rounds, interleaved, each of at most %d pings over IPv4 and as many over IPv6, %v apart; took %v\n",
		r.Date.Format(time.RFC3339), r.Run.Rounds, r.Run.Pings, r.Run.Interval, r.Run.Took.Round(100*time.Millisecond))
	fmt.Fprint(&out, "round trips as ping has them; the first ping of each, which may find its answerer starting, is counted,\nbut is in none of the times; right first time: as netstackd has graded\n\n")
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "answerer\tmedian\tIPv4\tIPv6\tp90\tp99\tmax\tpings\tanswered\tright first time")
	var below []string
	for i := range r.Answerers {
		a := &r.Answerers[i]
		cells := []string{a.Name}
		for _, t := range []*Times{a.Times, a.IPv4, a.IPv6} {
			if t == nil {
				cells = append(cells, "–")
			} else {
				cells = append(cells, micros(t.P50))
			}
		}
		if a.Published != "" {
			// As many cells as the others have, or the columns end here.
			fmt.Fprintf(table, "%s\t–\t–\t–\t–\t–\tpublished, not measured here: %s\n", strings.Join(cells, "\t"), a.Published)
			continue
		}
		if t := a.Times; t != nil {
			cells = append(cells, micros(t.P90), micros(t.P99), micros(t.Max))
		} else {
			cells = append(cells, "–", "–", "–")
		}
		right := "–"
		if a.Card != nil {
			right = fmt.Sprintf("%d of %d", a.Card.RightFirstTime, a.Card.Requests)
			for _, field := range slices.Sorted(maps.Keys(a.Card.Wrong)) {
				below = append(below, fmt.Sprintf("%s: wrong in %s: %d", a.Name, field, a.Card.Wrong[field]))
			}
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\n", strings.Join(cells, "\t"), a.Requests, a.Answered, right)
		if a.Error != "" {
			below = append(below, a.Name+": "+a.Error)
		}
		for _, note := range a.Notes {
			below = append(below, a.Name+": "+note)
		}
	}
	_ = table.Flush() // a buffer takes everything
	if len(below) > 0 {
		fmt.Fprintln(&out)
	}
	for _, line := range below {
		fmt.Fprintln(&out, line)
	}
	if _, err := out.WriteTo(w); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// micros writes microseconds with their unit: "4.73 µs", "42.6 s".
func micros(us float64) string {
	switch {
	case us < 1e3:
		return digits(us) + " µs"
	case us < 1e6:
		return digits(us/1e3) + " ms"
	}
	return digits(us/1e6) + " s"
}
