package catalogue

import (
	"encoding/binary"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

func queries4() []suite.Case {
	return []suite.Case{
		{
			// "If they are implemented, the following rules MUST be followed":
			// the source is the address asked, the times are "correct within a few
			// minutes"; the originate timestamp comes back (RFC 792).
			ID: "timestamp-reply", Title: "a timestamp reply, if there is one, has the request's time and the host's",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.2.8",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				m := make([]byte, 20)
				m[0] = 13
				put16(m, 4, x.ID)
				put16(m, 6, 7)
				binary.BigEndian.PutUint32(m[8:], 12345)
				put16(m, 2, byhandtest.Checksum(m))
				return x.V4(byhandtest.IPv4{}).Packet(m)
			}), suite.AnyOf(suite.Silence(), suite.Reply(suite.That("a timestamp reply", func(x *suite.Exchange, p *wire.Packet) string {
				d := p.Data()
				if p.Upper != wire.LayerICMPv4 || p.ICMP.Type != 14 || p.ICMP.ID != x.ID || p.ICMP.Seq != 7 || len(d) != 20 {
					return "another message"
				}
				if got := binary.BigEndian.Uint32(d[8:]); got != 12345 {
					return "the originate timestamp is another"
				}
				for at := 12; at < 20; at += 4 {
					if why := isNow(binary.BigEndian.Uint32(d[at:])); why != "" {
						return why
					}
				}
				return ""
			})))),
		},
		{
			// Nobody has asked for them. A reply to a reply would have no end.
			ID: "replies-unasked", Title: "nothing is said to replies of any type",
			Requirement: suite.Must, RFC: "RFC 792",
			Steps: ask(func(x *suite.Exchange) (all [][]byte) {
				for _, kind := range []byte{0, 14, 16, 18} {
					all = append(all, message(kind, 16)(x)...)
				}
				return all
			}, suite.Silence()),
		},
		{
			// It is from who is no gateway: "A Redirect message SHOULD be silently
			// discarded if ... the source of the Redirect is not the current
			// first-hop gateway for the specified destination".
			ID: "redirect-unasked", Title: "nothing is said to a redirect, and pings go on",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.2",
			Steps: []suite.Step{
				{Send: one(func(x *suite.Exchange) []byte {
					quote := byhandtest.UDP{SrcPort: suite.EchoPort, DstPort: x.Port}.Packet(suite.Host4, x.Peer4)
					m := append([]byte{5, 1, 0, 0, 10, 9, 8, 7}, quote...)
					put16(m, 2, byhandtest.Checksum(m))
					return x.V4(byhandtest.IPv4{Src: suite.Broadcast4}).Packet(m)
				}), Want: suite.Silence()},
				{Send: ping4(byhandtest.IPv4{}, 16), Want: pong()},
			},
		},
		{
			// "If a Source Quench message is received, the IP layer MAY silently
			// discard it." The host says nothing about it, either way.
			ID: "source-quench-flood", Title: "pings are answered after many source quenches, too",
			Requirement: suite.Must, RFC: "RFC 6633 §3",
			Steps: []suite.Step{
				{Send: func(x *suite.Exchange) (all [][]byte) {
					for range 50 {
						quote := byhandtest.Echo{ID: x.ID}.Reply4()
						m := append([]byte{4, 0, 0, 0, 0, 0, 0, 0}, byhandtest.IPv4{Src: suite.Host4, Dst: x.Peer4}.Packet(quote)...)
						put16(m, 2, byhandtest.Checksum(m))
						all = append(all, x.V4(byhandtest.IPv4{}).Packet(m))
					}
					return all
				}, Want: suite.Silence()},
				{Send: ping4(byhandtest.IPv4{}, 16), Want: pong()},
			},
		},
		{
			// "EMTU_R MUST be greater than or equal to 576".
			ID: "fragments-576", Title: "a datagram of 576 bytes in fragments is put together",
			Requirement: suite.Must, RFC: "RFC 1122 §3.3.2",
			Steps: ask(cut(ping4(byhandtest.IPv4{}, 576-28), byhandtest.Every(8, 576-20)), pong()),
		},
		{
			// "... and SHOULD be greater than or equal to the MTU of the connected
			// network(s)." The reply is in fragments, too.
			ID: "fragments-5000", Title: "a datagram of 5,000 bytes in fragments is put together, and answered in fragments",
			Requirement: suite.Should, RFC: "RFC 1122 §3.3.2",
			Steps: ask(cut(ping4(byhandtest.IPv4{}, 5000-28), byhandtest.Every(1480, 5000-20)), pong()),
		},
		{
			// A whole datagram comes between, with the identification of a pending
			// one.
			ID: "fragments-whole-amid", Title: "a whole datagram does not disturb fragments with its identification",
			Requirement: suite.Must, RFC: "RFC 791 §3.2",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				parts := cut(ping4(byhandtest.IPv4{}, 64), []int{24})(x)
				alone := x.Ping4(byhandtest.IPv4{ID: x.ID}, 64)
				return [][]byte{parts[0], alone, parts[1]}
			}, suite.Replies(echoReplies(2)...)),
		},
		{
			// A fragment has 8 bytes and a place, and the last has none behind it:
			// with 0 bytes it says nothing.
			ID: "fragments-empty", Title: "a fragment without data does no harm",
			Requirement: suite.Must, RFC: "RFC 791 §3.2",
			Steps: []suite.Step{
				{Send: pieces(ping4(byhandtest.IPv4{}, 64), piece{24, 0, true}), Want: suite.Silence()},
				{Send: ping4(byhandtest.IPv4{}, 64), Want: pong()},
			},
		},
		{
			// "A UDP datagram received with an invalid IP source address (e.g., a
			// broadcast or multicast address) must be discarded by UDP or by the IP
			// layer".
			ID: "udp-source-invalid", Title: "a datagram from a broadcast or multicast address is discarded",
			Requirement: suite.Must, RFC: "RFC 1122 §4.1.3.6",
			Steps: ask(func(x *suite.Exchange) (all [][]byte) {
				for _, src := range []string{"255.255.255.255", "224.0.0.9", "127.0.0.1"} {
					for _, port := range []uint16{suite.EchoPort, suite.ClosedPort} {
						all = append(all, byhandtest.UDP{SrcPort: x.Port, DstPort: port, Data: byhandtest.Data(9)}.Packet(src, suite.Host4))
					}
				}
				return all
			}, suite.Silence()),
		},
	}
}

