package catalogue

import (
	"bytes"
	"fmt"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/wire"
)

// optionIs wants an echo reply whose first option this is. Where it has anyTime,
// any will do.
func optionIs(text string, want ...byte) suite.Want {
	return suite.Reply(suite.EchoReply(0), suite.That(text, func(_ *suite.Exchange, p *wire.Packet) string {
		got := bytes.Clone(p.Bytes[20:p.IPv4.HeaderLen])
		if len(got) >= len(want) {
			got = got[:len(want)]
			if at := bytes.Index(want, anyTime); at >= 0 {
				copy(got[at:], anyTime)
			}
		}
		if !bytes.Equal(got, want) {
			return fmt.Sprintf("the reply's options are %x, not %x", p.Bytes[20:p.IPv4.HeaderLen], want)
		}
		return ""
	}))
}

var anyTime = []byte("time")

func options4Edges() []suite.Case {
	other, empty := []byte{10, 1, 2, 3}, make([]byte, 4)
	row := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	// "If there is some room but not enough room for a full address to be
	// inserted, the original datagram is considered to be in error and is
	// discarded. In either case an ICMP parameter problem message may be sent".
	discarded := suite.AnyOf(suite.Silence(), suite.Reply(suite.Error(suite.ParameterProblem4, 0)))
	return []suite.Case{
		{
			ID: "record-route-half-slot", Title: "a route with room for half an address is discarded",
			Requirement: suite.Must, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(row([]byte{7, 9, 8}, other, []byte{0, 0, 0})...), discarded),
		},
		{
			// "If there is some room but not enough room for a full timestamp to be
			// inserted ...": the same.
			ID: "timestamp-half-slot", Title: "a timestamp option with room for half a time is discarded",
			Requirement: suite.Must, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(row([]byte{68, 10, 9, 0}, other, []byte{0, 0, 0, 0})...), discarded),
		},
		{
			// "... or the overflow count itself overflows".
			ID: "timestamp-overflow", Title: "a timestamp option that is full for the 16th time is discarded",
			Requirement: suite.Must, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(row([]byte{68, 8, 9, 0xf0}, other)...), discarded),
		},
		{
			// Four types are there for experiments (RFC 4727 §3.2), of no length in
			// particular: to who takes no part in one they are unknown.
			ID: "option-experiment", Title: "an option of an experiment is ignored, however long it is",
			Requirement: suite.Must, RFC: "RFC 1122 §3.2.1.8",
			Place: "header/ipv4.go Next",
			Steps: ask(withOptions(30, 3, 0xaa, 1), pong()),
		},
		{
			// "The end of option list ... is used at the end of all options":
			// what follows are none.
			ID: "option-after-end", Title: "what stands behind the end of the list is no option",
			Requirement: suite.Must, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(1, 0, 0x5e, 0, 7, 1, 0xff, 0xff), pong()),
		},
		{
			// An IHL of 15 words is the most there can be.
			ID: "option-40-bytes", Title: "a header of 60 bytes is read to its end",
			Requirement: suite.Must, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(append(bytes.Repeat([]byte{1}, 36), 0x5e, 4, 0xaa, 0xbb)...), pong()),
		},
		{
			ID: "record-route-second-slot", Title: "a route is recorded behind what is there",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(withOptions(row([]byte{7, 11, 8}, other, empty, []byte{0})...),
				optionIs("with the second slot filled", row([]byte{7, 11, 12}, other, own4)...)),
		},
		{
			// Flag 1: "each timestamp is preceded with internet address of the
			// registering entity" (RFC 791 §3.1).
			ID: "timestamp-address", Title: "a timestamp comes with the address",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(withOptions(row([]byte{68, 12, 5, 1}, empty, empty)...),
				optionIs("with address and time", row([]byte{68, 12, 13, 1}, own4, anyTime)...)),
		},
		{
			ID: "timestamp-prespecified", Title: "a timestamp that is asked of the host is recorded",
			Requirement: suite.Should, RFC: "RFC 1122 §3.2.2.6",
			Steps: ask(withOptions(row([]byte{68, 20, 5, 3}, own4, empty, other, empty)...),
				optionIs("with the time", row([]byte{68, 20, 13, 3}, own4, anyTime, other, empty)...)),
		},
		{
			// Flag 3: "An IP module only registers its timestamp if it matches its
			// own address with the next specified internet address."
			ID: "timestamp-prespecified-other", Title: "one that is asked of another host is not",
			Requirement: suite.Must, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(row([]byte{68, 20, 5, 3}, other, empty, own4, empty)...),
				optionIs("as it came", row([]byte{68, 20, 5, 3}, other, empty, own4, empty)...)),
		},
		{
			// "If the timestamp data area is already full (the pointer exceeds the
			// length) the datagram is forwarded without inserting the timestamp,
			// but the overflow count is incremented by one."
			ID: "timestamp-full", Title: "a full timestamp option counts",
			Requirement: suite.Should, RFC: "RFC 791 §3.1",
			Steps: ask(withOptions(row([]byte{68, 8, 9, 0xe0}, other)...),
				optionIs("with one more counted", row([]byte{68, 8, 9, 0xf0}, other)...)),
		},
	}
}
