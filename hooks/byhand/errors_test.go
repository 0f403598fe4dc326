package byhand_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// datagram is a UDP datagram from port 4000, and message one of any protocol.
func datagram(src, dst string, port uint16, n int) []byte {
	return bt.UDP{SrcPort: 4000, DstPort: port, Data: bt.Data(n)}.Packet(src, dst)
}

func protocol4(number uint8, data ...byte) []byte {
	return bt.IPv4{Src: peer4, Dst: host4, Protocol: number}.Packet(data)
}

func protocol6(number uint8, extensions ...bt.Extension) []byte {
	return bt.IPv6{Src: peer6, Dst: host6, Protocol: number, Extensions: extensions}.Packet([]byte{1, 2, 3, 4})
}

// option6 is an extension header with one option of four bytes of data.
func option6(protocol, kind uint8) bt.Extension {
	return bt.Extension{Protocol: protocol, Body: []byte{0, kind, 4, 0, 0, 0, 0}}
}

// TestErrors has each rule by which an ICMP error is due, or must not be sent.
func TestErrors(t *testing.T) {
	const hop, dest = wire.ProtocolHopByHop, wire.ProtocolDestination
	icmpError := bt.IPv4{Src: peer4, Dst: host4, Options: []byte{7, 1, 0, 0}}.Packet(append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, datagram(host4, peer4, 9, 0)...))
	toGroup := func(kind uint8) []byte {
		return bt.IPv6{Src: peer6, Dst: "ff02::1", Protocol: 17, Extensions: []bt.Extension{option6(dest, kind)}}.Packet(make([]byte, 8))
	}
	odd := bt.Fragment(datagram(peer6, host6, 7, 0)[:40], bt.Data(13), 1, 8, true)
	twoAlerts := protocol6(17, bt.Extension{Protocol: hop, Body: []byte{1, 5, 2, 0, 0, 5, 2, 0, 0, 1, 4, 0, 0, 0, 0}})
	type outcome struct {
		verdict
		RFC         string
		Requirement byhand.Requirement
		// Kind, Code and Pointer are the error's.
		Kind, Code byte
		Pointer    uint32
	}
	for _, test := range []struct {
		name   string
		packet []byte
		want   outcome
	}{
		{"closed port", datagram(peer4, host4, 81, 5), outcome{due(byhand.ReasonClosedPort), "RFC 1122 §4.1.3.1", "should", 3, 3, 0}},
		{"closed port, IPv6", datagram(peer6, host6, 81, 5), outcome{due(byhand.ReasonClosedPort), "RFC 4443 §3.1", "should", 1, 4, 0}},
		{"port 0", datagram(peer4, host4, 0, 5), outcome{due(byhand.ReasonClosedPort), "RFC 1122 §4.1.3.1", "should", 3, 3, 0}},
		{"port 65535", datagram(peer4, host4, 65535, 5), outcome{due(byhand.ReasonClosedPort), "RFC 1122 §4.1.3.1", "should", 3, 3, 0}},
		{"open port", datagram(peer4, host4, 7, 5), outcome{verdict: noView}},
		{"protocol", protocol4(99, 1), outcome{due(byhand.ReasonUnknownProtocol), "RFC 1122 §3.2.2.1", "should", 3, 2, 0}},
		{"ESP", protocol4(50, 1), outcome{free(byhand.ReasonUnknownProtocol), "RFC 1122 §3.2.2.1", "may", 3, 2, 0}},
		{"next header", protocol6(99), outcome{due(byhand.ReasonUnknownProtocol), "RFC 8200 §4", "should", 4, 1, 6}},
		{"next header behind options", protocol6(99, option6(dest, 0x1e)), outcome{due(byhand.ReasonUnknownProtocol), "RFC 8200 §4", "should", 4, 1, 40}},
		{"no next header", protocol6(59), outcome{verdict: noView}},
		{"option length", request4(peer4, host4, 1, 7, 1, 0), outcome{due(wire.ReasonBadOption), "RFC 1122 §3.2.2.5", "should", 12, 0, 22}},
		{"option past the header", request4(peer4, host4, 7, 7, 4, 0), outcome{due(wire.ReasonBadOption), "RFC 1122 §3.2.2.5", "should", 12, 0, 21}},
		{"option in an error", icmpError, outcome{verdict: silence(wire.ReasonBadOption), RFC: "RFC 1122 §3.2.2", Requirement: "must"}},
		{"option 01", protocol6(17, option6(dest, 0x7e)), outcome{verdict: silence(byhand.ReasonUnknownIPv6Option), RFC: "RFC 8200 §4.2", Requirement: "must"}},
		{"option 10", protocol6(17, option6(dest, 0x9e)), outcome{due(byhand.ReasonUnknownIPv6Option), "RFC 8200 §4.2", "must", 4, 2, 42}},
		{"option 11", protocol6(17, option6(hop, 0xde)), outcome{due(byhand.ReasonUnknownIPv6Option), "RFC 8200 §4.2", "must", 4, 2, 42}},
		{"option 10 to a group", toGroup(0x9e), outcome{due(byhand.ReasonUnknownIPv6Option), "RFC 8200 §4.2", "must", 4, 2, 42}},
		{"option 11 to a group", toGroup(0xde), outcome{verdict: silence(byhand.ReasonUnknownIPv6Option), RFC: "RFC 8200 §4.2", Requirement: "must"}},
		{"routing header", protocol6(17, bt.Extension{Protocol: wire.ProtocolRouting, Body: []byte{0, 9, 1, 0, 0, 0, 0}}),
			outcome{due(byhand.ReasonRoutingHeader), "RFC 8200 §4.4", "must", 4, 0, 42}},
		{"hop-by-hop behind", protocol6(17, option6(dest, 1), option6(hop, 1)), outcome{due(byhand.ReasonMisplacedExtension), "RFC 8200 §4.1", "should", 4, 1, 40}},
		{"odd fragment", odd, outcome{due(wire.ReasonBadFragment), "RFC 8200 §4.5", "should", 4, 0, 4}},
		{"odd fragment past the end", bt.Fragment(datagram(peer6, host6, 7, 0)[:40], bt.Data(13), 1, 65528, true),
			outcome{free(wire.ReasonBadFragment), "RFC 8200 §4.5", "may", 4, 0, 4}},
		{"odd fragment behind two router alerts", bt.Fragment(twoAlerts[:56], bt.Data(13), 1, 8, true),
			outcome{free(wire.ReasonBadFragment), "RFC 8200 §4.5", "may", 4, 0, 4}},
		{"fragment past the end", bt.Fragment(datagram(peer6, host6, 7, 0)[:40], bt.Data(100), 1, 65528, false),
			outcome{due(byhand.ReasonReassemblyTooLong), "RFC 8200 §4.5", "should", 4, 0, 42}},

		{"to the broadcast", datagram(peer4, "172.16.0.255", 81, 0), outcome{verdict: silence(byhand.ReasonClosedPort), RFC: "RFC 1122 §3.2.2", Requirement: "must"}},
		{"to a group", datagram(peer4, "224.0.0.1", 81, 0), outcome{verdict: silence(byhand.ReasonClosedPort), RFC: "RFC 1122 §3.2.2", Requirement: "must"}},
		{"to all nodes", datagram(peer6, "ff02::1", 81, 0), outcome{verdict: silence(byhand.ReasonClosedPort), RFC: "RFC 4443 §2.4", Requirement: "must"}},
		{"from 0.0.0.0", datagram("0.0.0.0", host4, 81, 0), outcome{verdict: silence(byhand.ReasonClosedPort), RFC: "RFC 1122 §3.2.2", Requirement: "must"}},
		{"from 0.0.0.9", datagram("0.0.0.9", host4, 81, 0), outcome{verdict: silence(byhand.ReasonClosedPort), RFC: "RFC 1122 §3.2.2", Requirement: "must"}},
		{"from class E", datagram("240.0.0.9", host4, 81, 0), outcome{verdict: silence(byhand.ReasonClosedPort), RFC: "RFC 1122 §3.2.2", Requirement: "must"}},
		{"from ::", datagram("::", host6, 81, 0), outcome{verdict: silence(byhand.ReasonClosedPort), RFC: "RFC 4443 §2.4", Requirement: "must"}},
		{"from itself", datagram(host4, host4, 81, 0), outcome{free(byhand.ReasonClosedPort), "RFC 1122 §4.1.3.1", "may", 3, 3, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := servingHost()
			p := inbound(h, test.packet, epoch)
			checkPrediction(t, h, p)
			got := outcome{verdict: verdictOf(p), RFC: p.RFC, Requirement: p.Requirement}
			if p.Reply != nil {
				var reply wire.Packet
				reply.Decode(p.Reply)
				got.Kind, got.Code = reply.ICMP.Type, reply.ICMP.Code
				got.Pointer = uint32(reply.ICMP.ID)<<16 | uint32(reply.ICMP.Seq)
				if reply.Version == 4 {
					got.Pointer >>= 24
				}
				if p.Form != byhand.ICMPError {
					t.Errorf("form %v", p.Form)
				}
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(outcome{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestQuote: of each length, as much comes back as may.
func TestQuote(t *testing.T) {
	for n := 0; n <= 1400; n += 7 {
		for _, packet := range [][]byte{datagram(peer4, host4, 81, n), datagram(peer6, host6, 81, n)} {
			h := servingHost()
			p := inbound(h, append(bytes.Clone(packet), 1, 2, 3), epoch)
			checkPrediction(t, h, p)
			if verdictOf(p) != due(byhand.ReasonClosedPort) {
				t.Errorf("%d bytes: %v", n, verdictOf(p))
			}
		}
	}
}

// TestNoPorts: a host that does not know its ports says nothing of them, and
// one that has none says that all are closed.
func TestNoPorts(t *testing.T) {
	prefixes := []netip.Prefix{netip.MustParsePrefix(host4 + "/24")}
	for name, test := range map[string]struct {
		host *byhand.Host
		want verdict
	}{
		"no opinion": {byhand.New(prefixes), noView},
		"none open":  {byhand.NewHost(byhand.Config{Addresses: prefixes, UDPPorts: []uint16{}}), due(byhand.ReasonClosedPort)},
	} {
		if got := verdictOf(inbound(test.host, datagram(peer4, host4, 7, 0), epoch)); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestUnreportable has packets, cut as they stand in an error, about which none
// may be sent whatever was asked.
func TestUnreportable(t *testing.T) {
	h := servingHost()
	cut := func(b []byte) []byte { return b[:28] }
	second := bt.Fragment(request4(peer4, host4)[:20], bt.Data(16), 1, 8, false)
	for name, test := range map[string]struct {
		packet []byte
		want   string
	}{
		"datagram":          {cut(datagram(peer4, host4, 81, 9)), ""},
		"echo":              {cut(request4(peer4, host4)), ""},
		"error":             {cut(protocol4(1, 3, 3, 0, 0, 0, 0, 0, 0, 9)), "RFC 1122 §3.2.2"},
		"redirect":          {cut(protocol4(1, 5, 1, 0, 0, 0, 0, 0, 0, 9)), "RFC 1122 §3.2.2"},
		"second fragment":   {cut(second), "RFC 1122 §3.2.2"},
		"broadcast":         {cut(datagram(peer4, "255.255.255.255", 81, 9)), "RFC 1122 §3.2.2"},
		"from loopback":     {cut(datagram("127.0.0.1", host4, 81, 9)), "RFC 1122 §3.2.1.3"},
		"group":             {datagram(peer6, "ff02::1", 81, 9)[:50], "RFC 4443 §2.4"},
		"error, IPv6":       {bt.IPv6{Src: peer6, Dst: host6}.Packet([]byte{1, 4, 0, 0}), "RFC 4443 §2.4"},
		"echo, IPv6":        {request6(peer6, host6)[:60], ""},
		"nothing":           {nil, ""},
		"less than a head":  {request4(peer4, host4)[:19], ""},
		"less than IPv6's":  {request6(peer6, host6)[:39], ""},
		"nothing but head":  {request4(peer4, host4)[:20], ""},
		"nothing but head6": {request6(peer6, host6)[:40], ""},
	} {
		var p wire.Packet
		p.Decode(test.packet)
		if got := h.Unreportable(&p, 3, 3); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
