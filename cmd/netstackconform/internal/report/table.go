package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"netstackd/cmd/netstackconform/internal/suite"
)

// marks are the cells of the table.
var marks = map[suite.Status]string{
	suite.Pass:      "ok",
	suite.Deviate:   "DEVIATES",
	suite.Killed:    "KILLED",
	suite.NoOpinion: "-",
	suite.NotRun:    "not run",
}

// mark is the cell of a result.
func mark(one suite.Result) string {
	if one.Live && one.Status == suite.Pass {
		return "ok live"
	}
	return marks[one.Status]
}

// WriteTable writes the cases by group, a column a host, below each case what
// was otherwise at whom, and at the end how many each host passed.
func (r *Report) WriteTable(w io.Writer) error {
	t := &table{w: w, report: r}
	for _, h := range r.Hosts {
		if h.Skipped == "" {
			t.shown = append(t.shown, h)
		}
	}
	for _, c := range r.Cases {
		t.id = max(t.id, len(c.ID))
		t.rfc = max(t.rfc, utf8.RuneCountInString(c.RFC))
	}
	group := ""
	for i, c := range r.Cases {
		if c.Group != group {
			if group != "" {
				t.print("\n")
			}
			group = c.Group
			t.heading(group)
		}
		t.row(i, c)
	}
	t.summary()
	return t.err
}

type table struct {
	w      io.Writer
	report *Report
	// shown are the hosts that were run.
	shown   []*suite.HostResult
	id, rfc int
	err     error
}

func (t *table) print(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

// cell is the width of a host's column.
func cell(h *suite.HostResult) int { return max(len(h.Host), len(marks[suite.Deviate])) }

// pad fills a text with blanks on its right. Fprintf counts bytes.
func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s)))
}

func (t *table) line(s string) { t.print("%s\n", strings.TrimRight(s, " ")) }

func (t *table) heading(group string) {
	s := pad(group, 2+t.id+2+6+2+t.rfc)
	for _, h := range t.shown {
		s += "  " + pad(h.Host, cell(h))
	}
	t.line(s)
}

func (t *table) row(i int, c *suite.Case) {
	s := "  " + pad(c.ID, t.id) + "  " + pad(string(c.Requirement), 6) + "  " + pad(c.RFC, t.rfc)
	var reasons []string
	who := map[string][]string{}
	for _, h := range t.shown {
		one := h.Results[i]
		s += "  " + pad(mark(one), cell(h))
		if !wrong(one.Status) {
			continue
		}
		if who[one.Reason] == nil {
			reasons = append(reasons, one.Reason)
		}
		who[one.Reason] = append(who[one.Reason], h.Host)
	}
	t.line(s)
	if len(reasons) > 0 {
		t.print("      %s\n", c.Title)
	}
	for _, reason := range reasons {
		t.print("      %s: %s\n", strings.Join(who[reason], ", "), reason)
	}
}

func (t *table) summary() {
	t.print("\n")
	width := 0
	for _, h := range t.report.Hosts {
		width = max(width, len(h.Host))
	}
	for _, h := range t.report.Hosts {
		name := pad(h.Host, width)
		if h.Skipped != "" {
			t.print("%s  %s\n", name, h.Skipped)
			continue
		}
		must, musts := h.Count(true)
		passed, judged := h.Count(false)
		t.print("%s  MUST passed %d of %d, all passed %d of %d", name, must, musts, passed, judged)
		if none := counted(h, suite.NoOpinion); none > 0 {
			t.print(", no opinion of %d", none)
		}
		if not := counted(h, suite.NotRun); not > 0 {
			t.print(", not run %d", not)
		}
		if h.Host == t.report.Reference {
			t.print(" (%d live: answered by netstackd -respond byhand; the others predicted by hooks/byhand)", h.Live())
		}
		t.print("\n")
	}
	t.print("%d cases in %.1f s\n", len(t.report.Cases), t.report.Took.Seconds())
}

func counted(h *suite.HostResult, s suite.Status) int {
	n := 0
	for _, one := range h.Results {
		if one.Status == s {
			n++
		}
	}
	return n
}
