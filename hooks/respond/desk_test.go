package respond_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/respond"
)

// TestDeskGolden: the golden request goes round.
func TestDeskGolden(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	b.ask(t, bits(t, goldenRequest))
	r, err := b.Next(t.Context())
	if err != nil || r.ID != 1 || !bytes.Equal(r.Packet, bits(t, goldenRequest)) || !r.Given {
		t.Fatalf("Next is %+v, %v", r, err)
	}
	b.now = b.now.Add(42 * time.Second)
	v, err := b.Reply(bits(t, goldenReply))
	if err != nil {
		t.Fatal(err)
	}
	want := respond.Verdict{Request: 1, Match: true, Sent: true, Late: true, Latency: 42 * time.Second}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
	if len(b.sent) != 1 || !bytes.Equal(b.sent[0], bits(t, goldenReply)) {
		t.Errorf("sent %x", b.sent)
	}
	if a := b.said[0]; a.By != "fifo" || !bytes.Equal(a.Asked, bits(t, goldenRequest)) || !bytes.Equal(a.Hand, bits(t, goldenReply)) {
		t.Errorf("said %+v", a)
	}
	if p := b.Pending(); len(p) != 0 {
		t.Errorf("pending: %+v", p)
	}
}

// TestDeskRefusals: each sentence teaches what is wrong, and leaves the request.
func TestDeskRefusals(t *testing.T) {
	spoil := func(change func(p []byte) []byte) []byte {
		return change(bits(t, goldenReply))
	}
	for _, c := range []struct {
		name, want string
		reply      []byte
	}{
		{"nothing", "length is 0 bytes, by hand 84 bytes (RFC 791 §3.1)", nil},
		{"checksum kept", "ICMP checksum is 0x54f5, by hand 0x5cf5 (RFC 792)",
			spoil(func(p []byte) []byte { p[22], p[23] = 0x54, 0xf5; return p })},
		{"request returned", "message is icmpv4 type 8 code 0, by hand icmpv4 type 0 code 0 (RFC 1122 §3.2.2.6)", bits(t, goldenRequest)},
		{"header checksum", "IPv4 header checksum is 0x0000, by hand 0x615d (RFC 791 §3.1)",
			spoil(func(p []byte) []byte { p[10], p[11] = 0, 0; return p })},
		{"short", "length is 83 bytes, by hand 84 bytes, as its header says (RFC 791 §3.1)",
			spoil(func(p []byte) []byte { return p[:83] })},
		{"long", "length is 85 bytes, by hand 84 bytes, as its header says (RFC 791 §3.1)",
			spoil(func(p []byte) []byte { return append(p, 0) })},
		{"other family", "version is 6, by hand 4 (RFC 791 §3.1)", reply6(bt.Echo{ID: 13, Seq: 1})},
		{"other identifier", "identifier is 14, by hand 13 (RFC 792); ICMP checksum is 0x5cf5, by hand 0x5cf4 (RFC 792)",
			spoil(func(p []byte) []byte { p[25] = 14; return p })},
		{"fragment", "fragment is one of several, by hand whole (RFC 791 §3.2)",
			bt.Split(bits(t, goldenReply), 7, 32)[0]},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, respond.DeskConfig{})
			b.ask(t, bits(t, goldenRequest))
			v, err := b.Reply(c.reply)
			if err == nil || err.Error() != c.want {
				t.Errorf("error %v\nwant  %s", err, c.want)
			}
			if v.Match || v.Sent || v.Request != 1 || len(v.Faults) == 0 || len(b.sent) != 0 {
				t.Errorf("verdict %+v", v)
			}
			if p := b.Pending(); len(p) != 1 || p[0].Tries != 1 {
				t.Errorf("pending: %+v", p)
			}
			if _, err := b.Reply(bits(t, goldenReply)); err != nil {
				t.Errorf("the right one after it: %v", err)
			}
			card := b.Scorecard()
			if card.Requests != 1 || card.Answered != 1 || card.RightFirstTime != 0 || card.Wrong[v.Faults[0].Field] != 1 {
				t.Errorf("scorecard %+v", card)
			}
		})
	}
}

