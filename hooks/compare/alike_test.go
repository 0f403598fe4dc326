package compare_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/wire"
)

// TestAlike: where nobody can say which of several requests a reply is to, or a host is
// free to reply in another way, nothing is held against anybody; that one of two replies
// is missing is, whichever it is.
func TestAlike(t *testing.T) {
	ping := func(options ...byte) []byte {
		return bt.IPv4{Src: peer4, Dst: host4, Options: options}.Packet(bt.Echo{ID: 1, Seq: 1, Data: bt.Data(20)}.Request4())
	}
	solicit := func(dst string) []byte { return bt.Neighbour{Target: host6}.Packet(peer6, dst) }
	undefined := []byte{68, 8, 5, 2, 0, 0, 0, 0} // a timestamp option of no flag that there is
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    compare.Counts
	}{
		{"a parameter problem where a reply is allowed", [][]byte{ping(undefined...)}, compare.Counts{Unjudged: 1}},
		{"a ping that netstack complains of, and the same that it answers", [][]byte{ping(148, 4, 0, 1), ping()}, compare.Counts{Differ: 1, Match: 1}},
		{"two pings alike", [][]byte{ping(), ping()}, compare.Counts{Match: 2}},
		{"a solicitation that netstack ignores, and one that it answers", [][]byte{solicit("ff02::1:ff00:2"), solicit(host6)}, compare.Counts{Match: 1, Missing: 1}},
		{"the first alone", [][]byte{solicit("ff02::1:ff00:2")}, compare.Counts{Missing: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := newServing(t, false)
			for _, b := range test.packets {
				j.Inbound(b)
			}
			j.comparer.Sweep(time.Now().Add(time.Hour))
			if diff := cmp.Diff(test.want, j.comparer.Counts()); diff != "" {
				t.Errorf("counts (-want +got):\n%s\n%+v", diff, comparisons(j.rec.take()))
			}
		})
	}
}

// TestQuoted: of datagrams whose headers are alike, as those of a super-datagram, the
// one is reported that is quoted.
func TestQuoted(t *testing.T) {
	b := newServingBench()
	hand := byhand.NewHost(byhand.Config{Addresses: addrs, UDPPorts: []uint16{}})
	var reply []byte
	for i := range 3 {
		data := bt.Data(40)
		// Words in another order have the same sum.
		data[0], data[1], data[2*i], data[2*i+1] = data[2*i], data[2*i+1], data[0], data[1]
		request := bt.UDP{SrcPort: 4000, DstPort: 81, Data: data}.Packet(peer6, host6)
		b.in(slices.Clone(request))
		if i == 1 {
			var p hooks.Packet
			p.Set(hooks.Inbound, request, b.now)
			reply = hand.Inbound(&p.Packet, p.Checks(), b.now).Reply
		}
	}
	b.out(reply)
	if diff := cmp.Diff(compare.Counts{Match: 1}, b.comparer.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	var p wire.Packet
	if p.Decode(reply); p.ICMP.Type != 1 {
		t.Fatalf("reply %x", reply)
	}
}

// TestQuotedOther: an error about a packet that nobody has seen, like one that was seen
// but for its length, is not taken for the error about that one.
func TestQuotedOther(t *testing.T) {
	b := newServingBench()
	hand := byhand.NewHost(byhand.Config{Addresses: addrs, UDPPorts: []uint16{}})
	datagram := func(n int) []byte { return bt.UDP{SrcPort: 4000, DstPort: 81, Data: bt.Data(n)}.Packet(peer6, host6) }
	b.in(datagram(40))
	var p hooks.Packet
	p.Set(hooks.Inbound, datagram(48), b.now)
	b.out(hand.Inbound(&p.Packet, p.Checks(), b.now).Reply)
	b.pass()
	if diff := cmp.Diff(compare.Counts{Missing: 1, Unjudged: 1}, b.comparer.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// TestTwinKeptBack: of two datagrams alike the error about the first is kept back, that
// about the second comes. What has kept the first back still excuses it.
func TestTwinKeptBack(t *testing.T) {
	b := newBench()
	limited := uint64(0)
	b.comparer = compare.New(compare.Config{
		Host:   byhand.NewHost(byhand.Config{Addresses: addrs, UDPPorts: []uint16{}}),
		Ledger: b.ledger, Tracer: b.rec, Responder: "netstack", Now: b.clock, RateLimited: func() uint64 { return limited },
	})
	hand := byhand.NewHost(byhand.Config{Addresses: addrs, UDPPorts: []uint16{}})
	request := bt.UDP{SrcPort: 4000, DstPort: 81, Data: bt.Data(8)}.Packet(peer6, host6)
	b.in(request)
	limited++
	p := b.in(request)
	b.out(hand.Inbound(&p.Packet, p.Checks(), b.now).Reply)
	b.pass()
	if diff := cmp.Diff(compare.Counts{Match: 1}, b.comparer.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}
