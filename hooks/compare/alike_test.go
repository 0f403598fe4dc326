package compare_test

import (
	"encoding/binary"
	"fmt"
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
	// An odd fragment: the error quotes a part of it, which would lead through a header.
	odd := bt.IPv6{Src: peer6, Dst: host6, Protocol: wire.ProtocolFragment}.Packet(slices.Concat(
		[]byte{wire.ProtocolHopByHop, 0, 0, 1, 0, 0, 0, 9}, []byte{wire.ProtocolUDP, 79, 1, 253}, make([]byte, 253), []byte{1, 253}, make([]byte, 253),
		[]byte{1, 126}, make([]byte, 126), bt.Data(1001)))
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
		{"an odd fragment with a header behind that of the fragment", [][]byte{odd}, compare.Counts{Match: 1}},
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

// TestQuotedProtocol: of two IPv4 packets that differ in their protocol, and in options, an
// error is about the one of the protocol that it quotes, be the rest of the quote what it may.
func TestQuotedProtocol(t *testing.T) {
	b := newServingBench()
	hand := byhand.NewHost(byhand.Config{Addresses: addrs})
	packet := func(protocol uint8, options ...byte) []byte {
		return bt.IPv4{Src: peer4, Dst: host4, ID: 9, Protocol: protocol, Options: options}.Packet(bt.Data(16))
	}
	b.in(packet(wire.ProtocolUDP, 7, 9, 4, 0)) // the option does not end in the header
	p := b.in(packet(99, 1, 1, 1, 1))
	reply := hand.Inbound(&p.Packet, p.Checks(), b.now).Reply
	quote := reply[28:]
	copy(quote[10:12], []byte{0, 0})
	copy(reply[22:24], []byte{0, 0})
	binary.BigEndian.PutUint16(reply[22:], bt.Checksum(reply[20:]))
	b.out(reply)
	b.pass()
	var got []string
	for _, e := range comparisons(b.rec.take()) {
		got = append(got, fmt.Sprint(e.Result, " ", e.Reason))
	}
	if diff := cmp.Diff([]string{"differ unknown-protocol", "missing bad-option"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestQuotedSilence: an error about a packet of which nothing may be said is found, by what
// its header says of it; one about another packet is not taken for that.
func TestQuotedSilence(t *testing.T) {
	hand := byhand.NewHost(byhand.Config{Addresses: addrs, UDPPorts: []uint16{}})
	datagram := func(src, dst string, n int) []byte {
		return bt.UDP{SrcPort: 4000, DstPort: 81, Data: bt.Data(n)}.Packet(src, dst)
	}
	for _, dst := range []string{host4, host6} {
		src := peer4
		if dst == host6 {
			src = peer6
		}
		for _, test := range []struct {
			about int
			want  compare.Counts
		}{
			{40, compare.Counts{Unexpected: 1}},
			{48, compare.Counts{Match: 1, Unjudged: 1}},
		} {
			b := newServingBench()
			bad := datagram(src, dst, 40)
			bad[len(bad)-1]++ // the sum is wrong
			b.in(bad)
			var p hooks.Packet
			p.Set(hooks.Inbound, datagram(src, dst, test.about), b.now)
			b.out(hand.Inbound(&p.Packet, p.Checks(), b.now).Reply)
			b.pass()
			if diff := cmp.Diff(test.want, b.comparer.Counts()); diff != "" {
				t.Errorf("%s, about %d bytes: counts (-want +got):\n%s", dst, test.about, diff)
			}
		}
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
