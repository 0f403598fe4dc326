package byhand

import (
	"net/netip"
	"slices"
	"time"

	"netstackd/hooks/wire"
)

// A Config says what host to be.
type Config struct {
	// Addresses are those that the host owns.
	Addresses []netip.Prefix
	// TCPPorts and UDPPorts are the ports that the host listens on, all of
	// them: it opens no connection itself, and has no other port in use. Of a
	// protocol whose ports are nil there is no opinion; an empty list says that
	// all are closed.
	TCPPorts, UDPPorts []uint16
}

// A Host is the reference host. Its only state is that of reassembly, and who
// may have a connection. It is not safe for concurrent use: the caller serialises, and gives each packet in
// the order in which the judged host got it.
type Host struct {
	addrs              addresses
	tcpPorts, udpPorts *ports
	// changing are those that open or close just now; former are those that were
	// open once, which may have what is left of connections.
	changing, former ports
	flows            *flows // if tcpPorts is not nil
	refusals         refusals
	now              time.Time // of the packet that is judged
	// spare are replies that came back, to build others in.
	spare  [][]byte
	inward Reassembler
}

// New returns a host that owns the addresses given, without an opinion of
// ports. It reads no clock: each call brings the time.
func New(addrs []netip.Prefix) *Host { return NewHost(Config{Addresses: addrs}) }

// NewHost returns a host as configured.
func NewHost(c Config) *Host {
	h := &Host{
		addrs:    slices.Clone(c.Addresses),
		tcpPorts: newPorts(c.TCPPorts),
		udpPorts: newPorts(c.UDPPorts),
	}
	if h.tcpPorts != nil {
		h.flows = newFlows()
	}
	return h
}

// Owns reports whether a is a unicast address of the host.
func (h *Host) Owns(a netip.Addr) bool { return h.addrs.owns(a) }

// Restart makes the host one that has just begun, as the judged host has: without a
// fragment, and without a connection.
func (h *Host) Restart() {
	h.inward = Reassembler{mark: h.inward.mark}
	if h.flows != nil {
		h.flows.restart()
	}
}

// Doubts reports whether the judged host may hold other fragments at now than
// this one does, and so may complete, and answer, what this one cannot see.
func (h *Host) Doubts(now time.Time) bool { return h.inward.Doubtful(now) }

// Expire forgets the fragments that have waited too long at now.
func (h *Host) Expire(now time.Time) { h.inward.Expire(now) }

// What Recycle keeps: so many replies, each of no more bytes than that.
const (
	maxSpare    = 64
	maxSpareLen = 2048
)

// Recycle gives a reply of a prediction back, which nobody may use any more.
func (h *Host) Recycle(reply []byte) {
	if c := cap(reply); c > 0 && c <= maxSpareLen && len(h.spare) < maxSpare {
		h.spare = append(h.spare, reply)
	}
}

// room returns n zero bytes for a reply.
func (h *Host) room(n int) []byte {
	if last := len(h.spare) - 1; last >= 0 && cap(h.spare[last]) >= n {
		b := h.spare[last][:n]
		h.spare = h.spare[:last]
		clear(b)
		return b
	}
	return make([]byte, n)
}

// opaqueLasts is how long the judged host may take to answer a packet that
// cannot be read here.
const opaqueLasts = time.Second