func TestDeskRepliesToNobody(t *testing.T) {
	b := newBench(t, respond.DeskConfig{SendBadReplies: true})
	if _, err := b.Reply(bits(t, goldenReply)); err == nil || !strings.Contains(err.Error(), "no echo request waits") {
		t.Errorf("error %v", err)
	}
	b.ask(t, bits(t, goldenRequest))
	if _, err := b.Reply(bits(t, goldenReply)); err != nil {
		t.Error(err)
	}
	if _, err := b.Reply(bits(t, goldenReply)); err == nil || !strings.Contains(err.Error(), "identifier 13 and sequence number 1 was answered already") {
		t.Errorf("error %v", err)
	}
	if card := b.Scorecard(); card.Unasked != 1 || card.Repeated != 1 || card.RightFirstTime != 1 || len(b.sent) != 1 {
		t.Errorf("scorecard %+v", card)
	}
}

func TestDeskSendsBadReplies(t *testing.T) {
	b := newBench(t, respond.DeskConfig{SendBadReplies: true})
	b.ask(t, bits(t, goldenRequest))
	if _, err := b.Reply(bits(t, goldenReply)[:80]); err == nil || len(b.sent) != 0 {
		t.Errorf("a packet that cannot be decoded: %v, sent %x", err, b.sent)
	}
	bad := bits(t, goldenReply)
	bad[22] = 0
	v, err := b.Reply(bad)
	if err == nil || !strings.Contains(err.Error(), "ICMP checksum is 0x00f5, by hand 0x5cf5 (RFC 792); sent all the same") {
		t.Errorf("error %v", err)
	}
	if !v.Sent || v.Match || len(b.sent) != 1 || !bytes.Equal(b.sent[0], bad) {
		t.Errorf("verdict %+v, sent %x", v, b.sent)
	}
}

// TestDeskBound: the oldest is dropped by name, and a reply to it still judged.
func TestDeskBound(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	const waiting = 1024
	for seq := range waiting + 2 {
		b.ask(t, request4(bt.Echo{ID: 9, Seq: uint16(seq)}))
	}
	if p := b.Pending(); len(p) != waiting || p[0].ID != 3 {
		t.Fatalf("%d pending, the first is %d", len(p), p[0].ID)
	}
	if diff := cmp.Diff(map[string]uint64{respond.ReasonQueueFull: 2}, b.Drops()); diff != "" {
		t.Error(diff)
	}
	v, err := b.Reply(reply4(bt.Echo{ID: 9, Seq: 1}))
	if err == nil || !strings.HasPrefix(err.Error(), "right, but too late: ") || !v.Match || !v.Late || v.Sent {
		t.Errorf("verdict %+v, %v", v, err)
	}
	wrong := reply4(bt.Echo{ID: 9, Seq: 0})
	wrong[22] ^= 1
	if v, err = b.Reply(wrong); err == nil || !strings.Contains(err.Error(), "ICMP checksum is ") || v.Match || !v.Late {
		t.Errorf("verdict %+v, %v", v, err)
	}
	big := make([]byte, 60000)
	for seq := range 200 {
		b.ask(t, request4(bt.Echo{ID: 10, Seq: uint16(seq), Data: big}))
	}
	held := 0
	for _, p := range b.Pending() {
		held += 2 * len(p.Packet)
	}
	if held > 16<<20 || held < 15<<20 {
		t.Errorf("%d bytes wait, want 16 MiB or a little less", held)
	}
	if card := b.Scorecard(); card.Late != 2 || card.Answered != 0 {
		t.Errorf("scorecard %+v", card)
	}
}

// TestDeskNext: each is given once, in order, until it is returned.
func TestDeskNext(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := b.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	got := make(chan uint64)
	go func() {
		for range 3 {
			r, err := b.Next(context.Background())
			if err != nil {
				t.Error(err)
			}
			got <- r.ID
		}
		_, err := b.Next(context.Background())
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("error %v", err)
		}
		close(got)
	}()
	b.ask(t, request4(bt.Echo{Seq: 1}))
	b.ask(t, request6(bt.Echo{Seq: 2}))
	for want := range uint64(2) {
		if id := <-got; id != want+1 {
			t.Errorf("given %d, want %d", id, want+1)
		}
	}
	b.Return(1)
	if id := <-got; id != 1 {
		t.Errorf("given %d after the return of 1", id)
	}
	b.Close()
	<-got
	if _, err := b.Reply(reply4(bt.Echo{Seq: 1})); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v", err)
	}
}
