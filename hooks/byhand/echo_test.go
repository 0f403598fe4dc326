package byhand_test

import (
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// goldenRequest is a ping as a kernel sent it to 172.16.0.2, and goldenReply
// what is due: the addresses change places, which leaves the header's sum at
// 0x615d, the type becomes 0, and the ICMP sum 0x5cf5.
const (
	goldenRequest = "45000054812840004001615dac100001ac100002" +
		"080054f5000d0001a1fb006a0000000041c4000000000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
	goldenReply = "45000054812840004001615dac100002ac100001" +
		"00005cf5000d0001a1fb006a0000000041c4000000000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
)

func TestGoldenReply(t *testing.T) {
	got := inbound(newHost(), bits(t, goldenRequest), epoch)
	if diff := cmp.Diff(must, verdictOf(got)); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff(goldenReply, hex.EncodeToString(got.Reply)); diff != "" {
		t.Error(diff)
	}
	if got.Form != byhand.EchoReply || got.RFC != "RFC 1122 §3.2.2.6" || got.Reassembled || got.Doubt {
		t.Errorf("prediction is %+v", got)
	}
}

// TestReply holds replies against the same messages made by other code, at
// every length of the data up to 600, odd ones included.
func TestReply(t *testing.T) {
	h := newHost()
	for n := range 600 {
		e := byhandtest.Echo{Code: uint8(n % 3), ID: uint16(n), Seq: 0xffff - uint16(n), Data: byhandtest.Data(n)}
		ip4 := byhandtest.IPv4{Src: peer4, Dst: host4, TOS: uint8(n), ID: uint16(3 * n), DF: n%2 == 0, TTL: uint8(n)}
		got := inbound(h, ip4.Packet(e.Request4()), epoch)
		ip4.Src, ip4.Dst, ip4.TTL = ip4.Dst, ip4.Src, 64
		if diff := cmp.Diff(ip4.Packet(e.Reply4()), got.Reply); diff != "" || verdictOf(got) != must {
			t.Fatalf("IPv4, %d bytes: %v\n%s", n, verdictOf(got), diff)
		}
		ip6 := byhandtest.IPv6{Src: peer6, Dst: host6, TrafficClass: uint8(n), FlowLabel: uint32(n), HopLimit: uint8(n)}
		got = inbound(h, ip6.Packet(e.Request6(peer6, host6)), epoch)
		ip6.Src, ip6.Dst, ip6.HopLimit, ip6.FlowLabel = host6, peer6, 64, 0
		if diff := cmp.Diff(ip6.Packet(e.Reply6(host6, peer6)), got.Reply); diff != "" || verdictOf(got) != must {
			t.Fatalf("IPv6, %d bytes: %v\n%s", n, verdictOf(got), diff)
		}
	}
}

// TestReservedFlag: it must be zero in what we send (RFC 791 §3.1).
func TestReservedFlag(t *testing.T) {
	got := inbound(newHost(), byhandtest.IPv4{Src: peer4, Dst: host4, Reserved: true}.Packet(echo.Request4()), epoch)
	var reply wire.Packet
	if !reply.Decode(got.Reply) || reply.IPv4.Reserved || verdictOf(got) != must {
		t.Errorf("%v: %+v", verdictOf(got), reply.IPv4)
	}
}

// TestReplySource: where the request went to no unicast address, the reply
// comes from the host's first.
func TestReplySource(t *testing.T) {
	h := hostWith("10.0.0.1/8", host4+"/24", "2001:db8::1/64", host6+"/64")
	for _, test := range []struct{ src, dst, want string }{
		{peer4, host4, host4},
		{peer4, "10.0.0.1", "10.0.0.1"},
		{peer4, "172.16.0.255", "10.0.0.1"},
		{peer4, "255.255.255.255", "10.0.0.1"},
		{peer4, "224.0.0.1", "10.0.0.1"},
		{peer6, host6, host6},
		{peer6, "ff02::1", "2001:db8::1"},
	} {
		got := inbound(h, request(test.src, test.dst), epoch)
		var reply wire.Packet
		if !reply.Decode(got.Reply) || reply.Src.String() != test.want || reply.Dst.String() != test.src {
			t.Errorf("to %s: reply from %v to %v", test.dst, reply.Src, reply.Dst)
		}
	}
}
