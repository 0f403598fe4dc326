package catalogue

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// dayLen is a day, in milliseconds.
const dayLen = 24 * 60 * 60 * 1000

// isNow says whether a timestamp is the time, within a few minutes, or says that
// it is no "standard value" by its highest bit (RFC 1122 §3.2.2.8, RFC 791 §3.1).
func isNow(stamp uint32) string {
	now := uint32(time.Now().UTC().UnixMilli() % dayLen)
	early := (stamp + dayLen - now) % dayLen
	if stamp>>31 == 1 || early < 5*60*1000 || dayLen-early < 5*60*1000 {
		return ""
	}
	return fmt.Sprintf("the time is %d, not about %d", stamp, now)
}

// forwarded fits an echo request that goes on to the next of its source route, with
// the host's own address in the route.
func forwarded(x *suite.Exchange, p *wire.Packet) string {
	switch {
	case p.Upper != wire.LayerICMPv4 || p.ICMP.Type != wire.ICMPv4EchoRequest:
		return "not the request"
	case p.Src != netip.MustParseAddr(x.Peer4) || p.Dst != netip.MustParseAddr(x.Via4):
		return fmt.Sprintf("it goes from %s to %s", p.Src, p.Dst)
	}
	return ""
}

func options4Routes() []suite.Case {
	row := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	other := []byte{10, 1, 2, 3}
	routed := func(kind, pointer byte) send {
		return one(func(x *suite.Exchange) []byte {
			return x.Ping4(byhandtest.IPv4{Options: route(kind, x.Via4, pointer)}, 16)
		})
	}
	// onward is what becomes of a route that is not completed.
	onward := suite.AnyOf(suite.Reply(suite.Error(suite.Unreachable4, 5)), suite.Forwarded("the request, forwarded", forwarded))
	// damaged is what may become of an option that makes no sense: it is reported,
	// or left alone.
	damaged := suite.AnyOf(suite.Silence(), pong(), suite.Reply(suite.Error(suite.ParameterProblem4, 0)))
	return []suite.Case{
		{
			// "If a host receives a datagram with an incomplete source route but
			// does not forward it for some reason, the host SHOULD return an ICMP
			// Destination Unreachable (code 5, Source Route Failed) message". To
			// forward it by the link it came from is permitted without
			// restriction.
			ID: "loose-source-route-incomplete", Title: "a source route that leads on is followed, or reported to have failed",
			Requirement: suite.Should, RFC: "RFC 1122 §3.3.5",
			Place: "network/ipv4/ipv4.go processIPOptions",
			Steps: ask(routed(loose, 4), onward),
		},
		{
			ID: "strict-source-route-incomplete", Title: "the same of a strict source route",
			Requirement: suite.Should, RFC: "RFC 1122 §3.3.5",
			Place: "network/ipv4/ipv4.go processIPOptions",
			Steps: ask(routed(strict, 4), onward),
		},
		{
			ID: "strict-source-route", Title: "a strict source route is reversed",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2.6",
			Place: "network/ipv4/ipv4.go processIPOptions",
			Steps: ask(routed(strict, 8), suite.Reply(suite.That("an echo reply", func(_ *suite.Exchange, p *wire.Packet) string {
				if p.Upper != wire.LayerICMPv4 || p.ICMP.Type != wire.ICMPv4EchoReply {
					return "not an echo reply"
				}
				return ""
			}), byWayOf(strict))),
		},
		{
			// "A host MUST ... be able to act as the final destination of a source
			// route." Whether a service answers by it is the service's affair.
			ID: "source-route-udp", Title: "a datagram that came by a source route reaches its port",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.8",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				d := x.UDP4(suite.EchoPort, 33)
				return x.V4(byhandtest.IPv4{Protocol: wire.ProtocolUDP, Options: route(loose, x.Via4, 8)}).Packet(d[20:])
			}), suite.Reply(suite.That("its datagram", func(x *suite.Exchange, p *wire.Packet) string {
				switch {
				case p.Upper != wire.LayerUDP || p.UDP.SrcPort != suite.EchoPort || p.UDP.DstPort != x.Port:
					return "not the datagram"
				case !bytes.Equal(p.Data()[8:], byhandtest.Data(33)):
					return "its data is other"
				}
				return ""
			}))),
		},
		{
			// "This option is obsolete; it SHOULD NOT be sent, and it MUST be
			// silently ignored if received."
			ID: "option-stream-id", Title: "a stream identifier is ignored",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.8",
			Steps: ask(withOptions(136, 4, 0, 9), pong()),
		},
		{
			// Security is an option that a host here does not understand.
			ID: "option-security", Title: "a security option is ignored",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.8",
			Steps: ask(withOptions(130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), pong()),
		},
		{
			// "Hosts shall ignore this option."
			ID: "router-alert", Title: "a router alert is ignored by a host",
			Requirement: suite.Must, RFC: "RFC 2113 §2.2",
			Steps: ask(withOptions(148, 4, 0, 0), pong()),
		},
		{
			// "The pointer is relative to this option, and the smallest legal value
			// for the pointer is 4."
			ID: "record-route-pointer-3", Title: "a route whose pointer is too small may be reported",
			Requirement: suite.May, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(row([]byte{7, 7, 3}, other, []byte{0})...), damaged),
		},
		{
			ID: "record-route-pointer-0", Title: "so may one whose pointer is 0",
			Requirement: suite.May, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(row([]byte{7, 7, 0}, other, []byte{0})...), damaged),
		},
		{
			// "The smallest legal value is 5."
			ID: "timestamp-pointer-4", Title: "a timestamp option whose pointer is too small may be reported",
			Requirement: suite.May, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(row([]byte{68, 8, 4, 0}, other)...), damaged),
		},
		{
			ID: "timestamp-flag-unknown", Title: "so may one with a flag of which nothing is said",
			Requirement: suite.May, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(row([]byte{68, 8, 5, 2}, other)...), damaged),
		},
		{
			// "A timestamp value MUST follow the rules given in Section 3.2.2.8":
			// milliseconds since midnight Universal Time, "correct within a few
			// minutes", or the high bit set (RFC 791 §3.1).
			ID: "timestamp-value", Title: "the time that is recorded is the time",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.8",
			Steps: ask(withOptions(68, 8, 5, 0, 0, 0, 0, 0), suite.Reply(suite.EchoReply(0),
				suite.That("with the time", func(_ *suite.Exchange, p *wire.Packet) string {
					o := p.Bytes[20:p.IPv4.HeaderLen]
					if len(o) < 8 || o[0] != wire.OptionTimestamp || o[2] != 9 {
						return fmt.Sprintf("the reply's options are %x", o)
					}
					return isNow(binary.BigEndian.Uint32(o[4:]))
				}))),
		},
		{
			// Flag 0 again, behind what another has recorded.
			ID: "timestamp-second-slot", Title: "a timestamp is recorded behind what is there",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(withOptions(row([]byte{68, 12, 9, 0}, other, make([]byte, 4))...),
				optionIs("with the second slot filled", row([]byte{68, 12, 13, 0}, other, anyTime)...)),
		},
		{
			// Both options may come at once.
			ID: "record-route-and-timestamp", Title: "a route and a time are recorded in the same datagram",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(withOptions(row([]byte{7, 7, 4}, make([]byte, 4), []byte{1, 68, 8, 5, 0}, make([]byte, 4), []byte{0, 0, 0, 0})[:20]...),
				suite.Reply(suite.EchoReply(0), suite.That("with both", func(_ *suite.Exchange, p *wire.Packet) string {
					o := p.Bytes[20:p.IPv4.HeaderLen]
					if !bytes.Contains(o, row([]byte{7, 7, 8}, own4)) || !bytes.Contains(o, []byte{68, 8, 9, 0}) {
						return fmt.Sprintf("the reply's options are %x", o)
					}
					return ""
				}))),
		},
	}
}
