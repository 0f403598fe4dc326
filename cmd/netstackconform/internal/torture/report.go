package torture

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Report is what all ways came to.
type Report struct {
	Seed uint64     `json:"seed"`
	Ways []*Outcome `json:"ways"`
}

// Unwell counts the ways that something was found on.
func (r *Report) Unwell() (n int) {
	for _, o := range r.Ways {
		if !o.OK() {
			n++
		}
	}
	return n
}

// WriteJSON writes everything.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes what a reader wants to know.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, o := range r.Ways {
		o.text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// mostCrash is how much is kept of what a process said when it died, in bytes.
const mostCrash = 4 << 10

// Dead is the outcome of a way whose process died.
func Dead(c Config, err error, said string) *Outcome {
	o := c.outcome()
	if at := strings.Index(said, "panic: "); at >= 0 {
		said = said[at:]
	}
	o.wrong("the process died: %v\n%s", err, said[:min(len(said), mostCrash)])
	return o
}

func (o *Outcome) text(b *strings.Builder) {
	verdict := "well"
	if !o.OK() {
		verdict = "NOT WELL"
	}
	rate := 0.0
	if o.Took > 0 {
		rate = float64(o.Sent) / o.Took.Seconds()
	}
	fmt.Fprintf(b, "%s: %s\n", o.Name, verdict)
	fmt.Fprintf(b, "  %d packets in %v, %.0f/s, seed %d part %d; %d connections opened, %d pings between, all answered\n",
		o.Sent, o.Took.Round(100*time.Millisecond), rate, o.Seed, o.Part, o.Opened, o.Pings)
	table(b, "kinds", o.Kinds)
	table(b, "fates", o.Counts.Fates)
	table(b, "dropped, guarded or mended", o.Counts.Drops)
	table(b, "by the link", o.Counts.Link)
	if k := o.Kernel; k != nil {
		fmt.Fprintf(b, "  the kernel: %d read from the device, %d dropped before; %d of them its own\n", k.Passed, k.Dropped, k.Own)
		table(b, "refused by the kernel, and not sent", k.Refused)
	}
	c := o.Counts.Compare
	fmt.Fprintf(b, "  compared: %d match, %d differ, %d missing, %d unexpected, %d unjudged\n", c.Match, c.Differ, c.Missing, c.Unexpected, c.Unjudged)
	listed := map[string]uint64{}
	for _, f := range o.Listed {
		listed[f.Name] = f.Count
	}
	table(b, "listed by the case", listed)
	if o.Mended > 0 {
		fmt.Fprintf(b, "  of the guard's own mends, and taken out again: %d\n", o.Mended)
	}
	if len(o.Samples) > 0 {
		first, most := o.Samples[0], Sample{}
		for _, s := range o.Samples {
			most.Heap, most.Resident, most.Goroutines = max(most.Heap, s.Heap), max(most.Resident, s.Resident), max(most.Goroutines, s.Goroutines)
		}
		fmt.Fprintf(b, "  heap %d MiB before, %d at most, %d after; resident %d, %d, %d MiB; goroutines %d, %d, %d\n",
			first.Heap>>20, most.Heap>>20, o.After.Heap>>20, first.Resident>>20, most.Resident>>20, o.After.Resident>>20,
			first.Goroutines, most.Goroutines, o.After.Goroutines)
		if o.Settled > 0 {
			fmt.Fprintf(b, "  that is, %v after\n", o.Settled.Round(time.Second))
		}
	}
	for _, f := range o.Findings {
		fmt.Fprintf(b, "  FOUND %d times, and no case lists it: %s\n", f.Count, f.Name)
		for _, line := range []struct{ name, text string }{{"", f.Detail}, {"asked ", f.Request}, {"said ", f.Reply}, {"by hand ", f.Hand}} {
			if line.text != "" {
				fmt.Fprintf(b, "    %s%s\n", line.name, line.text)
			}
		}
	}
	for _, wrong := range o.Wrong {
		fmt.Fprintf(b, "  WRONG: %s\n", wrong)
	}
}

// table writes counts in a row, most first.
func table(b *strings.Builder, name string, counts map[string]uint64) {
	keys := slices.SortedFunc(maps.Keys(counts), func(x, y string) int {
		if counts[x] != counts[y] {
			if counts[x] > counts[y] {
				return -1
			}
			return 1
		}
		return strings.Compare(x, y)
	})
	var parts []string
	for _, k := range keys {
		if counts[k] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", k, counts[k]))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(b, "  %s: %s\n", name, strings.Join(parts, ", "))
	}
}
