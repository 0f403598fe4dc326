package byhand_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// with changes one byte of a packet, and completes an IPv4 header again.
func with(packet []byte, at int, value byte) []byte {
	packet[at] = value
	if packet[0]>>4 == 4 && packet[0]&0xf >= 5 && at < 20 && at != 10 && at != 11 {
		bt.SetHeaderChecksum(packet)
	}
	return packet
}

// TestSilence has each rule that keeps the host silent, with the reason and
// the RFC that it names.
func TestSilence(t *testing.T) {
	tcp := make([]byte, 20)
	tcp[12] = 5 << 4
	udp := []byte{0, 7, 0, 7, 0, 8, 0x12, 0x34}
	type rule struct {
		verdict
		RFC  string
		Echo bool
	}
	rules := func(reason, rfc string, echo bool) rule { return rule{silence(reason), rfc, echo} }
	for _, test := range []struct {
		name   string
		packet []byte
		want   rule
	}{
		{"nothing", nil, rules(wire.ReasonTooShort, "RFC 1122 §3.2.1.1", false)},
		{"version 5", with(request4(peer4, host4), 0, 0x55), rules(wire.ReasonBadVersion, "RFC 1122 §3.2.1.1", false)},
		{"header of 4 words", with(request4(peer4, host4), 0, 0x44), rules(wire.ReasonBadHeaderLength, "RFC 1812 §5.2.2", false)},
		{"total length under the header's", with(request4(peer4, host4), 3, 19), rules(wire.ReasonBadTotalLength, "RFC 1812 §5.2.2", false)},
		{"truncated", request4(peer4, host4)[:40], rules(wire.ReasonTruncated, "RFC 1812 §5.2.2", false)},
		{"truncated, IPv6", request6(peer6, host6)[:60], rules(wire.ReasonTruncated, "RFC 8200 §3", false)},
		{"header checksum", with(request4(peer4, host4), 10, 0), rules(byhand.ReasonBadIPv4Checksum, "RFC 1122 §3.2.1.2", true)},

		{"from loopback", request4("127.0.0.1", host4), rules(byhand.ReasonMartianSource, "RFC 1122 §3.2.1.3", true)},
		{"from multicast", request4("224.0.0.1", host4), rules(byhand.ReasonMartianSource, "RFC 1122 §3.2.1.3", true)},
		{"from the limited broadcast", request4("255.255.255.255", host4), rules(byhand.ReasonMartianSource, "RFC 1122 §3.2.1.3", true)},
		{"from the subnet's broadcast", request4("172.16.0.255", host4), rules(byhand.ReasonMartianSource, "RFC 1122 §3.2.1.3", true)},
		{"to loopback", request4(peer4, "127.0.0.1"), rules(byhand.ReasonMartianDestination, "RFC 1122 §3.2.1.3", true)},
		{"to another host", request4(peer4, "172.16.0.3"), rules(byhand.ReasonNotOurs, "RFC 1122 §3.2.1.3", true)},
		{"from 0.0.0.0", request4("0.0.0.0", host4), rules(byhand.ReasonUnspecifiedRequester, "RFC 1122 §3.2.1.3", true)},
		{"from a host on this network", request4("0.0.0.5", host4), rules(byhand.ReasonUnspecifiedRequester, "RFC 1122 §3.2.1.3", true)},
		{"from ::1", request6("::1", host6), rules(byhand.ReasonMartianSource, "RFC 4291 §2.5.3", true)},
		{"from a group, IPv6", request6("ff02::1", host6), rules(byhand.ReasonMartianSource, "RFC 4291 §2.7", true)},
		{"to ::1", request6(peer6, "::1"), rules(byhand.ReasonMartianDestination, "RFC 4291 §2.5.3", true)},
		{"from ::", request6("::", host6), rules(byhand.ReasonUnspecifiedRequester, "RFC 4291 §2.5.2", true)},
		{"to another host, IPv6", request6(peer6, "fd00:172::3"), rules(byhand.ReasonNotOurs, "RFC 1122 §3.2.1.3", true)},

		{"ICMP checksum", bt.IPv4{Src: peer4, Dst: host4}.Packet(bt.Echo{Spoil: 1}.Request4()), rules(byhand.ReasonBadICMPChecksum, "RFC 792", true)},
		{"ICMP of 7 bytes", bt.IPv4{Src: peer4, Dst: host4}.Packet(make([]byte, 7)), rules(wire.ReasonShortICMP, "RFC 792", false)},
		{"ICMPv6 checksum", bt.IPv6{Src: peer6, Dst: host6}.Packet(bt.Echo{Spoil: 1}.Request6(peer6, host6)), rules(byhand.ReasonBadICMPChecksum, "RFC 4443 §2.3", true)},
		{"ICMPv6 of 4 bytes", bt.IPv6{Src: peer6, Dst: host6}.Packet(make([]byte, 4)), rules(wire.ReasonShortICMP, "RFC 4443 §2.1", false)},
		{"TCP checksum", bt.IPv4{Src: peer4, Dst: host4, Protocol: 6}.Packet(tcp), rules(byhand.ReasonBadTCPChecksum, "RFC 9293 §3.1", false)},
		{"TCP of 19 bytes", bt.IPv4{Src: peer4, Dst: host4, Protocol: 6}.Packet(tcp[:19]), rules(wire.ReasonShortTCP, "RFC 9293 §3.1", false)},
		{"UDP checksum", bt.IPv4{Src: peer4, Dst: host4, Protocol: 17}.Packet(udp), rules(byhand.ReasonBadUDPChecksum, "RFC 1122 §4.1.3.4", false)},
		{"UDP of 7 bytes", bt.IPv4{Src: peer4, Dst: host4, Protocol: 17}.Packet(udp[:7]), rules(wire.ReasonShortUDP, "RFC 768", false)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := inbound(newHost(), test.packet, epoch)
			if diff := cmp.Diff(test.want, rule{verdictOf(got), got.RFC, got.Form == byhand.EchoReply}, cmp.AllowUnexported(rule{})); diff != "" {
				t.Error(diff)
			}
			if got.Reply != nil {
				t.Errorf("has a reply: %x", got.Reply)
			}
			if byhand.DropReasons()[got.Reason] == "" && wire.Reasons()[got.Reason] == "" {
				t.Errorf("reason %q is not documented", got.Reason)
			}
		})
	}
}

