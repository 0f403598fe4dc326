package catalogue

import (
	"fmt"
	"time"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// window sets the window of each segment.
func window(n uint16, s send) send {
	return edit(s, func(b []byte) {
		put16(b, 34, n)
		sumSegment(b)
	})
}

// upTo fits a segment of the connection that has no data, and no FIN, behind n
// bytes.
func upTo(n int) suite.Match {
	return suite.That(fmt.Sprintf("no data behind %d bytes", n), func(x *suite.Exchange, p *wire.Packet) string {
		if p.Upper != wire.LayerTCP || p.TCP.Flags&wire.TCPRst != 0 {
			return "not a segment of the connection"
		}
		if end := int32(suite.Behind(p) - x.Got[0].TCP.Seq - 1); int(end) > n {
			return fmt.Sprintf("its data end at %d", end)
		}
		return ""
	})
}

func tcpWindow() []suite.Case {
	const echo = suite.EchoPort
	data := byhandtest.Data(300)
	// shut wants what is sent into a window of 0: acknowledgements, and probes.
	shut := suite.Each("segments", suite.All(upTo(1), suite.AckNumber(isn+301)))
	say := func(at int, data []byte) send {
		return one(func(x *suite.Exchange) []byte { return x.TCP4(on(x, echo, ack, at, data)) })
	}
	// heard acknowledges n bytes of the host's, and all of the case's.
	heard := func(n uint32) send {
		return one(func(x *suite.Exchange) []byte {
			return x.TCP4(to(echo, ack, isn+1+uint32(len(data)), x.Got[0].TCP.Seq+1+n))
		})
	}
	opened := func(n uint16) []suite.Step {
		steps := connect(echo)
		for i := range steps {
			steps[i].Send = window(n, steps[i].Send)
		}
		return steps
	}
	return []suite.Case{
		{
			// What is sent is before SND.UNA + SND.WND (§3.4). The window opens when
			// the host is told.
			ID: "tcp-window-0", Title: "nothing is sent into a window of 0, until it opens",
			Requirement: suite.Must, RFC: "RFC 9293 §3.8.6",
			Steps: append(opened(0),
				suite.Step{Send: window(0, say(0, data)), Want: shut},
				suite.Step{Send: heard(0), Want: suite.Amid(suite.Stream{Data: data}.Want())}),
		},
		{
			// "Probing of zero (offered) windows MUST be supported (MUST-36)",
			// first "when a zero window has existed for the retransmission timeout
			// period": a second here, and for some hosts 200 ms (SHLD-29).
			ID: "tcp-window-0-probe", Title: "a window of 0 is probed",
			Requirement: suite.Must, RFC: "RFC 9293 §3.8.6.1", Slow: true,
			Steps: append(opened(0),
				suite.Step{Send: window(0, say(0, data)), Want: shut},
				suite.Step{Wait: 2500 * time.Millisecond, Want: suite.Each("probes", upTo(1)), Repeats: true}),
		},
		{
			// The sender's usable window is what was offered less what is under
			// way (§3.8.6.2.1).
			ID: "tcp-window-small", Title: "no more is sent than there is window for",
			Requirement: suite.Must, RFC: "RFC 9293 §3.8.6",
			Steps: append(opened(100),
				suite.Step{Send: window(100, say(0, data)), Want: suite.Each("segments", upTo(100))}),
		},
		{
			// "any other control or text should be queued for processing later":
			// acknowledged at once, or to be sent again.
			ID: "tcp-syn-data", Title: "data with a SYN do no harm, and are taken once",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.2",
			Steps: []suite.Step{
				{Send: segment4(byhandtest.TCP{DstPort: echo, Flags: syn, Seq: isn, Data: data[:5]}),
					Want: suite.AnyOf(synAck(), suite.Reply(suite.Segment(syn|ack), suite.AckNumber(isn+6)))},
				{Send: say(0, data[:5]), Want: suite.Stream{Data: data[:5]}.Want()},
			},
		},
		{
			// "TCP implementations SHOULD allow a received RST segment to include
			// data (SHLD-2)."
			ID: "tcp-rst-data", Title: "a RST with data is a RST",
			Requirement: suite.Should, RFC: "RFC 9293 §3.5.3",
			Steps: append(connect(echo),
				suite.Step{Send: segment4(byhandtest.TCP{DstPort: echo, Flags: rst, Seq: isn + 1, Data: []byte("why")}), Want: suite.Silence()},
				suite.Step{Send: segment4(to(echo, ack, isn+1, 777)), Want: suite.Reply(suite.Segment(rst), suite.Seq(777))}),
		},
		{
			// "If the RST bit is set and the sequence number is outside the current
			// receive window, silently drop the segment."
			ID: "tcp-rst-behind-window", Title: "a RST far beyond the window changes nothing",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(connect(echo),
				suite.Step{Send: segment4(to(echo, rst, isn+1+1<<30, 0)), Want: suite.Silence()},
				suite.Step{Send: say(0, data), Want: suite.Stream{Data: data}.Want()}),
		},
	}
}

func tcpSACK() []suite.Case {
	const port = suite.DiscardPort
	data := byhandtest.Data(100)
	permitted := []byte{byhand.TCPOptionSACKPermitted, 2, 1, 1}
	open := func(options ...byte) []suite.Step {
		steps := connect(port)
		steps[0].Send = segment4(byhandtest.TCP{DstPort: port, Flags: syn, Seq: isn, Options: options})
		return steps
	}
	late := one(func(x *suite.Exchange) []byte { return x.TCP4(on(x, port, ack, 100, data)) })
	const sack = 5
	return []suite.Case{
		{
			// "If the data receiver has not received a SACK-Permitted option for a
			// given connection, it MUST NOT send SACK options on that connection."
			ID: "tcp-sack-not-permitted", Title: "no selective acknowledgements to who does not permit them",
			Requirement: suite.Must, RFC: "RFC 2018 §4",
			Steps: append(open(), suite.Step{Send: late, Want: suite.Reply(suite.Segment(ack), suite.AckNumber(isn+1),
				noOption(sack, "selective acknowledgements"))}),
		},
		{
			// "The first SACK block ... MUST specify the contiguous block of data
			// containing the segment which triggered this ACK". To send one at all
			// is a SHOULD, where SACK-permitted was exchanged.
			ID: "tcp-sack-block", Title: "the first selective acknowledgement is of what has just come",
			Requirement: suite.Should, RFC: "RFC 2018 §4",
			Steps: append(open(permitted...), suite.Step{Send: late, Want: suite.Reply(suite.Segment(ack), suite.AckNumber(isn+1),
				suite.That("a SACK block of 100 to 200", func(x *suite.Exchange, p *wire.Packet) string {
					if _, ok := byhand.TCPOption(x.Got[0], byhand.TCPOptionSACKPermitted); !ok {
						return "" // the host does not use it
					}
					block, ok := byhand.TCPOption(p, sack)
					if !ok || len(block) < 8 {
						return "no block"
					}
					for i, want := range []uint32{isn + 101, isn + 201} {
						b := block[4*i:]
						if got := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]); got != want {
							return fmt.Sprintf("edge %d of the block is %d, not %d", i, got, want)
						}
					}
					return ""
				}))}),
		},
	}
}
