package catalogue

import (
	"encoding/binary"
	"fmt"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// about4 is an ICMPv4 error about the last packet that the host sent.
func about4(kind, code byte) send {
	return one(func(x *suite.Exchange) []byte {
		quote := x.Last().Bytes
		m := append([]byte{kind, code, 0, 0, 0, 0, 0, 0}, quote[:min(len(quote), 60)]...)
		put16(m, 2, byhandtest.Checksum(m))
		return x.V4(byhandtest.IPv4{}).Packet(m)
	})
}

// stamped are the TCP timestamps of a segment: its own, and the echo of the last
// that came from the host.
func stamped(x *suite.Exchange, value uint32) []byte {
	o := binary.BigEndian.AppendUint32([]byte{1, 1, byhand.TCPOptionTimestamps, 10}, value)
	if data, ok := byhand.TCPOption(x.Last(), byhand.TCPOptionTimestamps); ok && len(data) == 8 {
		return append(o, data[:4]...)
	}
	return append(o, 0, 0, 0, 0)
}

// tcpErrors are cases of what TCP does about ICMP, about IP options, and about
// segments that are not what they should be.
func tcpErrors() []suite.Case {
	const port = suite.DiscardPort
	hello := []byte("hello")
	say := func(at int) suite.Step {
		return suite.Step{Send: one(func(x *suite.Exchange) []byte { return x.TCP4(on(x, port, ack, at, hello)) }),
			Want: suite.Reply(suite.Segment(ack), suite.AckNumber(isn+1+uint32(at)+5))}
	}
	lives := func(errors ...send) []suite.Step {
		steps := connect(port)
		for i, e := range errors {
			steps = append(steps, say(5*i), suite.Step{Send: e, Want: suite.Silence()})
		}
		return append(steps, say(5*len(errors)))
	}
	withStamp := func(at int, value uint32) send {
		return one(func(x *suite.Exchange) []byte {
			s := on(x, port, ack, at, hello)
			s.Options = stamped(x, value)
			return x.TCP4(s)
		})
	}
	stampedOpen := []suite.Step{
		{Send: one(func(x *suite.Exchange) []byte {
			return x.TCP4(byhandtest.TCP{DstPort: port, Flags: syn, Seq: isn, Options: stamped(x, 1_000_000)})
		}), Want: suite.Reply(suite.Segment(syn|ack), suite.AckNumber(isn+1), echoed(1_000_000))},
		{Send: one(func(x *suite.Exchange) []byte {
			s := on(x, port, ack, 0, nil)
			s.Options = stamped(x, 1_000_001)
			return x.TCP4(s)
		}), Want: suite.Silence()},
	}
	wild := func(options ...byte) []suite.Step {
		return ask(segment4(byhandtest.TCP{DstPort: port, Flags: syn, Seq: isn, Options: options}),
			suite.AnyOf(suite.Silence(), synAck(), suite.Reply(suite.Segment(rst|ack), suite.AckNumber(isn+1))))
	}
	return []suite.Case{
		{
			// "Since these Unreachable messages indicate soft error conditions, a
			// TCP implementation MUST NOT abort the connection (MUST-56)":
			// unreachable, codes 0, 1 and 5; time exceeded; parameter problem.
			ID: "tcp-soft-errors", Title: "an ICMP error that may pass does not end a connection",
			Requirement: suite.Must, RFC: "RFC 9293 §3.9.2.2",
			Steps: lives(about4(3, 0), about4(3, 1), about4(3, 5), about4(11, 0), about4(11, 1), about4(12, 0)),
		},
		{
			// "TCP implementations MUST silently discard any received ICMP Source
			// Quench messages (MUST-55)."
			ID: "tcp-source-quench", Title: "a source quench changes nothing",
			Requirement: suite.Must, RFC: "RFC 9293 §3.9.2.2",
			Steps: lives(about4(4, 0)),
		},
		{
			// "When a TCP connection is OPENed passively and a packet arrives with
			// a completed IP Source Route Option (containing a return route), TCP
			// implementations MUST save the return route and use it for all
			// segments sent on this connection (MUST-53)."
			ID: "tcp-source-route", Title: "a connection that came by a source route goes back by it",
			Requirement: suite.Must, RFC: "RFC 9293 §3.9.2.1",
			Place: "network/ipv4/ipv4.go processIPOptions",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				b := x.TCP4(to(port, syn, isn, 0))
				h := byhandtest.IPv4{Protocol: wire.ProtocolTCP, Options: route(loose, x.Via4, 8)}
				return x.V4(h).Packet(b[20:])
			}), suite.Reply(suite.That("a SYN, ACK", func(_ *suite.Exchange, p *wire.Packet) string {
				if p.Upper != wire.LayerTCP || p.TCP.Flags&(wire.TCPSyn|wire.TCPAck) != wire.TCPSyn|wire.TCPAck {
					return "not a SYN, ACK"
				}
				return ""
			}), byWayOf(loose))),
		},
		{
			// "An incoming SYN with an invalid source address MUST be ignored
			// either by TCP or by the IP layer (MUST-63)".
			ID: "tcp-source-invalid", Title: "a SYN from a broadcast or multicast address is ignored",
			Requirement: suite.Must, RFC: "RFC 9293 §3.9.2.3",
			Steps: ask(func(x *suite.Exchange) (all [][]byte) {
				for _, src := range []string{"255.255.255.255", "224.0.0.9", "127.0.0.1"} {
					all = append(all, byhandtest.TCP{SrcPort: x.Port, DstPort: port, Flags: syn, Seq: isn}.Packet(src, suite.Host4))
				}
				return all
			}, suite.Silence()),
		},
		{
			// "Once TSopt has been successfully negotiated, that is both <SYN> and
			// <SYN,ACK> contain TSopt, the TSopt MUST be sent in every non-<RST>
			// segment for the duration of the connection".
			ID: "tcp-timestamp-always", Title: "timestamps that were agreed on are in each segment, and echo the last that came",
			Requirement: suite.Must, RFC: "RFC 7323 §3.2",
			Steps: append(stampedOpen[:2:2],
				suite.Step{Send: withStamp(0, 1_000_010), Want: suite.Reply(suite.Segment(ack), suite.AckNumber(isn+6), echoed(1_000_010))},
				suite.Step{Send: withStamp(5, 1_000_020), Want: suite.Reply(suite.Segment(ack), suite.AckNumber(isn+11), echoed(1_000_020))}),
		},
		{
			// "R1) If there is a Timestamps option in the arriving segment,
			// SEG.TSval < TS.Recent, TS.Recent is valid ..., and if the RST bit is
			// not set, then treat the arriving segment as not acceptable: Send an
			// acknowledgment in reply".
			ID: "tcp-timestamp-old", Title: "data with a timestamp of long ago are not taken, and answered with an ACK",
			Requirement: suite.Must, RFC: "RFC 7323 §5.3",
			Place: "transport/tcp/rcv.go handleRcvdSegment",
			Steps: append(stampedOpen[:2:2],
				suite.Step{Send: withStamp(0, 1_000_010), Want: suite.Reply(suite.Segment(ack), suite.AckNumber(isn+6))},
				suite.Step{Send: withStamp(5, 900_000), Want: suite.Reply(suite.Segment(ack), suite.AckNumber(isn+6))}),
		},
		{
			// "TCP implementations MUST be prepared to handle an illegal option
			// length (e.g., zero)".
			ID: "tcp-option-length-1", Title: "an option of length 1 is survived",
			Requirement: suite.Must, RFC: "RFC 9293 §3.2",
			Steps: wild(200, 1, 1, 1),
		},
		{
			ID: "tcp-option-past-header", Title: "an option that runs past the header is survived",
			Requirement: suite.Must, RFC: "RFC 9293 §3.2",
			Steps: wild(1, 1, 200, 40),
		},
		{
			ID: "tcp-option-half", Title: "an option without room for its length is survived",
			Requirement: suite.Must, RFC: "RFC 9293 §3.2",
			Steps: wild(1, 1, 1, 200),
		},
		{
			ID: "tcp-option-mss-short", Title: "a maximum segment size of length 3 is survived",
			Requirement: suite.Must, RFC: "RFC 9293 §3.2",
			Steps: wild(2, 3, 5, 1),
		},
		{
			ID: "tcp-option-mss-long", Title: "a maximum segment size of length 6 is survived",
			Requirement: suite.Must, RFC: "RFC 9293 §3.2",
			Steps: wild(2, 6, 5, 180, 0, 0, 1, 1),
		},
		{
			ID: "tcp-option-timestamp-short", Title: "timestamps of length 4 are survived",
			Requirement: suite.Must, RFC: "RFC 9293 §3.2",
			Steps: wild(8, 4, 0, 0),
		},
		{
			// "If the ACK bit is on, <SEQ=SEG.ACK><CTL=RST>".
			ID: "tcp-closed-syn-ack", Title: "a SYN, ACK to a closed port is reset at what it acknowledges",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.1",
			Steps: ask(segment4(to(suite.ClosedPort, syn|ack, isn, 777)), suite.Reply(suite.Segment(rst), suite.Seq(777))),
		},
		{
			ID: "tcp-closed-null", Title: "a segment without flags to a closed port is reset",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.1",
			Steps: ask(segment4(byhandtest.TCP{DstPort: suite.ClosedPort, Seq: isn, Data: hello}),
				suite.Reply(suite.Segment(rst|ack), suite.Seq(0), suite.AckNumber(isn+5))),
		},
		{
			ID: "tcp-closed-rst-ack", Title: "a RST, ACK to a closed port is discarded, whatever it brings",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.1",
			Steps: ask(segment4(byhandtest.TCP{DstPort: suite.ClosedPort, Flags: rst | ack, Seq: isn, Ack: 777, Data: hello}), suite.Silence()),
		},
		{
			ID: "tcp-listen-syn-ack", Title: "a SYN, ACK to an open port without a connection is reset",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.2",
			Steps: ask(segment4(to(port, syn|ack, isn, 777)), suite.Reply(suite.Segment(rst), suite.Seq(777))),
		},
		{
			ID: "tcp-listen-rst", Title: "a RST to an open port is ignored",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.2",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				return [][]byte{x.TCP4(to(port, rst, isn, 0)), x.TCP4(to(port, rst|ack, isn, 777)), x.TCP4(to(port, rst|syn, isn, 0))}
			}, suite.Silence()),
		},
		{
			// The reserved bits "Must be zero in generated segments and must be
			// ignored in received segments if the corresponding future features
			// are not implemented by the sending or receiving host."
			ID: "tcp-reserved-bits", Title: "the reserved bits of a segment are ignored, and none are sent",
			Requirement: suite.Must, RFC: "RFC 9293 §3.1",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				b := x.TCP4(to(port, syn, isn, 0))
				b[32] |= 0x0e
				sumSegment(b)
				return b
			}), suite.Reply(suite.Segment(syn|ack), suite.AckNumber(isn+1), suite.That("reserved bits of 0",
				func(_ *suite.Exchange, p *wire.Packet) string {
					if r := p.Data()[12] & 0x0e; r != 0 {
						return fmt.Sprintf("its reserved bits are 0x%x", r)
					}
					return ""
				}))),
		},
		{
			// "... receivers MUST be prepared to process options even if they do
			// not begin on a word boundary (MUST-64)."
			ID: "tcp-option-unaligned", Title: "an option may begin at any byte",
			Requirement: suite.Must, RFC: "RFC 9293 §3.2",
			Steps: ask(segment4(byhandtest.TCP{DstPort: port, Flags: syn, Seq: isn,
				Options: []byte{1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 0}}),
				suite.Reply(suite.Segment(syn|ack), suite.AckNumber(isn+1), echoed(9))),
		},
	}
}