// udpTrim are cases of datagrams that are shorter than what carries them: "Length
// is the length in octets of this user datagram including this header and the
// data", and what is behind it is no data of it.
func udpTrim() []suite.Case {
	trimmed := suite.Reply(suite.Datagram(suite.EchoPort, byhandtest.Data(33)))
	return []suite.Case{
		{
			ID: "udp-length-under-payload", Title: "what stands behind a datagram's length is no data of it",
			Requirement: suite.Must, RFC: "RFC 768",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				d := x.UDP4(suite.EchoPort, 33)
				return x.V4(byhandtest.IPv4{Protocol: wire.ProtocolUDP}).Packet(append(d[20:], 1, 2, 3, 4, 5))
			}), trimmed),
		},
		{
			ID: "udp6-length-under-payload", Title: "the same over IPv6",
			Requirement: suite.Must, RFC: "RFC 768",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				d := x.UDP6(suite.EchoPort, 33)
				return x.V6(byhandtest.IPv6{Protocol: wire.ProtocolUDP}).Packet(append(d[40:], 1, 2, 3, 4, 5))
			}), trimmed),
		},
		{
			// The shortest there is, with nothing but its header.
			ID: "udp-length-8", Title: "a datagram may be empty, whatever stands behind it",
			Requirement: suite.Must, RFC: "RFC 768",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				d := x.UDP4(suite.EchoPort, 0)
				return x.V4(byhandtest.IPv4{Protocol: wire.ProtocolUDP}).Packet(append(d[20:], 9, 9, 9))
			}), suite.Reply(suite.Datagram(suite.EchoPort, nil))),
		},
	}
}
