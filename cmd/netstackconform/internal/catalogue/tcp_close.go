package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// closed is a connection that the host is the first to close: to a page that was
// asked for. The host's FIN is the last that is in x.Got.
func closed() []suite.Step {
	return append(connect(suite.PagePort), suite.Step{
		Send: one(func(x *suite.Exchange) []byte {
			return x.TCP4(on(x, suite.PagePort, ack|byhandtest.Psh, 0, request))
		}),
		Acks: families()[0].acks(suite.PagePort, len(request)),
		Want: suite.Stream{Any: true, Fin: true}.Want(),
	})
}

var request = []byte("GET / HTTP/1.0\r\n\r\n")

// behindFin is the number behind the host's FIN.
func behindFin(x *suite.Exchange) uint32 {
	n := x.Got[0].TCP.Seq + 1
	for _, p := range x.Got {
		if p.Upper == wire.LayerTCP && p.TCP.Flags&wire.TCPFin != 0 {
			n = suite.Behind(p)
		}
	}
	return n
}

func tcpClose() []suite.Case {
	const asked = isn + 1 + 18 // behind the request
	// reply is a segment behind the request which acknowledges all but so much.
	reply := func(flags uint8, at uint32, less uint32) send {
		return one(func(x *suite.Exchange) []byte {
			return x.TCP4(to(suite.PagePort, flags, asked+at, behindFin(x)-less))
		})
	}
	acked := suite.Amid(suite.Reply(suite.Segment(ack), suite.AckNumber(asked+1)))
	nothing := suite.Amid(suite.Silence())
	return []suite.Case{
		{
			// FIN-WAIT-1: "If our FIN has been ACKed (perhaps in this segment),
			// then enter TIME-WAIT".
			ID: "tcp-fin-wait-fin", Title: "who closed first acknowledges the other's FIN",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(closed(), suite.Step{Send: reply(fin|ack, 0, 0), Want: acked}),
		},
		{
			// FIN-WAIT-1, or FIN-WAIT-2: what is acknowledged is not all.
			ID: "tcp-fin-wait-ack", Title: "an acknowledgement of the host's FIN is not answered",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(closed(), suite.Step{Send: reply(ack, 0, 0), Want: nothing}, suite.Step{Send: reply(fin|ack, 0, 0), Want: acked}),
		},
		{
			// "otherwise, enter the CLOSING state", and from there, with the
			// acknowledgement of its FIN, TIME-WAIT (§3.6, Figure 13), in which a
			// FIN that comes again is acknowledged again.
			ID: "tcp-simultaneous-close", Title: "FINs that cross are both acknowledged",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(closed(),
				suite.Step{Send: reply(fin|ack, 0, 1), Want: acked},
				suite.Step{Send: reply(ack, 1, 0), Want: nothing},
				suite.Step{Send: reply(fin|ack, 0, 0), Want: acked}),
		},
		{
			// "The only thing that can arrive in this state is a retransmission of
			// the remote FIN. Acknowledge it, and restart the 2 MSL timeout."
			ID: "tcp-time-wait-fin", Title: "a FIN that comes again in TIME-WAIT is acknowledged again",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(closed(), suite.Step{Send: reply(fin|ack, 0, 0), Want: acked}, suite.Step{Send: reply(fin|ack, 0, 0), Want: acked}),
		},
		{
			// "If the RST bit is set, then enter the CLOSED state, delete the TCB,
			// and return" (§3.10.7.4), where an ACK is reset: or, of RFC 1337 §3,
			// it is ignored, and the ACK is nothing new.
			ID: "tcp-fin-wait-rst", Title: "a RST at the next sequence number ends a connection that the host has closed",
			Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(closed(), suite.Step{Send: reply(rst, 0, 0), Want: nothing}, suite.Step{
				Send: one(func(x *suite.Exchange) []byte { return x.TCP4(to(suite.PagePort, ack, asked, 777)) }),
				Want: suite.Amid(suite.Reply(suite.Segment(rst), suite.Seq(777))),
			}),
		},
		{
			// LAST-ACK: it is not acceptable any more, and "an acknowledgment
			// should be sent in reply".
			ID: "tcp-last-ack-fin", Title: "a FIN that comes again in LAST-ACK is acknowledged again",
			Requirement: suite.Should, RFC: "RFC 9293 §3.10.7.4",
			Steps: append(connect(suite.DiscardPort),
				suite.Step{Send: one(func(x *suite.Exchange) []byte { return x.TCP4(on(x, suite.DiscardPort, fin|ack, 0, nil)) }),
					Want: suite.Stream{Fin: true}.Want()},
				suite.Step{Send: one(func(x *suite.Exchange) []byte { return x.TCP4(on(x, suite.DiscardPort, fin|ack, 0, nil)) }),
					Want: suite.Amid(suite.Acks(isn + 2))}),
		},
	}
}
