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

// Inbound says what the host would do about one inbound packet, which it
// borrows. checks are the packet's checksums as wire.Packet.Checksums judged
// them. The reply of the prediction is newly allocated.
func (h *Host) Inbound(p *wire.Packet, checks []wire.Check, now time.Time) Prediction {
	if !p.Problem.IsZero() && (p.Problem.Layer == wire.LayerIPv4 || p.Problem.Layer == wire.LayerIPv6) {
		return silence(p.Problem.Reason, "RFC 1122 §3.2.1.1")
	}
	for _, c := range checks {
		if c.Layer == wire.LayerIPv4 && c.Verdict == wire.Bad {
			return h.echoOr(p, silence(ReasonBadIPv4Checksum, "RFC 1122 §3.2.1.2"))
		}
	}
	if s, ok := h.martian(p.Src, p.Dst); ok {
		return h.echoOr(p, s)
	}
	if !h.ours(p.Dst) {
		return h.echoOr(p, silence(ReasonNotOurs, "RFC 1122 §3.2.1.3"))
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
	if a.Is4() {
		return "RFC 1122 §3.2.1.3"
	}
	return "RFC 4291 §2.7"
}

// ours reports whether a packet to dst is for this host at all.
func (h *Host) ours(dst netip.Addr) bool {
	return h.addrs.owns(dst) || h.addrs.broadcast(dst) || dst.IsMulticast() && h.addrs.inGroup(dst)
}

// fragment feeds reassembly, and judges the datagram that comes of it.
func (h *Host) fragment(p *wire.Packet, now time.Time) Prediction {
	whole, outcome := h.inward.Add(p, now)
	switch outcome {
	case Incomplete:
		return Prediction{Expect: Held, RFC: "RFC 1122 §3.3.2"}
	case Overlap:
		return silence(ReasonFragmentOverlap, "RFC 5722 §4")
	case TooLong:
		return silence(ReasonReassemblyTooLong, "RFC 791 §3.1")
	case Empty:
		return silence(wire.ReasonBadFragment, "RFC 791 §3.2")
	}
	var d wire.Packet
	d.Decode(whole)
	var checks [2]wire.Check
	pr := h.whole(&d, d.Checksums(checks[:0]))
	pr.Reassembled = true
	if pr.Expect == MustReply && h.inward.Pressed(now) {
		// With its buffers full a host discards what it likes.
		pr.Expect = MayReply
	}
	return pr
}

// whole judges a whole datagram for this host.
func (h *Host) whole(p *wire.Packet, checks []wire.Check) Prediction {
	if p.Version == 6 {
		if s, ok := extensions(p); ok {
			return h.echoOr(p, s)
		}
	}
	if !p.Problem.IsZero() {
		return silence(p.Problem.Reason, transportRFC(p.Problem.Layer))
	}
	for _, c := range checks {
		if c.Verdict == wire.Bad {
			return h.echoOr(p, silence(badChecksum(c.Layer), transportRFC(c.Layer)))
		}
	}
	if isEchoRequest(p) {
		return h.echo(p)
	}
	return Prediction{Request: *p}
}

func badChecksum(l wire.Layer) string {
	switch l {
	case wire.LayerTCP:
		return ReasonBadTCPChecksum
	case wire.LayerUDP:
		return ReasonBadUDPChecksum
	case wire.LayerIPv4:
		return ReasonBadIPv4Checksum
	}
	return ReasonBadICMPChecksum
}

func transportRFC(l wire.Layer) string {
	switch l {
	case wire.LayerICMPv4:
		return "RFC 792"
	case wire.LayerICMPv6:
		return "RFC 4443 §2.3"
	case wire.LayerTCP:
		return "RFC 9293 §3.1"
	case wire.LayerUDP:
		return "RFC 1122 §4.1.3.4"
	}
	return "RFC 1122 §3.2.1.2"
}
