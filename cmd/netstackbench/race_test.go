//go:build linux

package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/cmd/netstackbench/internal/report"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

func TestRaceRefusals(t *testing.T) {
	dir := t.TempDir()
	refuse(t, "race-refusals.txt", dir, [][]string{
		{"race", "-teleport"},
		{"race", "now"},
		{"race", "-rounds", "0"},
		{"race", "-rounds", "1001"},
		{"race", "-pings", "0"},
		{"race", "-pings", "10001"},
		{"race", "-pings", "many"},
		{"race", "-interval", "-1ms"},
		{"race", "-interval", "11s"},
		{"race", "-time", "9ms"},
		{"race", "-time", "61m"},
		{"race", "-patience", "9ms"},
		{"race", "-patience", "11m"},
		{"race", "-patience", "45"},
		{"race", "-exec", "./answer.sh"},
		{"race", "-exec", "mine="},
		{"race", "-exec", "mine= "},
		{"race", "-exec", "=./answer.sh"},
		{"race", "-exec", "my own=./answer.sh"},
		{"race", "-exec", "a,b=./answer.sh"},
		{"race", "-exec", "a*=./answer.sh"},
		{"race", "-exec", "a\nb=./answer.sh"},
		{"race", "-exec", strings.Repeat("ä", maxRacerName+1) + "=./answer.sh"},
		{"race", "-exec", "kernel=./answer.sh"},
		{"race", "-exec", "mine=a", "-exec", "mine=b"},
		{"race", "-answerers", "teleport"},
		{"race", "-answerers", ""},
		{"race", "-answerers", "kernel,"},
		{"race", "-chart", "chart.gif"},
		{"race", "-chart", "nowhere/chart.png"},
		{"race", "-json", "nowhere/race.json"},
		{"race", "-netstackd", " "},
		{"race", "-netstackd", "nowhere/netstackd"},
		{"race", "-netstackd", dir},
	})
}

func TestRaceHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run([]string{"race", "-help"}, &stdout, &stderr); status != 0 || stdout.Len() != 0 {
		t.Errorf("exit status %d, it printed %q", status, &stdout)
	}
	tellsOf(t, stderr.String(), "exec", "answerers", "netstackd", "rounds", "pings", "interval", "time", "patience", "json", "chart", "list")
}

func TestRaceList(t *testing.T) {
	var got strings.Builder
	for _, args := range [][]string{
		{},
		{"-exec", "mine=./answer.sh -v", "-answerers", "netstack,m*"},
		{"-exec", strings.Repeat("ä", maxRacerName) + `=sh -c 'echo "READ"; cat'`, "-answerers", "ä*"},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(slices.Concat([]string{"race", "-list"}, args), &stdout, &stderr); status != 0 || stderr.Len() != 0 {
			t.Errorf("%q: exit status %d, %s", args, status, &stderr)
		}
		fmt.Fprintf(&got, "%q\n%s\n", args, &stdout)
	}
	golden(t, "race-list.txt", got.String())
}

// TestRacePaths holds how each answerer is run against a golden file.
func TestRacePaths(t *testing.T) {
	all, err := withCommands(builtInRacers(), []string{"mine=./answer.sh -v 'a=b'"})
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, r := range all {
		p := r.path([]string{"bin/netstackd", "-mtu", "9000"}, "DIR")
		fmt.Fprintf(&got, "%s, %s: %q\n", p.Name, p.Kind, p.Command)
		if c := p.Client; c != nil {
			fmt.Fprintf(&got, "  beside it %s%q\n", c.Role, c.Command)
		}
	}
	golden(t, "race-paths.txt", got.String())
}

// TestRaceFolder wants answerers that others may read, and no more than those.
func TestRaceFolder(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	if os.Geteuid() == 0 {
		// The tests' folder is closed, as some users' are.
		want := "commands, which run as nobody, cannot get past " + filepath.Dir(tmp)
		if _, err := raceFolder(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a folder that nobody can enter: %v, want %s", err, want)
		}
		if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
			t.Errorf("%v is left, %v", left, err)
		}
	}
	if err := os.Chmod(filepath.Dir(tmp), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := raceFolder()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, name := range []string{answerFIFO, answerExec} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("../../deploy/agent", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not that of deploy/agent", name)
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	t.Setenv("TMPDIR", filepath.Join(dir, "nowhere"))
	if _, err := raceFolder(); err == nil {
		t.Error("a folder was made nowhere")
	}
}

// TestMakeReply holds the agent's replies against those by hand, and wants it to
// leave alone what is no plain echo request.
func TestMakeReply(t *testing.T) {
	addresses := []netip.Prefix{netip.MustParsePrefix("172.16.0.2/24"), netip.MustParsePrefix("fd00:172::2/64")}
	for n := range 100 {
		for _, fill := range []byte{0, 0xff, byte(n)} {
			e := byhandtest.Echo{ID: uint16(n * 517), Seq: uint16(^n), Data: bytes.Repeat([]byte{fill}, n)}
			for _, request := range [][]byte{
				byhandtest.IPv4{Src: "172.16.0.1", Dst: "172.16.0.2", ID: uint16(n), DF: n%2 == 0, TTL: 64}.Packet(e.Request4()),
				byhandtest.IPv6{Src: "fd00:172::1", Dst: "fd00:172::2", HopLimit: 64}.Packet(e.Request6("fd00:172::1", "fd00:172::2")),
			} {
				var p wire.Packet
				p.Decode(request)
				var checks [2]wire.Check
				want := byhand.New(addresses).Inbound(&p, p.Checksums(checks[:0]), time.Unix(0, 0)).Reply
				got := slices.Clone(request)
				if !makeReply(got) {
					t.Fatalf("no reply to %x", request)
				}
				if diff := cmp.Diff(hex.EncodeToString(want), hex.EncodeToString(got)); diff != "" {
					t.Fatalf("reply to %x (-by hand +got):\n%s", request, diff)
				}
				if other := slices.Clone(got); makeReply(other) || !bytes.Equal(other, got) {
					t.Fatalf("a reply to the reply %x: %x", got, other)
				}
				for short := range min(len(request), 28) {
					if makeReply(slices.Clone(request[:short])) {
						t.Fatalf("a reply to %x", request[:short])
					}
				}
			}
		}
	}
}

// TestSays wants the last remarks of netstackd's log, each once.
func TestSays(t *testing.T) {
	for _, tt := range []struct {
		name string
		log  []string
		want []string
	}{
		{"nothing", []string{`{"level":"info","msg":"host is up"}`, "no JSON", "{}"}, nil},
		{
			"each once, where it was said last",
			[]string{
				`{"level":"warning","msg":"ended","error":"exit status 1"}`, `{"level":"info","msg":"answerer says: one"}`,
				`{"level":"warning","msg":"ended","error":"exit status 1"}`,
			},
			[]string{"answerer says: one", "ended: exit status 1"},
		},
		{
			"the last",
			[]string{`{"level":"error","msg":"one"}`, `{"level":"error","msg":"two"}`, `{"level":"warning","msg":"three"}`},
			[]string{"two", "three"},
		},
	} {
		if diff := cmp.Diff(tt.want, says(tt.log)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestPublished: what was not measured here says so.
func TestPublished(t *testing.T) {
	for _, a := range published() {
		if a.Published == "" || a.Times == nil || a.Requests != 0 || a.Card != nil {
			t.Errorf("%+v", a)
		}
	}
	if p := published(); len(p) != 1 || *p[0].Times != (report.Times{P50: 42_593_000}) {
		t.Errorf("%+v", p)
	}
}
