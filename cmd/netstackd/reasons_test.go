package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/faults"
	"netstackd/hooks/guard"
	"netstackd/hooks/respond"
	"netstackd/hooks/verify"
	"netstackd/hooks/wire"
	"netstackd/link"
	"netstackd/stack"
)

// TestReasons: the drop reasons of the rooms are one closed list. No two rooms
// share a name, each name can stand in a metric, and each is documented in one
// line.
func TestReasons(t *testing.T) {
	rooms := map[string]map[string]string{
		"link": link.DropReasons(), "hooks": hooks.DropReasons(), "hooks/guard": guard.DropReasons(), "hooks/verify": verify.DropReasons(), "hooks/faults": faults.DropReasons(),
		"hooks/respond": respond.DropReasons(),
		"hooks/byhand":  byhand.DropReasons(), "stack": stack.DropReasons(),
	}
	owner, said := map[string]string{}, map[string]string{}
	name := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	for _, room := range slices.Sorted(maps.Keys(rooms)) {
		if len(rooms[room]) == 0 {
			t.Errorf("%s has no drop reasons: this test checks nothing there", room)
		}
		for reason, doc := range rooms[room] {
			if other := owner[reason]; other != "" {
				t.Errorf("%s is a reason of %s and of %s", reason, other, room)
			}
			owner[reason] = room
			if !name.MatchString(reason) {
				t.Errorf("%s of %s is no name of lower-case words", reason, room)
			}
			switch {
			case len(doc) < 10, strings.TrimSpace(doc) != doc, strings.ContainsFunc(doc, func(r rune) bool { return !unicode.IsPrint(r) }):
				t.Errorf("%s of %s is documented as %q, want one line that says something", reason, room, doc)
			case said[doc] != "":
				t.Errorf("%s and %s are documented in the same words", reason, said[doc])
			}
			said[doc] = reason
		}
	}
	for reason := range wire.Reasons() {
		if owner[reason] != "hooks" {
			t.Errorf("%s of hooks/wire is not in the list of hooks", reason)
		}
	}
}

// TestLedgerKnowsTheHooks: what the pipeline's ledger is made with are the
// reasons of all hooks, so that none is counted as unknown.
func TestLedgerKnowsTheHooks(t *testing.T) {
	want, got := hooks.DropReasons(), map[string]string{}
	maps.Copy(want, verify.DropReasons())
	maps.Copy(want, guard.DropReasons())
	maps.Copy(want, byhand.DropReasons())
	for _, m := range hookReasons() {
		maps.Copy(got, m)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	ledger := hooks.NewLedger(hookReasons()...)
	for reason := range want {
		ledger.Settle(hooks.Inbound, hooks.Dropped, reason)
	}
	if n := ledger.Totals().Drops[hooks.ReasonUnknown]; n != 1 {
		t.Errorf("%d reasons count as unknown, want that name alone", n)
	}
}
