package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	s := &show{
		blocks: []string{"a request", "a reply\n    match"},
		results: []result{
			{what: "start netstackd", figure: "ready after 1.000 ms"},
			{what: "ping", err: errors.New("no reply within 1s")},
		},
	}
	var got strings.Builder
	s.print(&got, 1234*time.Millisecond)
	want := `What netstackd says about the pings:

a request
a reply
    match

what             result  figure
start netstackd  ok      ready after 1.000 ms
ping             FAILED  no reply within 1s
the whole demo   FAILED  1.2 s
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// TestNothingTriedIsFailure guards against a demo that worked because it did
// nothing.
func TestNothingTriedIsFailure(t *testing.T) {
	if !(&show{}).failed() {
		t.Error("a demo without results counts as one that worked")
	}
}
