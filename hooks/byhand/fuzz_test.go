package byhand_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// A dice deals out the fuzzer's bytes, and zeros when they are used up.
type dice []byte

func (d *dice) byte() int {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return int(b)
}

func (d *dice) below(n int) int { return (d.byte()<<8 | d.byte()) % n }

// FuzzReassembly splits a datagram at random, sends the fragments in random
// order with duplicates, and wants it back, once, when the last is there.
func FuzzReassembly(f *testing.F) {
	f.Fuzz(func(t *testing.T, six bool, n uint16, rolls []byte) {
		d := dice(rolls)
		whole := ping4(int(n) % 65508)
		header := 20
		if six {
			whole, header = ping6(int(n)%65528), 40
		}
		var cuts []int
		size := len(whole) - header
		for at := 8 * (1 + d.below(64)); at < size && len(cuts) < 200; at += 8 * (1 + d.below(64)) {
			cuts = append(cuts, at)
		}
		if len(cuts) == 0 {
			t.Skip("too short to be split")
		}
		fragments := bt.Split(whole, 77, cuts...)
		var r byhand.Reassembler
		now := epoch
		sent := map[int]bool{}
		for len(sent) < len(fragments) {
			i := d.below(len(fragments))
			if len(d) == 0 {
				// No more luck: the first that is missing.
				for i = 0; sent[i]; i++ {
				}
			}
			sent[i] = true
			now = now.Add(time.Duration(d.byte()) * time.Millisecond)
			got, outcome := add(&r, fragments[i], now)
			switch late := now.Sub(epoch) > 28*time.Second; {
			case late:
				return
			case len(sent) < len(fragments):
				if outcome != byhand.Incomplete || got != nil {
					t.Fatalf("after %d of %d: %v", len(sent), len(fragments), outcome)
				}
			case outcome != byhand.Complete || !bytes.Equal(got, whole):
				t.Fatalf("at the end: %v, %d bytes of %d", outcome, len(got), len(whole))
			}
		}
		if held, pending, order := r.Bounds(); held != 0 || pending != 0 || order != 0 {
			t.Errorf("left behind: %d bytes, %d datagrams, %d in the order", held, pending, order)
		}
	})
}

// FuzzHostileFragments sends fragments without any sense. Whatever comes of
// them, it is a sound packet, and what is held stays within its bounds.
func FuzzHostileFragments(f *testing.F) {
	f.Fuzz(func(t *testing.T, rolls []byte) {
		d := dice(rolls)
		var r byhand.Reassembler
		now := epoch
		for len(d) > 0 {
			what := d.byte()
			piece := piece4
			if what&1 != 0 {
				piece = piece6
			}
			offset, n, more := 8*d.below(8192), d.below(1481), what&2 != 0
			if what&4 != 0 {
				offset = 8 * (d.byte() % 4) // so that some meet
				n = 8 * (d.byte() % 4)
			}
			if more {
				n &^= 7
			}
			var p wire.Packet
			p.Decode(piece(offset, n, more))
			p.Fragment.ID = uint32(d.byte() % 4)
			now = now.Add(time.Duration(d.byte()) * 100 * time.Millisecond)
			whole, outcome := r.Add(&p, now)
			if whole != nil {
				var joined wire.Packet
				joined.Decode(whole)
				if l := joined.Problem.Layer; l == wire.LayerIPv4 || l == wire.LayerIPv6 || joined.Trailing != 0 || joined.Fragment.IsFragment() {
					t.Fatalf("%v: joined to %+v", outcome, joined)
				}
				var checks [2]wire.Check
				for _, c := range joined.Checksums(checks[:0]) {
					if c.Layer == wire.LayerIPv4 && c.Verdict != wire.OK {
						t.Fatalf("joined to a header with %+v", c)
					}
				}
			}
			if held, pending, order := r.Bounds(); held < 0 || held > 16<<20 || pending > 8192 || order != pending {
				t.Fatalf("%d bytes in %d datagrams, %d in the order", held, pending, order)
			}
		}
		r.Add(new(wire.Packet), now.Add(time.Hour))
		if held, pending, _ := r.Bounds(); held != 0 || pending != 0 {
			t.Errorf("after an hour: %d bytes in %d datagrams", held, pending)
		}
	})
}

