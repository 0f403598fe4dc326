package byhand

import (
	"net/netip"
	"slices"
	"time"

	"netstackd/hooks/wire"
)

// A Host is the reference host. Its only state is that of reassembly. It is
// not safe for concurrent use: the caller serialises, and gives each packet in
// the order in which the judged host got it.
type Host struct {
	addrs  addresses
	inward Reassembler
}

// New returns a host that owns the addresses given. It reads no clock: each
// call brings the time.
func New(addrs []netip.Prefix) *Host {
	return &Host{addrs: slices.Clone(addrs)}
}

// Owns reports whether a is a unicast address of the host.
func (h *Host) Owns(a netip.Addr) bool { return h.addrs.owns(a) }

// Doubts reports whether the judged host may hold other fragments at now than
// this one does, and so may complete, and answer, what this one cannot see.
func (h *Host) Doubts(now time.Time) bool { return h.inward.Doubtful(now) }

// opaqueLasts is how long the judged host may take to answer a packet that
// cannot be read here.
const opaqueLasts = time.Second

// Inbound says what the host would do about one inbound packet, which it
// borrows. checks are the packet's checksums as wire.Packet.Checksums judged
// them. The reply of the prediction is newly allocated.
func (h *Host) Inbound(p *wire.Packet, checks []wire.Check, now time.Time) Prediction {
	if l := p.Problem.Layer; !p.Problem.IsZero() && (l == wire.LayerIPv4 || l == wire.LayerIPv6) {
		return silence(p.Problem.Reason, problemRFC(p.Problem))
	}
	for _, c := range checks {
		if c.Layer == wire.LayerIPv4 && c.Verdict == wire.Bad {
			return h.echoOr(p, silence(ReasonBadIPv4Checksum, "RFC 1122 §3.2.1.2"))
		}
	}
	if s, ok := h.martian(p.Src, p.Dst); ok {
		return h.echoOr(p, s)
	}
	if !h.addrs.ours(p.Dst) {
		return h.echoOr(p, silence(ReasonNotOurs, "RFC 1122 §3.2.1.3"))
	}
	if p.Version == 6 {
		if opaque(p) {
			h.inward.doubt(now.Add(opaqueLasts))
			return Prediction{Expect: Held, RFC: "RFC 8200 §4"}
		}
		// On arrival, before reassembly (RFC 8200 §4.5).
		if s, ok := extensions(p); ok {
			return h.echoOr(p, s)
		}
	}
	if p.Fragment.IsFragment() {
		return h.fragment(p, now)
	}
	return h.whole(p, checks)
}

// echoOr notes in a prediction of silence that the packet is an echo request,
// so that a reply to it is noticed.
func (h *Host) echoOr(p *wire.Packet, s Prediction) Prediction {
	s.Request, s.Echo = *p, isEchoRequest(p)
	return s
}

// martian judges the addresses that must not be on any wire.
func (h *Host) martian(src, dst netip.Addr) (Prediction, bool) {
	switch {
	case src.IsLoopback(), src.IsMulticast(), h.addrs.broadcast(src):
		return silence(ReasonMartianSource, martianRFC(src)), true
	case dst.IsLoopback():
		return silence(ReasonMartianDestination, martianRFC(dst)), true
	}
	return Prediction{}, false
}

func martianRFC(a netip.Addr) string {
	switch {
	case a.Is4():
		return "RFC 1122 §3.2.1.3"
	case a.IsUnspecified():
		return "RFC 4291 §2.5.2"
	case a.IsLoopback():
		return "RFC 4291 §2.5.3"
	}
	return "RFC 4291 §2.7"
}

// fragment feeds reassembly, and judges the datagram that comes of it.
func (h *Host) fragment(p *wire.Packet, now time.Time) Prediction {
	fragmentRFC := "RFC 791 §3.2"
	if p.Version == 6 {
		fragmentRFC = "RFC 8200 §4.5"
	}
	whole, outcome := h.inward.Add(p, now)
	switch outcome {
	case Incomplete:
		return Prediction{Expect: Held, RFC: "RFC 1122 §3.3.2"}
	case Overlap:
		if p.Version == 6 {
			fragmentRFC = "RFC 5722 §4"
		}
		return silence(ReasonFragmentOverlap, fragmentRFC)
	case TooLong:
		return silence(ReasonReassemblyTooLong, fragmentRFC)
	case Empty:
		return silence(wire.ReasonBadFragment, fragmentRFC)
	}
	var d wire.Packet
	d.Decode(whole)
	if d.Fragment.IsFragment() {
		// A fragment of a fragment: there is no opinion on such here.
		h.inward.doubt(now.Add(opaqueLasts))
		return Prediction{Expect: Held, RFC: fragmentRFC}
	}
	if s, ok := extensions(&d); ok {
		s = h.echoOr(&d, s)
		s.Reassembled, s.Doubt = true, outcome == CompleteInDoubt
		return s
	}
	var checks [2]wire.Check
	pr := h.whole(&d, d.Checksums(checks[:0]))
	pr.Reassembled = true
	if outcome == CompleteInDoubt {
		pr.Doubt = true
		if pr.Expect == MustReply {
			pr.Expect = MayReply
		}
	}
	return pr
}

// whole judges a whole datagram for this host.
func (h *Host) whole(p *wire.Packet, checks []wire.Check) Prediction {
	if !p.Problem.IsZero() {
		return silence(p.Problem.Reason, problemRFC(p.Problem))
	}
	for _, c := range checks {
		if c.Verdict == wire.Bad {
			reason, rfc := badChecksum(c.Layer)
			return h.echoOr(p, silence(reason, rfc))
		}
	}
	if isEchoRequest(p) {
		return h.echo(p)
	}
	return Prediction{Request: *p}
}

func badChecksum(l wire.Layer) (reason, rfc string) {
	switch l {
	case wire.LayerTCP:
		return ReasonBadTCPChecksum, "RFC 9293 §3.1"
	case wire.LayerUDP:
		return ReasonBadUDPChecksum, "RFC 1122 §4.1.3.4"
	case wire.LayerIPv4:
		return ReasonBadIPv4Checksum, "RFC 1122 §3.2.1.2"
	case wire.LayerICMPv6:
		return ReasonBadICMPChecksum, "RFC 4443 §2.3"
	}
	return ReasonBadICMPChecksum, "RFC 792"
}

// problemRFC cites the rule that a packet's shape breaks.
func problemRFC(p wire.Problem) string {
	switch p.Reason {
	case wire.ReasonTooShort, wire.ReasonBadVersion:
		return "RFC 1122 §3.2.1.1"
	case wire.ReasonBadHeaderLength, wire.ReasonBadTotalLength:
		return "RFC 1812 §5.2.2"
	case wire.ReasonBadOption:
		return "RFC 1122 §3.2.2.5"
	case wire.ReasonBadExtension:
		return "RFC 8200 §4"
	case wire.ReasonTruncated:
		if p.Layer == wire.LayerIPv6 {
			return "RFC 8200 §3"
		}
		return "RFC 1812 §5.2.2"
	case wire.ReasonBadFragment:
		if p.Layer == wire.LayerIPv6 {
			return "RFC 8200 §4.5"
		}
		return "RFC 791 §3.2"
	}
	switch p.Layer {
	case wire.LayerICMPv4:
		return "RFC 792"
	case wire.LayerICMPv6:
		return "RFC 4443 §2.1"
	case wire.LayerTCP:
		return "RFC 9293 §3.1"
	}
	return "RFC 768"
}
