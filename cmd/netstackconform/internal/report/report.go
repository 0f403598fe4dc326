package report

import (
	"time"

	"netstackd/cmd/netstackconform/internal/suite"
)

// A Report is what came of all cases at all hosts.
type Report struct {
	// Cases are those that were run, in the order of the table.
	Cases []*suite.Case
	// Hosts have the results in the order of Cases.
	Hosts []*suite.HostResult
	// Netstack names the host whose deviations are gVisor's, and GVisor the
	// version of it.
	Netstack, GVisor string
	// Reference names the host that has to pass every MUST.
	Reference string
	Took      time.Duration
}

// Wrong says what there is that is not another host's deviation: the reference
// host fails a MUST, or a host could not be run.
func (r *Report) Wrong() []string {
	var all []string
	for _, h := range r.Hosts {
		if h.Failed != "" {
			all = append(all, h.Host+" could not be run: "+h.Failed)
		}
		if h.Host != r.Reference {
			continue
		}
		for _, one := range h.Results {
			failed := one.Status == suite.Deviate || one.Status == suite.Killed
			if failed && one.Case.Requirement == suite.Must {
				all = append(all, h.Host+" fails a MUST: "+one.Case.ID)
			}
		}
	}
	return all
}

// wrong reports whether a result is one to tell the reason of.
func wrong(s suite.Status) bool { return s == suite.Deviate || s == suite.Killed }
