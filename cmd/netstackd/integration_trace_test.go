//go:build linux

package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// event is one line of a JSON trace, of any type, with the fields that the
// tests look at.
type event struct {
	Type string `json:"type"`
	Seq  int    `json:"seq"`

	// Of a packet.
	Dir string `json:"dir"`
	Len int    `json:"len"`
	IP  struct {
		Version int    `json:"version"`
		Src     string `json:"src"`
		Dst     string `json:"dst"`
		Proto   int    `json:"proto"`
	} `json:"ip"`
	ICMP *struct {
		Type int `json:"type"`
		Code int `json:"code"`
		ID   int `json:"id"`
		Seq  int `json:"seq"`
	} `json:"icmp"`
	Sums []struct {
		Layer   string `json:"layer"`
		Offset  int    `json:"offset"`
		Seen    string `json:"seen"`
		Hand    string `json:"hand"`
		Verdict string `json:"verdict"`
	} `json:"checksums"`
	Fate   string `json:"fate"`
	Reason string `json:"reason"`

	// Of a comparison.
	Request int    `json:"request"`
	Result  string `json:"result"`
	Due     string `json:"due"`

	Responder string `json:"responder"`
	Live      bool   `json:"live"`

	// Of the summary, the last line.
	Packets struct {
		In  int `json:"in"`
		Out int `json:"out"`
	} `json:"packets"`
	Verdicts  map[string]int            `json:"-"` // "checksums" again, which has another shape there
	Compare   map[string]int            `json:"compare"`
	Drops     map[string]int            `json:"drops"`
	Fates     map[string]map[string]int `json:"fates"` // by direction
	Answerers []scorecard               `json:"answerers"`
	TraceLost int                       `json:"trace_lost"`
}

// UnmarshalJSON takes apart the one name that means two things.
func (e *event) UnmarshalJSON(line []byte) error {
	var kind struct {
		Type     string         `json:"type"`
		Verdicts map[string]int `json:"checksums"`
	}
	err := json.Unmarshal(line, &kind)
	if kind.Type != "summary" {
		// The error is that checksums is a list there.
		type plain event
		return json.Unmarshal(line, (*plain)(e))
	}
	if err != nil {
		return err
	}
	var rest map[string]json.RawMessage
	if err := json.Unmarshal(line, &rest); err != nil {
		return err
	}
	delete(rest, "checksums")
	line, err = json.Marshal(rest)
	if err != nil {
		return err
	}
	type plain event
	if err := json.Unmarshal(line, (*plain)(e)); err != nil {
		return err
	}
	e.Verdicts = kind.Verdicts
	return nil
}

// trace is a whole JSON trace.
type trace struct {
	packets  []event
	compares []event
	summary  event
}

// traceFile returns a path for a trace, and the flags that write one there.
func traceFile(t *testing.T, level string) (path string, flags []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "trace.json")
	return path, []string{"-trace", level, "-trace-format", "json", "-trace-out", path}
}

// readTrace reads the trace of a daemon that has ended. Each line must be one
// JSON object, and the last one the summary.
func readTrace(t *testing.T, path string) trace {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatalf("open trace: %v", err)
	}
	defer file.Close()
	var tr trace
	in, last := bufio.NewReader(file), ""
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil {
			t.Fatalf("trace line %d: %v: %q", number, err, line)
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("trace line %d: %v: %s", number, err, line)
		}
		switch last = e.Type; e.Type {
		case "packet":
			tr.packets = append(tr.packets, e)
		case "compare":
			tr.compares = append(tr.compares, e)
		case "summary":
			tr.summary = e
		default:
			t.Fatalf("trace line %d has type %q", number, e.Type)
		}
	}
	if last != "summary" {
		t.Fatalf("the last line of the trace is of type %q, want the summary", last)
	}
	return tr
}

// addsUp checks a summary against the trace, which must be whole, and against
// itself: each packet counted once and with one fate.
func (tr trace) addsUp(t *testing.T) {
	t.Helper()
	s := tr.summary
	if s.TraceLost != 0 {
		t.Fatalf("trace_lost is %d: the trace cannot be compared with the summary", s.TraceLost)
	}
	counted := map[string]map[string]int{"in": {}, "out": {}}
	verdicts, reasons, results := map[string]int{}, map[string]int{}, map[string]int{}
	for _, p := range tr.packets {
		counted[p.Dir][p.Fate]++
		for _, sum := range p.Sums {
			verdicts[sum.Verdict]++
		}
		if p.Reason != "" {
			reasons[p.Reason]++
		}
	}
	for _, c := range tr.compares {
		results[c.Result]++
	}
	for dir, total := range map[string]int{"in": s.Packets.In, "out": s.Packets.Out} {
		sum := 0
		for _, n := range s.Fates[dir] {
			sum += n
		}
		if sum != total {
			t.Errorf("the summary counts %d packets %s, and fates %v that add up to %d", total, dir, s.Fates[dir], sum)
		}
	}
	covers(t, "fates in", s.Fates["in"], counted["in"])
	covers(t, "fates out", s.Fates["out"], counted["out"])
	covers(t, "checksums", s.Verdicts, verdicts)
	covers(t, "comparisons", s.Compare, results)
	covers(t, "drops", s.Drops, reasons)
}

// covers wants the summary to count what the trace holds. Zeros may be left out.
func covers(t *testing.T, what string, summary, trace map[string]int) {
	t.Helper()
	names := maps.Clone(trace)
	maps.Copy(names, summary)
	for name := range names {
		if summary[name] != trace[name] {
			t.Errorf("%s %s: %d in the summary, %d in the trace", what, name, summary[name], trace[name])
		}
	}
}

// allMatch checks that want replies were due and match, and that no comparison
// came out otherwise.
func (tr trace) allMatch(t *testing.T, want int) {
	t.Helper()
	results := map[string]int{}
	for _, c := range tr.compares {
		if c.Due == "reply" || c.Result != "match" {
			results[c.Result]++
		}
	}
	if len(results) > 1 || results["match"] != want {
		t.Errorf("comparisons in the trace: %v, want %d times match alone", results, want)
	}
	for _, bad := range []string{"differ", "missing", "unexpected"} {
		if n := tr.summary.Compare[bad]; n != 0 {
			t.Errorf("summary counts %d %s, want none", n, bad)
		}
	}
}

// echoes returns the inbound echo requests, or the outbound replies.
func (tr trace) echoes(dir string) []event {
	var found []event
	for _, p := range tr.packets {
		if p.Dir != dir || p.ICMP == nil {
			continue
		}
		request := p.ICMP.Type == 8 || p.ICMP.Type == 128
		reply := p.ICMP.Type == 0 || p.ICMP.Type == 129
		if dir == "in" && request || dir == "out" && reply {
			found = append(found, p)
		}
	}
	return found
}