// FuzzInbound gives the host arbitrary packets, several in a row so that
// fragments meet: each starts with two bytes of length. A reply, if there is
// one, is a sound one from the host.
func FuzzInbound(f *testing.F) {
	f.Fuzz(func(t *testing.T, packets []byte) {
		h := servingHost()
		for len(packets) >= 2 {
			n := min(int(packets[0])<<8|int(packets[1]), len(packets)-2)
			packet := packets[2 : 2+n]
			packets = packets[2+n:]
			before := bytes.Clone(packet)
			got := inbound(h, packet, epoch)
			if !bytes.Equal(before, packet) {
				t.Fatal("the packet was changed")
			}
			checkPrediction(t, h, got)
		}
	})
}

func checkPrediction(t *testing.T, h *byhand.Host, got byhand.Prediction) {
	t.Helper()
	due := got.Expect == byhand.MustReply || got.Expect == byhand.MayReply
	if silent := got.Expect == byhand.Silence; silent && got.Reason == "" || (silent || due) && (got.RFC == "" || got.Requirement == "") {
		t.Fatalf("%v because of %q by %q, %q", got.Expect, got.Reason, got.RFC, got.Requirement)
	}
	if due != (got.Reply != nil) || due && got.Form == byhand.NoForm || due && (got.Requirement == byhand.May) != (got.Expect == byhand.MayReply) {
		t.Fatalf("%v, %q, with a reply of %d bytes of form %v", got.Expect, got.Requirement, len(got.Reply), got.Form)
	}
	if got.Reply == nil {
		return
	}
	var reply wire.Packet
	// A record route or timestamp option that is damaged comes back damaged.
	if !reply.Decode(got.Reply) && reply.Problem.Reason != wire.ReasonBadOption || reply.Trailing != 0 {
		t.Fatalf("reply: %v", reply.Problem)
	}
	if !h.Owns(reply.Src) {
		t.Errorf("reply from %v", reply.Src)
	}
	last := reply.FinalDst()
	if got.Form == byhand.Advertisement {
		if last != byhand.Advertised(&got.Request) || byhand.NeighbourTarget(&reply) != byhand.NeighbourTarget(&got.Request) {
			t.Errorf("%x advertises to %v", got.Reply, last)
		}
	} else if last != got.Request.Src || last == (netip.Addr{}) {
		t.Errorf("reply to %v, for %v", last, got.Request.Src)
	}
	switch got.Form {
	case byhand.EchoReply:
		if k := reply.ICMP.Type; k != wire.ICMPv4EchoReply && k != wire.ICMPv6EchoReply || reply.Upper == "" {
			t.Errorf("reply is a %s of type %d", reply.Upper, k)
		}
		if !bytes.Equal(reply.Data()[4:], got.Request.Data()[4:]) {
			t.Error("identifier, sequence number or data changed")
		}
	case byhand.Reset, byhand.SynAck:
		if reply.Upper != wire.LayerTCP || reply.TCP.SrcPort != got.Request.TCP.DstPort || reply.TCP.DstPort != got.Request.TCP.SrcPort {
			t.Errorf("%x does not answer %x", got.Reply, got.Request.Bytes)
		}
	case byhand.ICMPError:
		checkError(t, h, &got.Request, &reply)
	}
	var checks [2]wire.Check
	judged := reply.Checksums(checks[:0])
	for _, c := range judged {
		if c.Verdict != wire.OK {
			t.Errorf("reply with %+v", c)
		}
	}
	if len(judged) == 0 {
		t.Error("reply without a checksum")
	}
}

// checkError wants an error to be one, about its request, that may be sent and
// is no longer than all hosts can take.
func checkError(t *testing.T, h *byhand.Host, request, reply *wire.Packet) {
	t.Helper()
	longest := 576
	if reply.Version == 6 {
		longest = 1280
	}
	quote := reply.Data()[8:]
	if !byhand.IsError(reply) || len(reply.Bytes) > longest || !bytes.HasPrefix(request.Bytes, quote) {
		t.Errorf("%x is no error about %x", reply.Bytes, request.Bytes)
	}
	if len(quote) < len(request.Bytes) && len(reply.Bytes) != longest {
		t.Errorf("only %d bytes of %d are quoted", len(quote), len(request.Bytes))
	}
	var quoted wire.Packet
	quoted.Decode(quote)
	if rfc := h.Unreportable(&quoted, reply.ICMP.Type, reply.ICMP.Code); rfc != "" {
		t.Errorf("%x must not be sent, by %s", reply.Bytes, rfc)
	}
}
