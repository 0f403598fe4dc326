package agent_test

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/deploy/agent"
	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/respond"
	"netstackd/link/linktest"
)

// shellRequests are fewer than requests: a shell takes 10 ms for each. All but the
// first, with a source route, it has to answer rightly.
func shellRequests() (all [][]byte) {
	v4 := func(h byhandtest.IPv4, e byhandtest.Echo) {
		h.Src, h.Dst = peer4, host4
		all = append(all, h.Packet(e.Request4()))
	}
	v6 := func(h byhandtest.IPv6, e byhandtest.Echo) {
		h.Src, h.Dst = peer6, host6
		all = append(all, h.Packet(e.Request6(peer6, host6)))
	}
	v4(byhandtest.IPv4{Options: []byte{137, 7, 8, 10, 0, 0, 1, 0}}, byhandtest.Echo{ID: 1})
	for i, n := range []int{0, 1, 2, 3, 8, 55, 56, 57, 1452, 1473, 65507} {
		e := byhandtest.Echo{ID: uint16(i * 257), Seq: uint16(^i), Data: byhandtest.Data(n)}
		v4(byhandtest.IPv4{ID: uint16(i * 31), DF: i%2 == 0, TOS: uint8(i), TTL: uint8(i + 1)}, e)
		v6(byhandtest.IPv6{TrafficClass: uint8(i * 8), HopLimit: uint8(i + 1)}, e)
	}
	// The sums that come to 0 or to all ones, and those that fold twice.
	for _, fill := range []byte{0, 0xff} {
		for _, id := range []uint16{0, 1, 0xfffe, 0xffff} {
			e := byhandtest.Echo{ID: id, Seq: ^id, Data: bytes.Repeat([]byte{fill}, 7)}
			v4(byhandtest.IPv4{}, e)
			v6(byhandtest.IPv6{}, e)
		}
	}
	v4(byhandtest.IPv4{Options: []byte{1, 1, 1, 0}}, byhandtest.Echo{ID: 2, Data: byhandtest.Data(5)})
	v6(byhandtest.IPv6{Extensions: plain}, byhandtest.Echo{ID: 3, Data: byhandtest.Data(5)})
	return all
}

// TestShellAnswerer has the reference in shell answer through real FIFOs: what it
// hands in is the reply by hand to the last byte, and it ends when they are gone.
func TestShellAnswerer(t *testing.T) {
	linktest.NeedTools(t, "sh", "awk", "timeout")
	host := byhand.New([]netip.Prefix{netip.MustParsePrefix(host4 + "/24"), netip.MustParsePrefix(host6 + "/64")})
	exact := 0 // the FIFO's, until it is closed
	desk := respond.NewDesk(respond.DeskConfig{Name: "fifo:", Send: func(reply []byte, a hooks.Answer) error {
		if bytes.Equal(reply, a.Hand) {
			exact++
		} else {
			t.Errorf("reply %x, by hand %x", reply, a.Hand)
		}
		return nil
	}})
	defer desk.Close()
	all := shellRequests()
	for _, request := range all {
		q, ok := respond.NewQuestion(host, request, time.Now())
		if !ok || q.Optional {
			t.Fatalf("nobody has to answer %x", request)
		}
		desk.Ask(q)
	}
	log := logrus.New()
	log.SetOutput(t.Output())
	dir := t.TempDir()
	fifo, err := respond.OpenFIFO(respond.FIFOConfig{Dir: dir, Desk: desk, Log: log, Wait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	fifo.Start()
	defer fifo.Close()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-s", dir)
	cmd.Stdin = strings.NewReader(agent.FIFO)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for len(desk.Pending()) > 1 && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // it is told TIMEOUT
	if err := fifo.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); ctx.Err() != nil {
		t.Errorf("it does not end: %v", err)
	}
	card := desk.Scorecard()
	if card.RightFirstTime != card.Requests-1 || exact != len(all)-1 {
		t.Errorf("%d requests, %d right first time, %d to the last byte; wrong %v", card.Requests, card.RightFirstTime, exact, card.Wrong)
	}
	if left := desk.Pending(); len(left) != 1 || !bytes.Equal(left[0].Packet, all[0]) {
		t.Errorf("left are %d requests", len(left))
	}
	if !strings.Contains(said.String(), "ERROR ") || t.Failed() {
		t.Errorf("it says:\n%s", &said)
	}
}

// TestShellAnswererEnds wants it to say so, and end, where there are no FIFOs.
func TestShellAnswererEnds(t *testing.T) {
	linktest.NeedTools(t, "sh")
	for _, dir := range []string{t.TempDir(), "/nowhere"} {
		cmd := exec.Command("sh", "answer.sh", dir)
		cmd.WaitDelay = time.Second
		if out, err := cmd.CombinedOutput(); err == nil || len(out) == 0 || bytes.Count(out, []byte("\n")) != 1 {
			t.Errorf("%s: %v, it says %q, want a line", dir, err, out)
		}
	}
}

// TestAnswerersAreThoseOfTheFolder: programs get what stands in the files.
func TestAnswerersAreThoseOfTheFolder(t *testing.T) {
	for name, text := range map[string]string{"answer.py": agent.Exec, "answer.sh": agent.FIFO} {
		if want, err := os.ReadFile(name); err != nil || text != string(want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
