package report

import (
	"encoding/json"
	"io"

	"netstackd/cmd/netstackconform/internal/suite"
)

// The shape of the JSON.
type (
	jsonReport struct {
		GVisor  string     `json:"gvisor"`
		Seconds float64    `json:"seconds"`
		Hosts   []jsonHost `json:"hosts"`
		Cases   []jsonCase `json:"cases"`
	}
	jsonHost struct {
		Name    string `json:"name"`
		Skipped string `json:"skipped,omitempty"`
		Failed  string `json:"failed,omitempty"`
		Must    tally  `json:"must"`
		All     tally  `json:"all"`
		// Live is how many of the passed were answered through a TUN device, of
		// the reference host.
		Live int `json:"live,omitempty"`
	}
	tally struct {
		Passed int `json:"passed"`
		Judged int `json:"judged"`
	}
	jsonCase struct {
		ID          string       `json:"id"`
		Group       string       `json:"group"`
		Title       string       `json:"title"`
		Requirement string       `json:"requirement"`
		RFC         string       `json:"rfc"`
		Place       string       `json:"gvisor_place,omitempty"`
		Wants       []string     `json:"wants"`
		Results     []jsonResult `json:"results"`
	}
	jsonResult struct {
		Host    string        `json:"host"`
		Status  suite.Status  `json:"status"`
		Reason  string        `json:"reason,omitempty"`
		Live    bool          `json:"live,omitempty"`
		Packets []suite.Event `json:"packets"`
	}
)

// WriteJSON writes everything, the packets included.
func (r *Report) WriteJSON(w io.Writer) error {
	out := jsonReport{GVisor: r.GVisor, Seconds: r.Took.Seconds()}
	for _, h := range r.Hosts {
		one := jsonHost{Name: h.Host, Skipped: h.Skipped, Failed: h.Failed, Live: h.Live()}
		one.Must.Passed, one.Must.Judged = h.Count(true)
		one.All.Passed, one.All.Judged = h.Count(false)
		out.Hosts = append(out.Hosts, one)
	}
	for i, c := range r.Cases {
		one := jsonCase{
			ID: c.ID, Group: c.Group, Title: c.Title, Requirement: string(c.Requirement), RFC: c.RFC, Place: c.Place,
		}
		for _, st := range c.Steps {
			one.Wants = append(one.Wants, st.Want.Text)
		}
		for _, h := range r.Hosts {
			if h.Skipped == "" {
				got := h.Results[i]
				one.Results = append(one.Results, jsonResult{h.Host, got.Status, got.Reason, got.Live, got.Events})
			}
		}
		out.Cases = append(out.Cases, one)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}
