package report

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteTable writes a heading, and for each group a table with a row a path.
func (r *Report) WriteTable(w io.Writer) error {
	out := bufio.NewWriter(w)
	r.heading(out)
	for i := range r.Groups {
		// What is to be said of a work is said once, below its first figure.
		first := i == 0 || r.Groups[i-1].Work != r.Groups[i].Work
		r.Groups[i].table(out, first)
	}
	met, missed, open := r.tally()
	if met+missed+open > 0 {
		fmt.Fprintf(out, "\ntargets: %d met, %d missed", met, missed)
		if open > 0 {
			fmt.Fprintf(out, ", %d not judged", open)
		}
		fmt.Fprintln(out)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func (r *Report) heading(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d cores, %s MiB, Linux %s, %s\n", m.CPU, m.Cores, thousands(m.Memory>>20), m.Kernel, m.Go)
	var modules []string
	for path, version := range m.Modules {
		modules = append(modules, path+" "+version)
	}
	slices.Sort(modules)
	for _, module := range modules {
		fmt.Fprintln(w, module)
	}
	fmt.Fprintf(w, "%s, %d rounds of %v after %v, interleaved; took %v\n",
		r.Date.Format(time.RFC3339), r.Run.Rounds, r.Run.Length, r.Run.Warm, r.Run.Took.Round(100*time.Millisecond))
	fmt.Fprint(w, "median [least, most]; CPU of the host, and with the load generator; memory resident, and at its\npeak, of the host's process: what the kernel holds for it is not in it\n")
}

func (g *Group) table(w io.Writer, notes bool) {
	in, sense := "", "more is better"
	if g.Unit != "" {
		in = " in " + g.Unit
	}
	if g.LessIsBetter {
		sense = "less is better"
	}
	fmt.Fprintf(w, "\n%s (%s)\n%s%s, %s\n", g.Title, g.Work, g.Figure, in, sense)
	var aligned bytes.Buffer
	table := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  path\tmedian\tspread\tCPU\tMiB\t× kernel\t× best\ttarget")
	var below []string
	for i := range g.Rows {
		row := &g.Rows[i]
		if !row.valid() {
			fmt.Fprintf(table, "  %s\tfailed\t\t\t\t\t\t%s\n", row.Path, verdicts(row.Verdicts))
			below = append(below, fmt.Sprintf("  %s: %s", row.Path, row.Error))
		} else {
			cells := []string{
				row.Path, digits(row.Spread.Median),
				fmt.Sprintf("[%s, %s]", digits(row.Spread.Min), digits(row.Spread.Max)),
				row.Cost.cpu(), row.Cost.memory(), ratio(row.ToKernel), ratio(row.ToBest), verdicts(row.Verdicts),
			}
			fmt.Fprintf(table, "  %s\n", strings.Join(cells, "\t"))
		}
		if row.TraceLost != nil {
			below = append(below, fmt.Sprintf("  %s: %.2f %% of the trace lost", row.Path, 100**row.TraceLost))
		}
		for _, note := range row.Notes {
			below = append(below, fmt.Sprintf("  %s: %s", row.Path, note))
		}
	}
	_ = table.Flush() // a buffer takes everything
	for line := range strings.Lines(aligned.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
	if !notes {
		return
	}
	for _, line := range below {
		fmt.Fprintln(w, line)
	}
}

// cpu is "0.31, 0.62 s/GiB" or "12, 25 µs/op".
func (c *Cost) cpu() string {
	switch {
	case c == nil || c.Per == "":
		return "–"
	case c.Per == "GiB":
		return fmt.Sprintf("%s, %s s/GiB", digits(c.Server), digits(c.Total))
	}
	return fmt.Sprintf("%s, %s µs/%s", digits(1e6*c.Server), digits(1e6*c.Total), c.Per)
}

func (c *Cost) memory() string {
	if c == nil {
		return "–"
	}
	return fmt.Sprintf("%d, %d", (c.Resident+1<<19)>>20, (c.Peak+1<<19)>>20)
}

func ratio(q *float64) string {
	if q == nil {
		return "–"
	}
	return digits(*q)
}

// verdicts is "at least 0.8 of kernel: 0.41 missed".
func verdicts(all []Verdict) string {
	var words []string
	for _, v := range all {
		switch {
		case v.Value == nil:
			words = append(words, v.Target+": not judged")
		case v.Met:
			words = append(words, fmt.Sprintf("%s: %s met", v.Target, digits(*v.Value)))
		default:
			words = append(words, fmt.Sprintf("%s: %s MISSED", v.Target, digits(*v.Value)))
		}
	}
	return strings.Join(words, "; ")
}

// tally counts the targets met, missed, and not judged.
func (r *Report) tally() (met, missed, open int) {
	for i := range r.Groups {
		for _, row := range r.Groups[i].Rows {
			for _, v := range row.Verdicts {
				switch {
				case v.Value == nil:
					open++
				case v.Met:
					met++
				default:
					missed++
				}
			}
		}
	}
	return met, missed, open
}

// digits writes three digits, and all of those before the point.
func digits(f float64) string {
	switch {
	case f == 0:
		return "0"
	case f < 0:
		return "-" + digits(-f)
	case f >= 99.95:
		return thousands(uint64(f + 0.5))
	case f >= 9.995:
		return fmt.Sprintf("%.1f", f)
	case f >= 0.0995:
		return fmt.Sprintf("%.2f", f)
	}
	return fmt.Sprintf("%.3g", f)
}

// thousands writes n with a comma each three digits.
func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
