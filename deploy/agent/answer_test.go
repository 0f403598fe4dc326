//go:build unix

package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"netstackd/deploy/agent"
	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/respond"
	"netstackd/link/linktest"
)

const (
	peer4, host4 = "172.16.0.1", "172.16.0.2"
	peer6, host6 = "fd00:172::1", "fd00:172::2"
	// patience bounds the whole run of the answerer.
	patience = time.Minute
)

// soundOptions are IPv4 options that a host must answer, in hexadecimal, whole
// words each; hooks/byhand has the same and more.
var soundOptions = []string{
	"01010100", "0101010000000000", "00070700ac100009",
	"0707040000000000", "070b08ac1000090000000000", "070b0cac100009ac10000200", "0107070400000000", "070708ac10000900", "0707ffac10000900",
	"07270400000000000000000000000000000000000000000000000000000000000000000000000000", // as ping -R has it
	"4408050000000000", "440c09000a0b0c0d00000000", "440c05010000000000000000",
	"440c0503ac10000200000000", "440c0503ac10000900000000", "4408090000000001", "440c0d03ac10000900000001", "440809e000000001",
	"830b0c0a0000010a00000200", "8907080a00000100",
	"5e04aabb", "8804aabb", "94040000",
	"01070704000000005e04aabb440805000000000000000000",
}

// damagedOptions need not be answered.
var damagedOptions = []string{
	"0707030000000000", "070706ac10000900", "07030400", "4408070000000000", "4408050100000000", "4403050000000000",
	"830b080a0000010a00000200", "830a0b0a0000010a00000000", "83030400", "440809f000000001",
}

