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

// WriteText writes the report for people.
func (s *Soak) WriteText(w io.Writer) error {
	var out bytes.Buffer
	m := s.Machine
	fmt.Fprintf(&out, "%s, %d cores, Linux %s, %s\n", m.CPU, m.Cores, m.Kernel, m.Go)
	fmt.Fprintf(&out, "%s, %v under load, seed %d, %s of faults; took %v\n%s\n\n", s.Date.Format(time.RFC3339),
		time.Duration(s.Run.Minutes*float64(time.Minute)), s.Run.Seed, plural(s.Run.Rounds, "round"), s.Run.Took.Round(100*time.Millisecond), s.Run.Netstackd)
	s.writeLoads(&out)
	s.writeFaults(&out)
	s.writeJudged(&out)
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nnetstackd\tcold\twarm\tpeak\tend\tend / cold\tend / warm")
	byWarm := false
	for _, l := range s.Levels {
		warm, ratio := "–", "–"
		if l.Warm > 0 {
			byWarm = true
			warm, ratio = l.text(l.Warm), fmt.Sprintf("%.2f", l.End/l.Warm)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%.2f\t%s\n", l.Name, l.text(l.Baseline), warm, l.text(l.Peak), l.text(l.End), l.End/max(l.Baseline, 1e-9), ratio)
	}
	_ = table.Flush() // a buffer takes everything
	fmt.Fprintln(&out, "cold is at rest before any fault, warm at rest after the first round of them, if there was another; each may end a fifth above")
	if byWarm {
		fmt.Fprintln(&out, "memory is judged by warm, that it does not grow from round to round; all else by cold")
	} else {
		fmt.Fprintln(&out, "all is judged by cold: there was no more than one round")
	}
	if len(s.Log) > 0 {
		fmt.Fprintln(&out, "\nits log warned")
		for _, line := range slices.Sorted(maps.Keys(s.Log)) {
			fmt.Fprintf(&out, "%6d  %s\n", s.Log[line], line)
		}
	}
	for _, line := range s.Omitted {
		fmt.Fprintf(&out, "\nnot done: %s\n", line)
	}
	fmt.Fprintln(&out)
	for _, p := range s.Problems {
		fmt.Fprintf(&out, "PROBLEM  %s\n", p)
	}
	if len(s.Problems) == 0 {
		fmt.Fprintln(&out, "passed: every loss is explained, nothing differs, and all is back where it is judged by")
	} else {
		fmt.Fprintf(&out, "FAILED: %s; -seed %d has the faults in the same order\n", plural(len(s.Problems), "problem"), s.Run.Seed)
	}
	if _, err := out.WriteTo(w); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (s *Soak) writeLoads(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "load\tsent\tanswered\tlate\tlost\tin a fault\tby the kernel\tunexplained\tslowest\tGiB")
	for _, l := range s.Loads {
		size := "–"
		if l.Bytes > 0 {
			size = fmt.Sprintf("%.2f", float64(l.Bytes)/(1<<30))
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", l.Name, l.Sent, l.Answered, l.Late, l.Lost,
			l.ByFault, l.ByKernel, l.Unexplained, micros(l.Slowest*1e6), size)
	}
	_ = table.Flush() // a buffer takes everything
	fmt.Fprintf(out, "the kernel dropped %s because the device's queue was full\n", plural(int(s.Kernel), "packet"))
}

func (s *Soak) writeFaults(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nfault\ttimes\tslowest until well\tmay cost\twhat")
	for _, f := range s.Faults {
		costs, what := "nothing", "–"
		if len(f.Costs) > 0 {
			costs = strings.Join(f.Costs, ", ")
		}
		if f.Unit != "" {
			what = fmt.Sprintf("%d %s", f.Amount, f.Unit)
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\n", f.Name, f.Times, micros(f.Slowest*1e6), costs, what)
	}
	_ = table.Flush() // a buffer takes everything
}

func (s *Soak) writeJudged(out io.Writer) {
	j := &s.Judged
	fmt.Fprintf(out, "\nnetstackd's account: %d packets, %d match, %d differ, %d missing, %d unexpected, %d unjudged; %d bad checksums; %d lines of the trace lost\n",
		j.Packets, j.Match, j.Differ, j.Missing, j.Unexpected, j.Unjudged, j.Bad, j.TraceLost)
	for _, drops := range []map[string]uint64{j.Drops, j.Elsewhere} {
		for _, reason := range slices.Sorted(maps.Keys(drops)) {
			fmt.Fprintf(out, "%10d  %s\n", drops[reason], reason)
		}
	}
}

// text writes a value of the level.
func (l *SoakLevel) text(value float64) string {
	if l.Unit == "" {
		return fmt.Sprintf("%.0f", value)
	}
	return fmt.Sprintf("%.1f %s", value, l.Unit)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
