package trace

import (
	"time"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// A Packet is the event of one packet whose fate is settled.
type Packet struct {
	// Time and Seq are those of the packet's sight, not of its settlement.
	// Seq numbers packets and comparisons together.
	Time      time.Time
	Seq       uint64
	Direction hooks.Direction
	// Len is the length received or made, in bytes.
	Len int
	// Packet is the decoding. Its Bytes are nil unless the tracer wants bytes,
	// and then a copy of their own.
	Packet wire.Packet
	// DataLen is the length in bytes of what the IP headers carry.
	DataLen int
	// Segments is how many segments the packet would be on a wire; over 1 it is
	// a super-segment.
	Segments int
	Checks   [2]wire.Check
	// NChecks counts the valid ones in Checks.
	NChecks int
	// Reassembled says that the last check is that of the datagram which
	// this fragment completed.
	Reassembled bool
	Fate        hooks.Fate
	Reason      string
	// Mended are the mends that have changed, answered or ended the packet: an
	// inbound one is shown as it arrived, an outbound one as it leaves.
	Mended []string
	// Untraced says that the packet was not selected to be written down.
	Untraced bool
	// Followers are those of the packet.
	Followers hooks.Followers
}

// GSO returns the type of a super-segment as it stands in traces, and "" of any
// other packet.
func (p *Packet) GSO() string {
	switch {
	case p.Segments <= 1:
		return ""
	case p.Packet.Version == 6:
		return "tcpv6"
	}
	return "tcpv4"
}

// Vouched reports whether a checksum is bad, but the kernel vouches for it, so
// that nobody acts on the verdict.
func (p *Packet) Vouched(c wire.Check) bool {
	o := p.Packet.Offload
	return c.Verdict == wire.Bad && o.Validated && !o.Partial && (c.Layer == wire.LayerTCP || c.Layer == wire.LayerUDP) &&
		!p.Packet.Fragment.IsFragment()
}

// A Result is that of a comparison, as it stands in traces.
type Result string

// The results.
const (
	Match      Result = "match"
	Differ     Result = "differ"
	Missing    Result = "missing"
	Unexpected Result = "unexpected"
)

// A Class says what weight a difference has.
type Class string

const (
	// Must: the RFC leaves no choice.
	Must Class = "must"
	// May: a freedom that the RFC gives.
	May Class = "may"
)

// A Requirement is how strongly an RFC asks for something (RFC 2119), as it
// stands in traces: "must", "should", "may".
type Requirement string

// A Diff is one field in which a reply is not the one made by hand.
type Diff struct {
	Field string `json:"field"`
	// Offset in bytes from the reply's start.
	Offset   int    `json:"offset"`
	Netstack string `json:"netstack"`
	Hand     string `json:"hand"`
	Class    Class  `json:"class"`
	RFC      string `json:"rfc"`
}

// A Comparison is the event of one judgement.
type Comparison struct {
	Time time.Time
	Seq  uint64
	// Request is the Seq of the packet that completed the request; 0 if a
	// reply came that nothing asked for.
	Request uint64
	// Reply is the Seq of the packet that was the reply, or completed it; 0 if
	// none came.
	Reply     uint64
	Responder string
	Live      bool
	Result    Result
	// Due is what the reference host expected: "reply", "silence", or
	// "either".
	Due string
	// Requirement is how strongly RFC asks for what was due.
	Requirement Requirement
	// Reason is why silence was due, or an error.
	Reason string
	// RFC is the rule behind what was due.
	RFC string
	// Replied says that a reply came, Latency after the request was seen.
	Replied bool
	Latency time.Duration
	Diffs   []Diff
	// Mended are the mends of the two packets compared, of which the reply is
	// judged as the responder made it.
	Mended []string
	// Untraced says that neither of the packets compared was selected.
	Untraced bool
	// Followers are those of the request, and of the reply.
	Followers [2]hooks.Followers

	// RequestBytes and ReplyByHand are copies, there if the tracer wants the
	// working and a reply was predicted.
	RequestBytes, ReplyByHand []byte
}

// A Summary is the last event.
type Summary struct {
	Packets struct {
		In  uint64 `json:"in"`
		Out uint64 `json:"out"`
	} `json:"packets"`
	Checksums struct {
		OK      uint64 `json:"ok"`
		Bad     uint64 `json:"bad"`
		Partial uint64 `json:"partial"`
		Absent  uint64 `json:"absent"`
	} `json:"checksums"`
	Compare struct {
		Match      uint64 `json:"match"`
		Differ     uint64 `json:"differ"`
		Missing    uint64 `json:"missing"`
		Unexpected uint64 `json:"unexpected"`
		// Unjudged counts requests that had to be forgotten before their
		// reply: more were open than there is room for.
		Unjudged uint64 `json:"unjudged,omitempty"`
	} `json:"compare"`
	// Fates of the packets, which add up to those in and those out.
	Fates struct {
		In  map[hooks.Fate]uint64 `json:"in"`
		Out map[hooks.Fate]uint64 `json:"out"`
	} `json:"fates"`
	// Drops are the reasons of the packets dropped, guarded and mended, which they
	// add up to.
	Drops map[string]uint64 `json:"drops"`
	// Mends are how many packets each mend had a part in: changed, kept back, or
	// answered in netstack's place.
	Mends map[string]uint64 `json:"mends,omitempty"`
	// Elsewhere are the reasons of what was lost before the hooks saw it, or
	// after they had let it pass: by the link, a service, an injected fault.
	Elsewhere map[string]uint64 `json:"elsewhere,omitempty"`
	// Answerers are how those have done who answer echo requests, if not netstack
	// alone does.
	Answerers []Scorecard `json:"answerers,omitempty"`
	TraceLost uint64      `json:"trace_lost"`
}

// A Tracer takes events, which it borrows for the call; the bytes that they bring
// it may keep, and must not change. It never blocks and is safe for concurrent
// use.
type Tracer interface {
	// WantsBytes reports whether the events of packets should bring copies of
	// their bytes.
	WantsBytes() bool
	// WantsWorking reports whether comparisons should bring copies of the request
	// and of the reply by hand.
	WantsWorking() bool
	Packet(*Packet)
	Compare(*Comparison)
}
