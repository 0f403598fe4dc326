package catalogue

import (
	"fmt"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// zeroSum is a datagram to the echo port whose checksum is computed to be 0, and
// so is that of the one which comes back: it has the same words.
func zeroSum(x *suite.Exchange, src, dst string) byhandtest.UDP {
	u := byhandtest.UDP{SrcPort: x.Port, DstPort: suite.EchoPort, Data: make([]byte, 2)}
	copy(u.Data, u.Datagram(src, dst)[6:8])
	return u
}

// sentAsOnes fits a datagram with all ones in the checksum field.
func sentAsOnes() suite.Match {
	return suite.That("a datagram with checksum 0xffff", func(_ *suite.Exchange, p *wire.Packet) string {
		if p.Upper != wire.LayerUDP {
			return "not a datagram"
		}
		if field := p.Data()[6:8]; field[0] != 0xff || field[1] != 0xff {
			return fmt.Sprintf("its checksum field is %x", field)
		}
		return ""
	})
}

func udpEdges() []suite.Case {
	options := []byte{0x5e, 4, 0xaa, 0xbb} // unknown
	lengths := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 33, 255, 257, 1023, 1471, 1472}
	var echoed []suite.Match
	for _, n := range lengths {
		echoed = append(echoed, suite.Datagram(suite.EchoPort, byhandtest.Data(n)))
	}
	return []suite.Case{
		{
			// "If the computed checksum is zero, it is transmitted as all ones".
			ID: "udp-checksum-computed-0", Title: "a checksum computed to be 0 is sent as 0xffff",
			Requirement: suite.Must, RFC: "RFC 768",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return zeroSum(x, x.Peer4, suite.Host4).Packet(x.Peer4, suite.Host4)
			}), suite.Reply(sentAsOnes())),
		},
		{
			// "... if that computation yields a result of zero, it must be changed
			// to hex FFFF for placement in the UDP header."
			ID: "udp6-checksum-computed-0", Title: "the same over IPv6",
			Requirement: suite.Must, RFC: "RFC 8200 §8.1",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return zeroSum(x, x.Peer6, suite.Host6).Packet(x.Peer6, suite.Host6)
			}), suite.Reply(sentAsOnes())),
		},
		{
			// "IPv6 receivers must discard UDP packets containing a zero checksum",
			// whatever the sum of the packet is: a sender has to make that ones.
			ID: "udp6-checksum-absent-fits", Title: "a checksum field of 0 is none, also where the sum comes to that",
			Requirement: suite.Must, RFC: "RFC 8200 §8.1",
			Place: "header/udp.go UDPValid",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				b := zeroSum(x, x.Peer6, suite.Host6).Packet(x.Peer6, suite.Host6)
				put16(b, 46, 0)
				return b
			}), suite.Silence()),
		},
		{
			// "... padded with zero octets at the end (if necessary) to make a
			// multiple of two octets".
			ID: "udp-lengths", Title: "datagrams of many lengths, odd ones too, come with their data",
			Requirement: suite.Must, RFC: "RFC 768",
			Steps: ask(func(x *suite.Exchange) (all [][]byte) {
				for _, n := range lengths {
					all = append(all, x.UDP4(suite.EchoPort, n))
				}
				return all
			}, suite.Replies(echoed...)),
		},
		{
			// "UDP MUST pass any IP option that it receives from the IP layer
			// transparently to the application layer."
			ID: "udp-options", Title: "a datagram with IP options reaches its port",
			Requirement: suite.Must, RFC: "RFC 1122 §4.1.3.2",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				h := x.V4(byhandtest.IPv4{Protocol: wire.ProtocolUDP, Options: options})
				return h.Packet(byhandtest.UDP{SrcPort: x.Port, DstPort: suite.EchoPort, Data: byhandtest.Data(33)}.Datagram(h.Src, h.Dst))
			}), suite.Reply(suite.Datagram(suite.EchoPort, byhandtest.Data(33)))),
		},
		{
			// "Source Port is an optional field ... If not used, a value of zero is
			// inserted." So it is no reason not to report a closed port.
			ID: "udp-source-port-0", Title: "a datagram without a source port is one like others",
			Requirement: suite.Should, RFC: "RFC 1122 §4.1.3.1",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return byhandtest.UDP{DstPort: suite.ClosedPort, Data: byhandtest.Data(5)}.Packet(x.Peer4, suite.Host4)
			}), suite.Reply(suite.Error(suite.Unreachable4, 3))),
		},
		{
			ID: "udp-destination-port-0", Title: "port 0 is a closed port",
			Requirement: suite.Should, RFC: "RFC 1122 §4.1.3.1",
			Steps: ask(one(func(x *suite.Exchange) []byte { return x.UDP4(0, 5) }),
				suite.Reply(suite.Error(suite.Unreachable4, 3))),
		},
		{
			// A header is of 8 bytes.
			ID: "udp-7-bytes", Title: "a datagram of 27 bytes in all has no room for a UDP header",
			Requirement: suite.Must, RFC: "RFC 768",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				d := byhandtest.UDP{SrcPort: x.Port, DstPort: suite.ClosedPort}.Datagram(x.Peer4, suite.Host4)
				put16(d, 6, 0)
				return x.V4(byhandtest.IPv4{Protocol: wire.ProtocolUDP}).Packet(d[:7])
			}), suite.Silence()),
		},
	}
}