// TestNoOpinion: of sound packets that are no echo requests nothing is said.
func TestNoOpinion(t *testing.T) {
	for name, packet := range map[string][]byte{
		"echo reply":      bt.IPv4{Src: peer4, Dst: host4}.Packet(echo.Reply4()),
		"ICMPv6 reply":    bt.IPv6{Src: peer6, Dst: host6}.Packet(echo.Reply6(peer6, host6)),
		"IGMP":            bt.IPv4{Src: peer4, Dst: host4, Protocol: 2}.Packet([]byte{1}),
		"UDP without sum": bt.IPv4{Src: peer4, Dst: host4, Protocol: 17}.Packet([]byte{0, 7, 0, 7, 0, 8, 0, 0}),
		"no next header":  bt.IPv6{Src: peer6, Dst: host6, Protocol: 59}.Packet(nil),
	} {
		if got := verdictOf(inbound(newHost(), packet, epoch)); got != noView {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestTrailing: what follows the total length is nothing (RFC 791 §3.1).
func TestTrailing(t *testing.T) {
	for _, packet := range [][]byte{request4(peer4, host4), request6(peer6, host6)} {
		plain := inbound(newHost(), packet, epoch)
		trailed := inbound(newHost(), append(packet, 1, 2, 3), epoch)
		if diff := cmp.Diff(plain.Reply, trailed.Reply); diff != "" || verdictOf(trailed) != must {
			t.Errorf("%v\n%s", verdictOf(trailed), diff)
		}
	}
}
