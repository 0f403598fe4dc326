package report

import (
	"encoding/xml"
	"fmt"
	"io"

	"netstackd/cmd/netstackconform/internal/suite"
)

// The shape of JUnit XML, as far as continuous builds read it: a suite for each
// host.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string      `xml:"classname,attr"`
		Name    string      `xml:"name,attr"`
		Failure *junitCause `xml:"failure,omitempty"`
		Error   *junitCause `xml:"error,omitempty"`
		Skipped *junitCause `xml:"skipped,omitempty"`
	}
	junitCause struct {
		Type    string `xml:"type,attr,omitempty"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes a test suite for each host. What deviates is a failure,
// what could not be run an error.
func (r *Report) WriteJUnit(w io.Writer) error {
	all := junitSuites{Time: fmt.Sprintf("%.3f", r.Took.Seconds())}
	for _, h := range r.Hosts {
		s := junitSuite{Name: h.Host, Tests: len(r.Cases)}
		for i, c := range r.Cases {
			one := junitCase{Class: h.Host + "." + c.Group, Name: c.ID}
			got := h.Results[i]
			switch {
			case h.Skipped != "":
				one.Skipped = &junitCause{Message: h.Skipped}
			case got.Status == suite.NoOpinion:
				one.Skipped = &junitCause{Message: string(got.Status)}
			case got.Status == suite.NotRun:
				one.Error = &junitCause{Type: string(got.Status), Message: h.Failed}
			case wrong(got.Status):
				one.Failure = &junitCause{
					Type: string(c.Requirement), Message: got.Reason,
					Text: fmt.Sprintf("%s (%s)\n%s", c.Title, c.RFC, hexDump(got.Events)),
				}
			}
			s.count(one)
			s.Cases = append(s.Cases, one)
		}
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) count(c junitCase) {
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}
