package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sample is a report with everything in it once: a deviation that two hosts
// share, one that one has, a death, no opinion, a host left out and one that
// could not be run to the end.
func sample() *Report {
	request := byhandtest.IPv4{Src: "172.16.1.1", Dst: suite.Host4, Reserved: true}.Packet(byhandtest.Echo{ID: 1, Seq: 1}.Request4())
	reply := byhandtest.IPv4{Src: suite.Host4, Dst: "172.16.1.1", Reserved: true}.Packet(byhandtest.Echo{ID: 1, Seq: 1}.Reply4())
	events := []suite.Event{{Step: 1, ToHost: true, Packet: request}, {Step: 1, Packet: reply}}
	steps := []suite.Step{{Want: suite.Silence()}}
	cases := []*suite.Case{
		{ID: "reserved-flag", Group: "IPv4 header", Title: "the reserved flag is not copied", Requirement: suite.Must, RFC: "RFC 791 §3.1", Place: "network/ipv4/icmp.go sendICMPEchoReply", Steps: steps},
		{ID: "not-ours", Group: "IPv4 header", Title: "what is for others is discarded", Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.3", Steps: steps},
		{ID: "echo-code", Group: "ICMP echo", Title: "a code of 9 <may> be answered", Requirement: suite.May, RFC: "RFC 792", Steps: steps},
	}
	results := func(statuses ...suite.Status) (all []suite.Result) {
		reasons := map[suite.Status]string{
			suite.Deviate: "wanted silence; came: echo reply", suite.Killed: "killed the host: it died: exit status 2: panic: oh",
		}
		for i, s := range statuses {
			all = append(all, suite.Result{Case: cases[i], Status: s, Reason: reasons[s], Events: events})
		}
		return all
	}
	reference := results(suite.Pass, suite.Deviate, suite.NoOpinion)
	reference[0].Live = true
	return &Report{
		Cases: cases, Netstack: "netstack", Reference: "reference", GVisor: "v0.0.1", Took: 1234 * time.Millisecond,
		Hosts: []*suite.HostResult{
			{Host: "netstack", Results: results(suite.Deviate, suite.Killed, suite.Pass)},
			{Host: "guard-on", Results: results(suite.Deviate, suite.Pass, suite.NotRun), Failed: "start guard-on: no device"},
			{Host: "guard-strict", Results: results(suite.NotRun, suite.NotRun, suite.NotRun), Skipped: "skipped: does not know -guard strict"},
			{Host: "reference", Results: reference},
		},
	}
}

func TestGolden(t *testing.T) {
	r := sample()
	for name, write := range map[string]func(io.Writer) error{
		"table.golden": r.WriteTable,
		"report.json":  r.WriteJSON,
		"junit.xml":    r.WriteJUnit,
		"packets.golden": func(w io.Writer) error {
			one := sample()
			one.Cases = one.Cases[:1]
			return one.WritePackets(w, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			golden(t, name, got.Bytes())
		})
	}
}

func TestDeviations(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deviations")
	names, err := sample().WriteDeviations(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, "reserved-flag.md"), filepath.Join(dir, "not-ours.md")}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatal(diff)
	}
	got, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "deviation.md", got)
}

// TestJUnitCounts reads the XML back.
func TestJUnitCounts(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([4]int{12, 4, 1, 4}, [4]int{got.Tests, got.Failures, got.Errors, got.Skipped}); diff != "" {
		t.Errorf("tests, failures, errors, skipped: %s", diff)
	}
}

func TestWrong(t *testing.T) {
	want := []string{"guard-on could not be run: start guard-on: no device", "reference fails a MUST: not-ours"}
	if diff := cmp.Diff(want, sample().Wrong()); diff != "" {
		t.Error(diff)
	}
}

// TestFailingWriter wants the writer's error from each.
func TestFailingWriter(t *testing.T) {
	r := sample()
	for _, write := range []func(io.Writer) error{
		r.WriteTable, r.WriteJSON, r.WriteJUnit, func(w io.Writer) error { return r.WritePackets(w, false) },
	} {
		if err := write(full{}); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("error is %v", err)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-update rewrites it): %s", name, diff)
	}
}
