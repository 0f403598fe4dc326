//go:build linux

package main_test

import (
	"strconv"
	"testing"
)

// answerers are the scorecards of a trace's summary, by name.
func (tr trace) answerers(t *testing.T) map[string]scorecard {
	t.Helper()
	cards := map[string]scorecard{}
	for _, c := range tr.summary.Answerers {
		cards[c.Name] = c
	}
	return cards
}

// A scorecard is how an answerer has done, in the summary.
type scorecard struct {
	Name           string             `json:"name"`
	Live           bool               `json:"live"`
	Requests       int                `json:"requests"`
	Answered       int                `json:"answered"`
	RightFirstTime int                `json:"right_first_time"`
	Wrong          map[string]int     `json:"wrong"`
	Late           int                `json:"late"`
	Repeated       int                `json:"repeated"`
	Unasked        int                `json:"unasked"`
	Latency        map[string]float64 `json:"latency_us"`
}

// judged counts the comparisons of a responder by result, and fails if any has
// another liveness than said.
func (tr trace) judged(t *testing.T, responder string, live bool) map[string]int {
	t.Helper()
	results := map[string]int{}
	for _, c := range tr.compares {
		if c.Responder != responder || c.Due == "silence" {
			continue
		}
		results[c.Result]++
		if c.Live != live {
			t.Errorf("comparison %d of %s is live: %v", c.Seq, responder, c.Live)
		}
	}
	return results
}

// TestIntegrationRespondByHand: the reference host answers real pings, small and
// in fragments, over both families, and netstack's replies are compared with its
// own and suppressed.
func TestIntegrationRespondByHand(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, append(flags, "-respond", "byhand")...)
	sizes := []int{0, 1, 56, 57, 1452, 1453, 1472, 1473, 2960, 3333, 40000, 65000}
	for _, size := range sizes {
		s := strconv.Itoa(size)
		pinged(t, tool(t, patience, "ping", "-4", "-c", "1", "-W", "2", "-s", s, netstack4), 1)
		pinged(t, tool(t, patience, "ping", "-6", "-c", "1", "-W", "2", "-s", s, netstack6), 1)
	}
	pinged(t, tool(t, patience, "ping", "-f", "-c", "1000", netstack4), 1000)
	d.stop(t)
	tr := readTrace(t, path)
	tr.addsUp(t)
	n := 2*len(sizes) + 1000
	for _, who := range []string{"byhand", "netstack"} {
		if got := tr.judged(t, who, who == "byhand"); len(got) != 1 || got["match"] != n {
			t.Errorf("%s: %v, want %d times match", who, got, n)
		}
		c := tr.answerers(t)[who]
		if c.Live != (who == "byhand") || c.Requests != n || c.Answered != n || c.RightFirstTime != n || c.Latency["p50"] <= 0 {
			t.Errorf("scorecard of %s: %+v, want %d", who, c, n)
		}
	}
	if tr.summary.Fates["out"]["suppressed"] < n {
		t.Errorf("fates out: %v, want %d suppressed at least", tr.summary.Fates["out"], n)
	}
}

// TestIntegrationRespondPerAddress: of two addresses one is the reference host's.
func TestIntegrationRespondPerAddress(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, append(flags, "-addr", "172.16.0.3/24", "-respond", "172.16.0.3=byhand")...)
	pinged(t, tool(t, patience, "ping", "-c", "5", "-i", "0.05", netstack4), 5)
	pinged(t, tool(t, patience, "ping", "-c", "7", "-i", "0.05", "172.16.0.3"), 7)
	d.stop(t)
	tr := readTrace(t, path)
	tr.addsUp(t)
	if got := tr.judged(t, "byhand", true); got["match"] != 7 {
		t.Errorf("byhand: %v, want 7 times match", got)
	}
	if got := tr.summary.Fates["out"]["suppressed"]; got != 7 {
		t.Errorf("%d suppressed, want 7", got)
	}
	if c := tr.answerers(t)["netstack"]; !c.Live || c.Requests != 12 || c.RightFirstTime != 12 {
		t.Errorf("scorecard of netstack: %+v", c)
	}
}