// Inbound says what the host would do about one inbound packet, which it
// borrows. checks are the packet's checksums as wire.Packet.Checksums judged
// them. The reply of the prediction is the
// caller's, to keep or to give back by Recycle.
func (h *Host) Inbound(p *wire.Packet, checks []wire.Check, now time.Time) (pr Prediction) {
	if h.passes(p, checks) {
		return pr
	}
	h.now = now
	unspoken := p.Version == 6 && p.Problem.Reason == wire.ReasonBadExtension && holdsUnspoken(p)
	if l := p.Problem.Layer; (l == wire.LayerIPv4 || l == wire.LayerIPv6) && !reportable(p.Problem) && !unspoken {
		return silence(p.Problem.Reason, problemRFC(p.Problem))
	}
	for _, c := range checks {
		if c.Layer == wire.LayerIPv4 && c.Verdict == wire.Bad {
			return watched(p, silence(ReasonBadIPv4Checksum, "RFC 1122 §3.2.1.2"))
		}
	}
	if reason, rfc := h.martian(p.Src, p.Dst); reason != "" {
		return watched(p, silence(reason, rfc))
	}
	if !h.addrs.ours(p.Dst) {
		s := silence(ReasonNotOurs, "RFC 1122 §3.2.1.3")
		if isEchoRequest(p) {
			// Of all else that is on the link there may be much, and an error
			// about it would be noticed by its quote.
			s = watched(p, s)
		}
		return s
	}
	if p.Version == 6 {
		if opaque(p) {
			h.inward.doubt(now.Add(opaqueLasts))
			h.unsure()
			return Prediction{Expect: Held, RFC: "RFC 8200 §4"}
		}
		// On arrival, before reassembly (RFC 8200 §4.5).
		if s, ok := h.extensions(p); ok {
			if s.Expect == MustReply && p.Fragment.IsFragment() {
				// The header may stand behind that of the fragment, and count
				// for the whole datagram only.
				s.Expect, s.Requirement = MayReply, May
			}
			return s
		}
	}
	if reportable(p.Problem) {
		if p.Fragment.IsFragment() {
			h.inward.suspect(p, now) // another host may keep it until the datagram is whole
		}
		return h.badShape(p)
	}
	if routedOn(p) {
		return h.routeFailed(p)
	}
	if p.Fragment.IsFragment() {
		return h.fragment(p, now)
	}
	return h.whole(p, checks)
}

// unsure notes that the judged host may have made a datagram of fragments that
// this one has not, and a connection of that.
func (h *Host) unsure() {
	if h.flows != nil {
		h.flows.blind = true
	}
}

// watched adds to a prediction of silence what reply would be noticed.
func watched(p *wire.Packet, s Prediction) Prediction {
	s.Request = *p
	switch {
	case isEchoRequest(p):
		s.Form = EchoReply
	case p.Fragment.IsFragment(), p.Payload == 0:
		// Nothing that tells one such packet from another.
	case p.Upper == wire.LayerUDP, p.Upper == "" && (p.Problem.IsZero() || reportable(p.Problem)):
		s.Form = ICMPError
	}
	return s
}

// passes reports of a sound segment or datagram for an open port, as they move
// in bulk, that there is no opinion of it. It is a short cut: without it the
// answer would be the same.
func (h *Host) passes(p *wire.Packet, checks []wire.Check) bool {
	if p.Upper != wire.LayerTCP && p.Upper != wire.LayerUDP || !p.Problem.IsZero() || p.Fragment.IsFragment() ||
		p.IPv6.Count > 0 || !h.addrs.owns(p.Dst) {
		return false
	}
	for _, c := range checks {
		if wrong(p, c) {
			return false
		}
	}
	if p.Upper == wire.LayerUDP {
		if h.udpPorts != nil && !h.udpPorts.open(p.UDP.DstPort) {
			return false
		}
	} else if h.tcpPorts != nil && (!h.tcpPorts.open(p.TCP.DstPort) || !h.flows.known(h.flows.inbound(p))) {
		return false
	}
	reason, _ := h.martian(p.Src, p.Dst)
	return reason == "" && !p.Src.IsUnspecified() && !thisNetwork.Contains(p.Src)
}