// plain are extension headers without a say in the answer.
var plain = []byhandtest.Extension{
	{Protocol: 0, Body: []byte{0, 1, 4, 0, 0, 0, 0}},
	{Protocol: 60, Body: []byte{1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{Protocol: 44, Body: []byte{0, 0, 0, 1, 2, 3, 4}},
}

// requests are what a host gets to answer: every length up to 300 and those at
// the limits, every kind of data, options, extension headers.
func requests(t *testing.T) (all [][]byte) {
	t.Helper()
	v4 := func(h byhandtest.IPv4, e byhandtest.Echo) {
		h.Src, h.Dst = peer4, host4
		all = append(all, h.Packet(e.Request4()))
	}
	v6 := func(h byhandtest.IPv6, e byhandtest.Echo) {
		h.Src, h.Dst = peer6, host6
		all = append(all, h.Packet(e.Request6(peer6, host6)))
	}
	lengths := []int{1231, 1232, 1451, 1452, 1453, 1471, 1472, 1473, 4095, 9001, 32767, 65507}
	for n := range 300 {
		lengths = append(lengths, n)
	}
	for i, n := range lengths {
		e := byhandtest.Echo{ID: uint16(i * 257), Seq: uint16(^i), Data: byhandtest.Data(n)}
		v4(byhandtest.IPv4{ID: uint16(i * 31), DF: i%2 == 0, TOS: uint8(i), TTL: uint8(i%255 + 1)}, e)
		v6(byhandtest.IPv6{TrafficClass: uint8(i), FlowLabel: uint32(i * 1001), HopLimit: uint8(i%255 + 1)}, e)
	}
	// The sums that come to 0 or to all ones, and those that fold twice.
	for _, fill := range []byte{0, 0xff} {
		for n := range 9 {
			for _, id := range []uint16{0, 1, 0x7fff, 0xfffe, 0xffff} {
				e := byhandtest.Echo{ID: id, Seq: ^id, Data: bytes.Repeat([]byte{fill}, n)}
				v4(byhandtest.IPv4{}, e)
				v6(byhandtest.IPv6{}, e)
			}
		}
	}
	for i, digits := range append(append([]string(nil), soundOptions...), damagedOptions...) {
		options, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		v4(byhandtest.IPv4{Options: options}, byhandtest.Echo{ID: 1, Seq: uint16(i), Data: byhandtest.Data(i)})
	}
	for i := range plain {
		v6(byhandtest.IPv6{Extensions: plain[i : i+1]}, byhandtest.Echo{ID: 2, Seq: uint16(i), Data: byhandtest.Data(i)})
		v6(byhandtest.IPv6{Extensions: plain[:i+1]}, byhandtest.Echo{ID: 3, Seq: uint16(i), Data: byhandtest.Data(i)})
	}
	return all
}

// An answerer is answer.py at work.
type answerer struct {
	in    io.WriteCloser
	lines *bufio.Scanner
	errs  bytes.Buffer
	wait  func() error
}

func startAnswerer(t *testing.T) *answerer {
	t.Helper()
	linktest.NeedTools(t, "python3")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	a := &answerer{}
	cmd := exec.CommandContext(ctx, "python3", "answer.py")
	cmd.Stderr = &a.errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if a.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	a.lines = bufio.NewScanner(out)
	a.lines.Buffer(nil, 1<<20)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.wait = cmd.Wait
	return a
}

// serve gives the answerer what waits at the desk, as netstackd does, until
// nothing does; then it ends it.
func (a *answerer) serve(t *testing.T, desk *respond.Desk) {
	t.Helper()
	said := "TIMEOUT" // it has to live with one at any time
	for a.lines.Scan() {
		switch line := a.lines.Text(); {
		case line == "READ" && said == "":
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			r, err := desk.Next(ctx)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				a.in.Close()
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			said = hex.EncodeToString(r.Packet)
		case strings.HasPrefix(line, "WRITE "):
			reply, err := hex.DecodeString(strings.TrimPrefix(line, "WRITE "))
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			said = "OK"
			if _, err := desk.Reply(reply); err != nil {
				said = "ERROR " + err.Error()
			}
		case line != "READ":
			t.Fatalf("the answerer says %q", line)
		}
		if _, err := fmt.Fprintln(a.in, said); err != nil {
			t.Fatal(err)
		}
		said = ""
	}
	if err := a.wait(); err != nil {
		t.Errorf("the answerer ends with %v:\n%s", err, &a.errs)
	}
}

// TestAnswerer has the reference answerer answer all kinds of requests. What must
// be answered is, at once and rightly; of the rest nothing harms it.
func TestAnswerer(t *testing.T) {
	host := byhand.New([]netip.Prefix{netip.MustParsePrefix(host4 + "/24"), netip.MustParsePrefix(host6 + "/64")})
	exact := 0
	desk := respond.NewDesk(respond.DeskConfig{Name: "exec:answer.py", Send: func(reply []byte, a hooks.Answer) error {
		if bytes.Equal(reply, a.Hand) {
			exact++
		}
		return nil
	}})
	defer desk.Close()
	due, timed, optional, none := 0, 0, 0, 0
	for _, request := range requests(t) {
		q, ok := respond.NewQuestion(host, request, time.Now())
		if !ok {
			none++ // an option without room for its entry, or a route that leads on: nothing is due but an error
			continue
		}
		switch {
		case q.Optional:
			optional++
		case request[0] > 0x45 && request[0] < 0x60 && bytes.Contains(request[20:32], []byte{0x44}):
			timed++ // its own time stands in the reply
			due++
		default:
			due++
		}
		desk.Ask(q)
	}
	if due < 700 || timed < 5 || optional < 5 || none != 5 {
		t.Errorf("%d requests to be answered, %d with timestamps, %d that may be, %d that nobody asks for", due, timed, optional, none)
	}
	a := startAnswerer(t)
	a.serve(t, desk)
	card := desk.Scorecard()
	t.Logf("%d requests, %d answered, wrong %v; said:\n%s", card.Requests, card.Answered, card.Wrong, &a.errs)
	for _, r := range desk.Pending() {
		if q, _ := respond.NewQuestion(host, r.Packet, time.Now()); !q.Optional {
			t.Errorf("not answered: %x", r.Packet)
		}
	}
	if card.Answered < uint64(due) || card.RightFirstTime != card.Answered {
		t.Errorf("%d of %d requests answered, %d right first time", card.Answered, due, card.RightFirstTime)
	}
	if exact < due-timed {
		t.Errorf("%d of %d replies are those by hand to the last byte", exact, due-timed)
	}
}

// TestAnswererIsShort: it is there to be read.
func TestAnswererIsShort(t *testing.T) {
	for name, text := range map[string]string{"answer.py": agent.Exec, "answer.sh": agent.FIFO} {
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) > 60 {
			t.Errorf("%s: %d lines, want 60 at most", name, len(lines))
		}
		for i, line := range lines {
			if len(line) > 110 {
				t.Errorf("%s: line %d has %d characters", name, i+1, len(line))
			}
			if words := strings.Fields(line); len(words) > 0 && (words[0] == "import" || words[0] == "from") && line != "import struct, sys, time" {
				t.Errorf("%s: line %d: %s", name, i+1, line)
			}
		}
	}
}
