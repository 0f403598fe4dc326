package catalogue

import (
	"fmt"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// noOption fits a segment without a TCP option.
func noOption(kind uint8, name string) suite.Match {
	return suite.That("no "+name, func(_ *suite.Exchange, p *wire.Packet) string {
		if _, ok := byhand.TCPOption(p, kind); ok {
			return "it has " + name
		}
		return ""
	})
}

func tcpOptions() []suite.Case {
	const open = suite.DiscardPort
	with := func(options ...byte) send {
		return segment4(byhandtest.TCP{DstPort: open, Flags: syn, Seq: isn, Options: options})
	}
	noScale := noOption(byhand.TCPOptionWindowScale, "window scale")
	answered := []suite.Match{suite.Segment(syn | ack), suite.AckNumber(isn + 1)}
	return []suite.Case{
		{
			// "A TCP implementation MUST ignore without error any TCP Option it
			// does not implement, assuming that the option has a length field".
			ID: "tcp-option-unknown", Title: "an unknown option is ignored, and what stands behind it is seen",
			Requirement: suite.Must, RFC: "RFC 9293 §3.2",
			Steps: ask(with(200, 6, 1, 2, 3, 4, 1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 1), suite.Reply(append(answered, echoed(9))...)),
		},
		{
			// "This option code indicates the end of the option list."
			ID: "tcp-option-behind-end", Title: "what stands behind the end of the options is no option",
			Requirement: suite.Must, RFC: "RFC 9293 §3.2",
			Steps: ask(with(1, 0, 3, 3, 7, 8, 0, 0), suite.Reply(append(answered, noScale)...)),
		},
		{
			// RFC 7323 §3.2: a TCP "MAY send a TSopt in <SYN,ACK> only if it
			// received a TSopt in the initial <SYN>"; §2.2 the same of the window
			// scale.
			ID: "tcp-options-not-offered", Title: "no window scale and no timestamps where the SYN has none",
			Requirement: suite.Must, RFC: "RFC 7323 §3.2",
			Steps: ask(with(2, 4, 5, 180), suite.Reply(append(answered, noScale,
				noOption(byhand.TCPOptionTimestamps, "timestamps"))...)),
		},
		{
			// "When the ACK bit is set in an outgoing segment, the sender MUST echo
			// a recently received TSval sent by the remote TCP in the TSval field
			// of a Timestamps option."
			ID: "tcp-timestamp-echo", Title: "the SYN, ACK echoes the timestamp of the SYN",
			Requirement: suite.Must, RFC: "RFC 7323 §3.2",
			Steps: ask(with(8, 10, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0, 1, 1), suite.Reply(append(answered, echoed(0xdeadbeef))...)),
		},
	}
}

// echoed fits a segment with timestamps whose echo is that.
func echoed(value uint32) suite.Match {
	return suite.That(fmt.Sprintf("timestamp echo %d", value), func(_ *suite.Exchange, p *wire.Packet) string {
		data, ok := byhand.TCPOption(p, byhand.TCPOptionTimestamps)
		if !ok || len(data) != 8 {
			return "it has no timestamps"
		}
		if got := uint32(data[4])<<24 | uint32(data[5])<<16 | uint32(data[6])<<8 | uint32(data[7]); got != value {
			return fmt.Sprintf("it echoes %d", got)
		}
		return ""
	})
}
