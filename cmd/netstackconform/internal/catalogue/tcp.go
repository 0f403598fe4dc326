package catalogue

import (
	"fmt"
	"slices"
	"time"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// Flags of segments, short.
const (
	fin, syn, rst, ack = byhandtest.Fin, byhandtest.Syn, byhandtest.Rst, byhandtest.Ack
	// isn is the initial sequence number of every case.
	isn = 1_000_000
)

// to is a segment to a port.
func to(port uint16, flags uint8, seq, acked uint32) byhandtest.TCP {
	return byhandtest.TCP{DstPort: port, Flags: flags, Seq: seq, Ack: acked}
}

// synAck is the answer to a SYN at isn.
func synAck() suite.Want {
	return suite.Reply(suite.Segment(syn|ack), suite.AckNumber(isn+1))
}

// mss fits a SYN with a maximum segment size.
func mss(n uint16) suite.Match {
	return suite.That(fmt.Sprintf("maximum segment size %d", n), func(_ *suite.Exchange, p *wire.Packet) string {
		data, ok := byhand.TCPOption(p, byhand.TCPOptionMSS)
		if !ok || len(data) != 2 {
			return "no maximum segment size"
		}
		if got := uint16(data[0])<<8 | uint16(data[1]); got != n {
			return fmt.Sprintf("its maximum segment size is %d", got)
		}
		return ""
	})
}

// connect opens a connection to a port in two steps: what follows has the
// host's SYN in x.Got[0].
func connect(port uint16) []suite.Step {
	return []suite.Step{
		{Send: segment4(to(port, syn, isn, 0)), Want: synAck()},
		{Send: one(func(x *suite.Exchange) []byte {
			return x.TCP4(to(port, ack, isn+1, x.Got[0].TCP.Seq+1))
		}), Want: suite.Silence()},
	}
}

func tcp() []suite.Case {
	const open, closed = suite.DiscardPort, suite.ClosedPort
	return []suite.Case{
		{
			// "If the state is CLOSED (i.e., TCB does not exist), then all data in
			// the incoming segment is discarded. ... An incoming segment not
			// containing a RST causes a RST to be sent in response."
			ID: "tcp-closed-syn", Title: "a SYN to a closed port is reset",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.1",
			Steps: ask(segment4(to(closed, syn, isn, 0)),
				suite.Reply(suite.Segment(rst|ack), suite.Seq(0), suite.AckNumber(isn+1))),
		},
		{
			// "<SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>", where SEG.LEN counts
			// data, SYN and FIN.
			ID: "tcp-closed-fin-data", Title: "the reset acknowledges data and FIN",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.1",
			Steps: ask(segment4(byhandtest.TCP{DstPort: closed, Flags: fin, Seq: isn, Data: []byte("hello")}),
				suite.Reply(suite.Segment(rst|ack), suite.Seq(0), suite.AckNumber(isn+6))),
		},
		{
			// "<SEQ=SEG.ACK><CTL=RST>"
			ID: "tcp-closed-ack", Title: "an ACK to a closed port is reset at what it acknowledges",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.1",
			Steps: ask(segment4(to(closed, ack, isn, 777)), suite.Reply(suite.Segment(rst), suite.Seq(777))),
		},
		{
			// "An incoming segment containing a RST is discarded."
			ID: "tcp-closed-rst", Title: "a RST to a closed port is discarded",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.1",
			Steps: ask(segment4(to(closed, rst, isn, 0)), suite.Silence()),
		},
		{
			ID: "tcp6-closed-syn", Title: "a SYN to a closed port is reset, over IPv6",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.1",
			Steps: ask(segment6(to(closed, syn, isn, 0)),
				suite.Reply(suite.Segment(rst|ack), suite.Seq(0), suite.AckNumber(isn+1))),
		},
		{
			ID: "tcp-listen-syn", Title: "a SYN to an open port is answered",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.2",
			Steps: ask(segment4(to(open, syn, isn, 0)), synAck()),
		},
		{
			// "Any acknowledgment is bad if it arrives on a connection still in
			// the LISTEN state. An acceptable reset segment should be formed for
			// any arriving ACK-bearing segment."
			ID: "tcp-listen-ack", Title: "an ACK to an open port without a connection is reset",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.2",
			Steps: ask(segment4(to(open, ack, isn, 777)), suite.Reply(suite.Segment(rst), suite.Seq(777))),
		},
		{
			// "First, check for a RST: An incoming RST segment could not be valid
			// since it could not have been sent in response to anything sent by
			// this incarnation of the connection. An incoming RST should be
			// ignored. Return."
			ID: "tcp-listen-rst-syn-ack", Title: "RST is looked at first: SYN, ACK, RST is ignored",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.2",
			Place: "transport/tcp/accept.go handleListenSegment",
			Steps: ask(segment4(to(open, syn|ack|rst, isn, 777)), suite.Silence()),
		},
		{
			// "An incoming SYN with an invalid source address must be ignored either
			// by TCP or by the IP layer (see Section 3.2.1.3 of [19])."
			ID: "tcp-source-this-network", Title: "a SYN from 0.1.2.3 is ignored",
			Requirement: suite.Must, RFC: "RFC 9293 §3.9.2.3",
			Place: "network/ipv4/ipv4.go handleValidatedPacket",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				s := to(closed, syn, isn, 0)
				s.SrcPort = x.Port
				return s.Packet("0.1.2.3", suite.Host4)
			}), suite.Silence()),
		},
		{
			// Nothing in LISTEN looks at FIN before SYN; what else a SYN brings is
			// to be queued for later. Whether the FIN counts at once is left open.
			ID: "tcp-listen-syn-fin", Title: "SYN, FIN to an open port is a SYN",
			Requirement: suite.Should, RFC: "RFC 9293 §3.10.7.2",
			Steps: ask(segment4(to(open, syn|fin, isn, 0)), suite.AnyOf(synAck(),
				suite.Reply(suite.Segment(syn|ack), suite.AckNumber(isn+2)))),
		},
		{
			// "Fourth, other data or control: This should not be reached. Drop the
			// segment and return."
			ID: "tcp-listen-null", Title: "a segment without flags is dropped by an open port",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.2",
			Steps: ask(segment4(to(open, 0, isn, 0)), suite.Silence()),
		},
		{
			ID: "tcp-listen-fin", Title: "FIN alone is dropped by an open port",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.2",
			Steps: ask(segment4(to(open, fin, isn, 0)), suite.Silence()),
		},
		{
			// "the receiver MUST check it".
			ID: "tcp-checksum-bad", Title: "a wrong checksum is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 9293 §3.1",
			Steps: ask(segment4(byhandtest.TCP{DstPort: closed, Flags: syn, Seq: isn, Spoil: 1}), suite.Silence()),
		},
		{
			// TCP has no way to say that there is no checksum: 0 is a checksum
			// like others, and here a wrong one.
			ID: "tcp-checksum-0", Title: "a checksum of 0 is no checksum that was left out",
			Requirement: suite.Must, RFC: "RFC 9293 §3.1",
			Steps: ask(edit(segment4(to(open, syn, isn, 0)), func(b []byte) { put16(b, 36, 0) }), suite.Silence()),
		},
		{
			ID: "tcp-data-offset-4", Title: "a data offset under 5 words is discarded",
			Requirement: suite.Must, RFC: "RFC 9293 §3.1",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return reoffset(x.TCP4(to(open, syn, isn, 0)), 4)
			}), suite.Silence()),
		},
		{
			ID: "tcp-data-offset-past-end", Title: "a data offset past the end is discarded",
			Requirement: suite.Must, RFC: "RFC 9293 §3.1",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return reoffset(x.TCP4(to(open, syn, isn, 0)), 6)
			}), suite.Silence()),
		},
		{
			// "TCP implementations MUST be prepared to handle an illegal option
			// length (e.g., zero); a suggested procedure is to reset the connection
			// and log the error cause."
			ID: "tcp-option-length-0", Title: "an option of length 0 is survived",
			Requirement: suite.Must, RFC: "RFC 9293 §3.1",
			Steps: ask(segment4(byhandtest.TCP{DstPort: open, Flags: syn, Seq: isn, Options: []byte{2, 0, 0, 0}}),
				suite.AnyOf(suite.Silence(), synAck(), suite.Reply(suite.Segment(rst|ack), suite.AckNumber(isn+1)))),
		},
		{
			// "A TCP implementation MUST silently discard an incoming SYN segment
			// that is addressed to a broadcast or multicast address."
			ID: "tcp-broadcast", Title: "a SYN to the broadcast address is discarded in silence",
			Requirement: suite.Must, RFC: "RFC 9293 §3.9.2.3",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				s := to(open, syn, isn, 0)
				s.SrcPort = x.Port
				return s.Packet(x.Peer4, suite.Broadcast4)
			}), suite.Silence()),
		},
		{
			// "TCP implementations SHOULD send an MSS Option in every SYN segment
			// when its receive MSS differs from the default 536 for IPv4 or 1220
			// for IPv6."
			ID: "tcp-mss-offer", Title: "the host offers what its MTU allows",
			Requirement: suite.Should, RFC: "RFC 9293 §3.7.1",
			Steps: ask(segment4(to(open, syn, isn, 0)), suite.Reply(suite.Segment(syn|ack), mss(1460))),
		},
		{
			// "If the RST bit is set and the sequence number does not exactly
			// match the next expected sequence value, yet is within the current
			// receive window, TCP endpoints MUST send an acknowledgment (challenge
			// ACK)".
			ID: "tcp-rst-in-window", Title: "a RST in the window that is not exact is challenged",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(connect(open), suite.Step{
				Send: segment4(to(open, rst, isn+10, 0)),
				Want: suite.Reply(suite.Segment(ack), suite.AckNumber(isn+1)),
			}),
		},
		{
			ID: "tcp-rst-exact", Title: "a RST at the next sequence number ends the connection",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(connect(open),
				suite.Step{Send: segment4(to(open, rst, isn+1, 0)), Want: suite.Silence()},
				suite.Step{Send: segment4(to(open, ack, isn+1, 777)), Want: suite.Reply(suite.Segment(rst), suite.Seq(777))}),
		},
		{
			// In a synchronized state, whatever its sequence number (RFC 5961
			// §4.2), which a host SHOULD do at least.
			ID: "tcp-syn-established", Title: "a SYN on a connection is challenged",
			Requirement: suite.Should, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(connect(open), suite.Step{
				Send: segment4(to(open, syn, isn+100, 0)),
				Want: suite.Reply(suite.Segment(ack), suite.AckNumber(isn+1)),
			}),
		},
		{
			// The initial retransmission timeout is 1 s (RFC 6298 §2.1).
			ID: "tcp-syn-ack-again", Title: "a SYN, ACK that is not acknowledged is sent again after a second",
			Requirement: suite.Must, RFC: "RFC 9293 §3.8.1", Slow: true,
			Steps: []suite.Step{
				{Send: segment4(to(open, syn, isn, 0)), Want: synAck()},
				{Wait: 1500 * time.Millisecond, Want: synAck(), Repeats: true},
			},
		},
	}
}

// reoffset changes the data offset of an IPv4 segment, in words, and completes
// its checksum.
func reoffset(b []byte, words byte) []byte {
	b[32] = words << 4
	sumSegment(b)
	return b
}

// sumSegment completes the checksum of an IPv4 segment.
func sumSegment(b []byte) {
	put16(b, 36, 0)
	pseudo := append(slices.Clone(b[12:20]), 0, 6, byte((len(b)-20)>>8), byte(len(b)-20))
	put16(b, 36, byhandtest.Checksum(pseudo, b[20:]))
}