// martian judges the addresses that must not be on any wire: the reason is
// empty if they may be.
func (h *Host) martian(src, dst netip.Addr) (reason, rfc string) {
	switch {
	case src.IsLoopback(), src.IsMulticast(), h.addrs.broadcast(src):
		return ReasonMartianSource, martianRFC(src)
	case dst.IsLoopback():
		return ReasonMartianDestination, martianRFC(dst)
	}
	return "", ""
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
	if outcome != Incomplete && outcome != Complete && outcome != CompleteCongested || h.inward.Doubtful(now) || chainCut(p) {
		if p.Version == 6 || p.Protocol == wire.ProtocolTCP {
			h.unsure()
		}
	}
	if (outcome == Incomplete || outcome == CompleteCut) && chainCut(p) {
		return h.cutShort(p, now)
	}
	switch outcome {
	case Incomplete:
		return Prediction{Expect: Held, RFC: "RFC 1122 §3.3.2"}
	case Overlap, OverlapDuplicate:
		if p.Version == 6 {
			fragmentRFC = "RFC 5722 §4"
		}
		s := silence(ReasonFragmentOverlap, fragmentRFC)
		s.Duplicate = outcome == OverlapDuplicate
		return s
	case TooLong:
		if p.Version == 6 {
			return h.tooLong(p)
		}
		return silence(ReasonReassemblyTooLong, fragmentRFC)
	case Empty:
		return silence(wire.ReasonBadFragment, fragmentRFC)
	case CompleteMarked, CompleteMarkedInDoubt, CompleteCut:
		s := silence(ReasonFragmentCongestion, "RFC 3168 §5.3")
		if outcome == CompleteCut {
			// A host that did not discard the first fragment may answer.
			s = silence(ReasonHeaderChainCut, fragmentRFC)
			s.Requirement = Should
		}
		var d wire.Packet
		d.Decode(whole)
		s = watched(&d, s)
		s.Reassembled, s.Doubt = true, outcome != CompleteMarked
		return s
	}
	var d wire.Packet
	d.Decode(whole)
	if d.Fragment.IsFragment() {
		// A fragment of a fragment: there is no opinion on such here.
		h.inward.doubt(now.Add(opaqueLasts))
		h.unsure()
		return Prediction{Expect: Held, RFC: fragmentRFC}
	}
	pr, ok := h.extensions(&d)
	if !ok {
		// Reassembly has cut the fragment header out; that there was one is a
		// reason to discard some messages.
		d.Fragment.Header = true
		var checks [2]wire.Check
		pr = h.whole(&d, d.Checksums(checks[:0]))
	}
	pr.Request, pr.Reassembled = d, true
	pr.Doubt, pr.Congested = outcome == CompleteInDoubt, outcome == CompleteCongested
	if pr.Expect == MustReply && (pr.Doubt || pr.Form == ICMPError) {
		// What an error quotes of a datagram in fragments is not said.
		pr.Expect, pr.Requirement = MayReply, May
	}
	return pr
}

// whole judges a whole datagram for this host.
func (h *Host) whole(p *wire.Packet, checks []wire.Check) Prediction {
	if !p.Problem.IsZero() {
		return silence(p.Problem.Reason, problemRFC(p.Problem))
	}
	for _, c := range checks {
		if wrong(p, c) {
			if p.Offload.Partial && (p.IPv6.Count > 0 || p.IPv4.HasOptions()) {
				// Whoever left the sum to hardware did not leave what that expects: the
				// hardware would spoil it, a host that finishes it in software, too, and
				// one that takes it for a whole sum may find it right.
				return h.undecided(p)
			}
			if p.Version == 4 && p.IPv4.HasOptions() && !h.plainOptions(p) {
				return h.undecided(p) // an option may be reported, whatever the sum
			}
			reason, rfc := badChecksum(c.Layer)
			if c.Layer == wire.LayerTCP {
				return h.badSegment(p, silence(reason, rfc))
			}
			return watched(p, silence(reason, rfc))
		}
	}
	switch {
	case isEchoRequest(p):
		return h.echo(p)
	case p.Upper == wire.LayerTCP:
		return h.tcp(p)
	case p.Upper == wire.LayerUDP:
		return h.udp(p)
	case isSolicitation(p):
		return h.solicited(p)
	case p.Upper == "":
		return h.unknown(p)
	}
	return Prediction{}
}

// undecided has no opinion of a packet, and, of a segment, a connection that there may be.
func (h *Host) undecided(p *wire.Packet) Prediction {
	if p.Upper == wire.LayerTCP && h.flows != nil {
		h.flows.add(h.flows.inbound(p))
	}
	return Prediction{}
}

// wrong reports whether a host must discard p for one of its sums. One that
// somebody vouches for is not looked at, and a partial sum is that of a packet
// which never saw a wire: either is right.
func wrong(p *wire.Packet, c wire.Check) bool {
	if c.Verdict != wire.Bad {
		return false
	}
	vouched := p.Offload.Validated && !p.Offload.Partial
	return !vouched || c.Layer != wire.LayerTCP && c.Layer != wire.LayerUDP
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
