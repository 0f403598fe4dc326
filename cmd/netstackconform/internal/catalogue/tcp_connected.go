package catalogue

import (
	"fmt"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// on is a segment of the connection whose SYN, ACK came first, at an offset from
// the first byte of data.
func on(x *suite.Exchange, port uint16, flags uint8, at int, data []byte) byhandtest.TCP {
	s := to(port, flags, isn+1+uint32(at), x.Got[0].TCP.Seq+1)
	s.Data = data
	return s
}

func tcpConnected() []suite.Case {
	const port = suite.DiscardPort
	hello := []byte("hello")
	say := func(flags uint8, at int, data []byte) send {
		return one(func(x *suite.Exchange) []byte { return x.TCP4(on(x, port, flags, at, data)) })
	}
	// acked is an ACK, and no more, of n bytes of data.
	acked := func(n uint32) suite.Want {
		return suite.Reply(suite.Segment(ack), suite.AckNumber(isn+1+n))
	}
	opened := suite.Step{Send: segment4(to(port, syn, isn, 0)), Want: synAck()}
	return []suite.Case{
		{
			// "If an incoming segment is not acceptable, an acknowledgment should
			// be sent in reply"; hosts that send their SYN again acknowledge, too.
			ID: "tcp-syn-again", Title: "a SYN that comes again is acknowledged again",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: []suite.Step{opened, {
				Send: segment4(to(port, syn, isn, 0)), Want: suite.AnyOf(synAck(), acked(0)), Repeats: true,
			}},
		},
		{
			// "If this connection was initiated with a passive OPEN (i.e., came
			// from the LISTEN state), then return this connection to LISTEN state
			// and return."
			ID: "tcp-syn-received-rst", Title: "a RST in SYN-RECEIVED ends the attempt, and the port listens on",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: []suite.Step{
				opened,
				{Send: segment4(to(port, rst, isn+1, 0)), Want: suite.Silence()},
				{Send: segment4(to(port, syn, isn+500_000, 0)), Want: suite.Reply(suite.Segment(syn|ack), suite.AckNumber(isn+500_001))},
			},
		},
		{
			// In SYN-RECEIVED, "if the segment acknowledgment is not acceptable,
			// form a reset segment <SEQ=SEG.ACK><CTL=RST> and send it."
			ID: "tcp-syn-received-ack-bad", Title: "an ACK of what was never sent is reset in SYN-RECEIVED",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: []suite.Step{opened, {
				Send: one(func(x *suite.Exchange) []byte {
					return x.TCP4(to(port, ack, isn+1, x.Got[0].TCP.Seq+1000))
				}),
				Want: suite.Reply(suite.Segment(rst), suite.That("seq of what it acknowledged", sequenceAfterSyn(999))),
			}},
		},
		{
			// "If an incoming segment is not acceptable, an acknowledgment should
			// be sent in reply (unless the RST bit is set)".
			ID: "tcp-out-of-window", Title: "data beyond the window is answered with an ACK",
			Requirement: suite.Should, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(connect(port), suite.Step{Send: say(ack, 1<<30, hello), Want: acked(0)}),
		},
		{
			ID: "tcp-old-duplicate", Title: "data that comes again is acknowledged again",
			Requirement: suite.Should, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(connect(port),
				suite.Step{Send: say(ack, 0, hello), Want: acked(5)},
				suite.Step{Send: say(ack, 0, hello), Want: acked(5)}),
		},
		{
			// "If the ACK acks something not yet sent (SEG.ACK > SND.NXT), then
			// send an ACK, drop the segment, and return."
			ID: "tcp-ack-too-new", Title: "data with an ACK of what was never sent is dropped, and answered with an ACK",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Place: "transport/tcp/rcv.go handleRcvdSegment",
			Steps: append(connect(port), suite.Step{
				Send: one(func(x *suite.Exchange) []byte {
					s := on(x, port, ack, 0, hello)
					s.Ack += 1000
					return x.TCP4(s)
				}),
				Want: acked(0),
			}),
		},
		{
			// "If the ACK bit is off, drop the segment and return".
			ID: "tcp-no-ack", Title: "data without an ACK is dropped",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(connect(port),
				suite.Step{Send: say(0, 0, hello), Want: suite.Silence()},
				suite.Step{Send: say(ack, 0, hello[:1]), Want: acked(1)}),
		},
		{
			// "If the RST bit is set and the sequence number is outside the
			// current receive window, silently drop the segment."
			ID: "tcp-rst-out-of-window", Title: "a RST outside the window changes nothing",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(connect(port),
				suite.Step{Send: segment4(to(port, rst, isn-1000, 0)), Want: suite.Silence()},
				suite.Step{Send: say(ack, 0, hello), Want: acked(5)}),
		},
		{
			// "A TCP receiver SHOULD send an immediate duplicate ACK when an out-
			// of-order segment arrives."
			ID: "tcp-out-of-order", Title: "data behind a hole is acknowledged once the hole is filled",
			Requirement: suite.Should, RFC: "RFC 5681 §4.2",
			Steps: append(connect(port),
				suite.Step{Send: say(ack, 5, hello), Want: acked(0)},
				suite.Step{Send: say(ack, 0, hello), Want: acked(10)}),
		},
		{
			// "A TCP implementation MUST support a sequence of urgent data of any
			// length": the urgent pointer is no part of the sequence.
			ID: "tcp-urgent", Title: "urgent data is data",
			Requirement: suite.Must, RFC: "RFC 9293 §3.8.5",
			Steps: append(connect(port), suite.Step{
				Send: edit(say(ack|byhandtest.Urg, 0, hello), func(b []byte) {
					put16(b, 38, 5)
					sumSegment(b)
				}),
				Want: acked(5),
			}),
		},
		{
			// "If the FIN bit is set, signal the user 'connection closing' ...,
			// advance RCV.NXT over the FIN, and send an acknowledgment for the
			// FIN." The service closes in turn; LAST-ACK ends with the ACK of
			// its FIN, and nothing is left to acknowledge.
			ID: "tcp-close", Title: "a FIN is acknowledged, and the other way closes, too",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(connect(port),
				suite.Step{Send: say(fin|ack, 0, nil), Want: suite.AnyOf(
					suite.Reply(suite.Segment(fin|ack), suite.AckNumber(isn+2)),
					suite.Replies(suite.All(suite.Segment(ack), suite.AckNumber(isn+2)), suite.All(suite.Segment(fin|ack), suite.AckNumber(isn+2))))},
				suite.Step{Send: one(func(x *suite.Exchange) []byte {
					return x.TCP4(to(port, ack, isn+2, x.Got[0].TCP.Seq+2))
				}), Want: suite.Silence()},
				suite.Step{Send: say(ack, 1, nil), Want: suite.Reply(suite.Segment(rst),
					suite.That("seq of what it acknowledged", sequenceAfterSyn(0)))}),
		},
	}
}

// sequenceAfterSyn judges whether a segment's sequence number is n past the first
// byte of data that the host may send.
func sequenceAfterSyn(n uint32) func(x *suite.Exchange, p *wire.Packet) string {
	return func(x *suite.Exchange, p *wire.Packet) string {
		if want := x.Got[0].TCP.Seq + 1 + n; p.TCP.Seq != want {
			return fmt.Sprintf("its sequence number is %d, not %d", p.TCP.Seq, want)
		}
		return ""
	}
}
