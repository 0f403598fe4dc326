package catalogue

import (
	"bytes"
	"fmt"
	"net/netip"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

var own4 = suite.Prefix4.Addr().AsSlice()

// withOptions pings with IPv4 options, whole words of them.
func withOptions(options ...byte) send { return ping4(byhandtest.IPv4{Options: options}, 16) }

// pointsTo wants a parameter problem about an option, which points to the octet
// "where an error was detected" (RFC 792): its type, or its length.
func pointsTo(option int) suite.Want {
	return suite.AnyOf(
		suite.Reply(suite.Error(suite.ParameterProblem4, 0), suite.Pointer(option)),
		suite.Reply(suite.Error(suite.ParameterProblem4, 0), suite.Pointer(option+1)))
}

// recorded fits a reply with a record route option of the request's length that
// names the host next, once or more: "this option SHOULD be updated to include
// the current host", which leaves open whether the way back counts too.
func recorded(slots int) suite.Match {
	return suite.That("with the route recorded", func(_ *suite.Exchange, p *wire.Packet) string {
		o := p.Bytes[20:p.IPv4.HeaderLen]
		length := 3 + 4*slots
		switch {
		case len(o) < length || o[0] != wire.OptionRecordRoute || int(o[1]) != length:
			return fmt.Sprintf("the reply's options are %x, without the record route option", o)
		case o[2] < 8:
			return "nothing is recorded"
		}
		for at := 3; at < int(o[2])-1; at += 4 {
			if !bytes.Equal(o[at:at+4], own4) {
				return fmt.Sprintf("%v is recorded", netip.AddrFrom4([4]byte(o[at:])))
			}
		}
		return ""
	})
}

// inHex is options in words.
func inHex(options []byte) string {
	if len(options) == 0 {
		return "none"
	}
	return fmt.Sprintf("%x", options)
}

// Source route options (RFC 791 §3.1).
const loose, strict = 131, 137

// route is a source route of one address, padded: completed, if the pointer is 8,
// and still to go if it is 4.
func route(kind byte, address string, pointer byte) []byte {
	return append(append([]byte{kind, 7, pointer}, netip.MustParseAddr(address).AsSlice()...), 0)
}

// byWayOf fits a packet that goes back to the case by the way that it came.
func byWayOf(kind byte) suite.Match {
	return suite.That("by the way it came", func(x *suite.Exchange, p *wire.Packet) string {
		want := route(kind, x.Peer4, 4)
		switch o := p.Bytes[20:p.IPv4.HeaderLen]; {
		case !bytes.Equal(o, want):
			return fmt.Sprintf("its options are %s, not %x", inHex(o), want)
		case p.Dst != netip.MustParseAddr(x.Via4):
			return fmt.Sprintf("it goes to %s, not to %s", p.Dst, x.Via4)
		}
		return ""
	})
}

func options4() []suite.Case {
	return []suite.Case{
		{
			ID: "option-nop-eol", Title: "no operation and end of list are no obstacle",
			Requirement: suite.Must, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(1, 1, 1, 0), pong()),
		},
		{
			// "The IP and transport layer MUST each interpret those IP options that
			// they understand and silently ignore the others."
			ID: "option-unknown", Title: "an unknown option is ignored",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.8",
			Steps: ask(withOptions(0x5e, 4, 0xaa, 0xbb), pong()),
		},
		{
			ID: "option-unknown-twice", Title: "the same unknown option twice is ignored",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.8",
			Place: "network/ipv4/ipv4.go processIPOptions",
			Steps: ask(withOptions(0x5e, 4, 0xaa, 0xbb, 0x5e, 4, 0xaa, 0xbb), pong()),
		},
		{
			// "A host SHOULD generate Parameter Problem messages."
			ID: "option-length-0", Title: "an option of length 0 is a parameter problem",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.5",
			Steps: ask(withOptions(0x5e, 0, 0, 0), pointsTo(20)),
		},
		{
			ID: "option-length-1", Title: "an option of length 1 is a parameter problem",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.5",
			Steps: ask(withOptions(0x5e, 1, 0, 0), pointsTo(20)),
		},
		{
			ID: "option-past-header", Title: "an option that runs past the header is a parameter problem",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.5",
			Steps: ask(withOptions(0x5e, 5, 0, 0), pointsTo(20)),
		},
		{
			// "If a Record Route and/or Time Stamp option is received in an ICMP
			// Echo Request, this option ... SHOULD be updated to include the
			// current host and included in the IP header of the Echo Reply message,
			// without 'truncation'."
			ID: "record-route", Title: "a route is recorded and returned",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(withOptions(7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0), suite.Reply(suite.EchoReply(0), recorded(2))),
		},
		{
			// "If the route data area is already full the datagram is forwarded
			// without inserting the address into the recorded route."
			ID: "record-route-full", Title: "a full route is returned as it came",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(withOptions(7, 7, 8, 10, 1, 2, 3, 0),
				suite.Reply(suite.EchoReply(0), suite.Options4([]byte{7, 7, 8, 10, 1, 2, 3, 0}))),
		},
		{
			ID: "timestamp-option", Title: "a timestamp is recorded and returned",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(withOptions(68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0), suite.Reply(suite.EchoReply(0),
				suite.That("with the time recorded", func(_ *suite.Exchange, p *wire.Packet) string {
					o := p.Bytes[20:p.IPv4.HeaderLen]
					if len(o) != 12 || o[0] != wire.OptionTimestamp || o[2] < 9 || o[3] != 0 {
						return fmt.Sprintf("the reply's options are %x", o)
					}
					return ""
				}))),
		},
		{
			// "If a Source Route option is received in an ICMP Echo Request, the
			// return route MUST be reversed and used as a Source Route option for
			// the Echo Reply message."
			ID: "loose-source-route", Title: "a source route is reversed",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2.6",
			Place: "network/ipv4/ipv4.go processIPOptions",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return x.Ping4(byhandtest.IPv4{Options: route(loose, x.Via4, 8)}, 16)
			}), suite.Reply(suite.That("an echo reply", func(x *suite.Exchange, p *wire.Packet) string {
				if p.Upper != wire.LayerICMPv4 || p.ICMP.Type != wire.ICMPv4EchoReply {
					return "not an echo reply"
				}
				return ""
			}), byWayOf(loose))),
		},
		{
			// "Hosts shall ignore this option. ... Unrecognized value fields shall be
			// silently ignored." The values from 1 on are reserved (§2.1).
			ID: "router-alert-value", Title: "a router alert of an unknown value is ignored",
			Requirement: suite.Must, RFC: "RFC 2113 §2.2",
			Place: "network/ipv4/ipv4.go handleRouterAlert",
			Steps: ask(withOptions(148, 4, 0, 1), pong()),
		},
		{
			// "An ICMP error message MUST NOT be sent as the result of receiving
			// ... a non-initial fragment."
			ID: "option-bad-late-fragment", Title: "no error about a bad option in a later fragment",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				h := x.V4(byhandtest.IPv4{Options: []byte{0x5e, 0, 0, 0}}).Packet(nil)
				return byhandtest.Fragment(h, byhandtest.Data(16), uint32(x.ID), 64, false)
			}), suite.Silence()),
		},
		{
			// The same of another protocol than ICMP, of which fragments have no type.
			ID: "option-bad-late-datagram", Title: "nor in a later fragment of a UDP datagram",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2",
			Place: "network/ipv4/icmp.go returnError",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				h := x.V4(byhandtest.IPv4{Protocol: wire.ProtocolUDP, Options: []byte{0x5e, 0, 0, 0}}).Packet(nil)
				return byhandtest.Fragment(h, byhandtest.Data(16), uint32(x.ID), 64, false)
			}), suite.Silence()),
		},
	}
}
