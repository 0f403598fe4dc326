package byhand

import "netstackd/hooks/wire"

// An Expectation is what the reference host expects after a packet.
type Expectation uint8

const (
	// NoOpinion: there is no rule here for such a packet.
	NoOpinion Expectation = iota
	// Held: a fragment of a datagram that is not complete yet.
	Held
	// Silence: the packet must be discarded, or must not be answered.
	Silence
	// MayReply: a reply is allowed and so is silence.
	MayReply
	// MustReply: a reply is due, whether it must or should come.
	MustReply
)

// A Form is what kind of reply a packet may call for.
type Form uint8

const (
	// NoForm: no reply could be told to be one to this packet.
	NoForm Form = iota
	// EchoReply: an ICMP echo reply.
	EchoReply
	// ICMPError: an ICMP error message, which quotes the packet.
	ICMPError
	// Reset: a TCP segment with RST.
	Reset
	// SynAck: a TCP segment with SYN and ACK.
	SynAck
	// Advertisement: a neighbour advertisement.
	Advertisement
)

// A Requirement is how strongly an RFC asks for what is expected, as it stands
// in traces (RFC 2119).
type Requirement string

// The requirements. A reply that must or should come is due alike.
const (
	Must   Requirement = "must"
	Should Requirement = "should"
	May    Requirement = "may"
)

// A Prediction is what the reference host says of one inbound packet.
type Prediction struct {
	Expect Expectation
	// Requirement is how strongly the RFC asks for it; empty without opinion.
	Requirement Requirement
	// Reason is why silence is due, or why the reply due is an error, from the
	// closed list.
	Reason string
	// RFC cites the rule, as "RFC 1122 §3.2.1.3".
	RFC string

	// Form is that of Reply; if silence is due, that of the reply which would
	// be noticed.
	Form Form
	// Request is the datagram that the packet is or completes, if there is an
	// opinion of it, or if it is Reassembled; its bytes are the packet's, or, if Reassembled, a copy that the caller may keep.
	Request     wire.Packet
	Reassembled bool
	// Doubt says that the prediction rests on fragments which the judged host
	// may hold otherwise, within the freedom that the RFCs give: a host that
	// does as predicted is right, and one that does not may be.
	Doubt bool
	// Congested says that Request has met congestion, and that it is not its first
	// fragment that says so (RFC 3168 §5.3).
	Congested bool
	// Duplicate says that a fragment has the place of another and other data, so that a
	// host which does not look at them goes on with what it has.
	Duplicate bool
	// Reply is the whole reply datagram by hand, if one is due or allowed. It
	// is the caller's. It may be longer than the MTU.
	Reply []byte
	// Forbidden is, if silence is due to a TCP segment, the reply that a sound
	// one like it would have brought.
	Forbidden []byte
}

// The reasons for silence, or for an error, beside those of wire.Reasons.
const (
	ReasonBadIPv4Checksum      = "bad-ipv4-checksum"
	ReasonBadICMPChecksum      = "bad-icmp-checksum"
	ReasonBadTCPChecksum       = "bad-tcp-checksum"
	ReasonBadUDPChecksum       = "bad-udp-checksum"
	ReasonMartianSource        = "martian-source"
	ReasonMartianDestination   = "martian-destination"
	ReasonNotOurs              = "not-ours"
	ReasonFragmentOverlap      = "fragment-overlap"
	ReasonFragmentCongestion   = "fragment-congestion"
	ReasonHeaderChainCut       = "header-chain-cut"
	ReasonReassemblyTooLong    = "reassembly-too-long"
	ReasonReassemblyTimeout    = "reassembly-timeout"
	ReasonUnknownIPv6Option    = "unknown-ipv6-option"
	ReasonSourceRoute          = "source-route-incomplete"
	ReasonRoutingHeader        = "routing-header"
	ReasonMisplacedExtension   = "misplaced-extension-header"
	ReasonUnspecifiedRequester = "unspecified-source"
	ReasonClosedPort           = "closed-port"
	ReasonUnknownProtocol      = "unknown-protocol"
	ReasonNoConnection         = "no-connection"
	ReasonSegmentToMany        = "segment-to-many"
	ReasonBadSolicitation      = "bad-solicitation"
	ReasonOthersNeighbour      = "others-neighbour"
)

// DropReasons documents each reason of this package in one line.
func DropReasons() map[string]string {
	return map[string]string{
		ReasonBadIPv4Checksum:      "the IPv4 header checksum is wrong (RFC 1122 §3.2.1.2)",
		ReasonBadICMPChecksum:      "the ICMP checksum is wrong (RFC 792, RFC 4443 §2.3)",
		ReasonBadTCPChecksum:       "the TCP checksum is wrong (RFC 9293 §3.1)",
		ReasonBadUDPChecksum:       "the UDP checksum is wrong, or absent over IPv6 (RFC 1122 §4.1.3.4, RFC 8200 §8.1)",
		ReasonMartianSource:        "the source is loopback, broadcast or multicast (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3 and §2.7)",
		ReasonMartianDestination:   "the destination is loopback (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3)",
		ReasonNotOurs:              "the destination is not an address of this host (RFC 1122 §3.2.1.3)",
		ReasonFragmentOverlap:      "fragments overlap, the datagram is abandoned (RFC 5722 §4; over IPv4 as hosts do, RFC 791 §3.2 leaves it open)",
		ReasonFragmentCongestion:   "one fragment has met congestion and another is not ECN-capable, the datagram is dropped (RFC 3168 §5.3)",
		ReasonHeaderChainCut:       "a first fragment does not have all headers through that of the upper layer (RFC 8200 §4.5)",
		ReasonReassemblyTooLong:    "the fragments would make more than 65,535 bytes (RFC 791 §3.1, RFC 8200 §4.5)",
		ReasonReassemblyTimeout:    "the rest of the datagram did not come in time (RFC 1122 §3.3.2, RFC 8200 §4.5)",
		ReasonUnknownIPv6Option:    "an unknown IPv6 option says to discard (RFC 8200 §4.2)",
		ReasonSourceRoute:          "a source route leads on from here, and the host forwards nothing (RFC 1122 §3.3.5)",
		ReasonRoutingHeader:        "a routing header has segments left (RFC 8200 §4.4, RFC 5095 §3)",
		ReasonMisplacedExtension:   "a hop-by-hop header is not the first (RFC 8200 §4.1)",
		ReasonClosedPort:           "nobody listens on the port (RFC 1122 §4.1.3.1, RFC 4443 §3.1, RFC 9293 §3.10.7.1)",
		ReasonUnknownProtocol:      "the host does not speak the protocol (RFC 1122 §3.2.2.1, RFC 8200 §4)",
		ReasonNoConnection:         "the TCP segment is for a listening port, of no connection, and begins none (RFC 9293 §3.10.7.2)",
		ReasonSegmentToMany:        "a TCP segment to a broadcast or multicast address (RFC 9293 §3.9.2.3)",
		ReasonBadSolicitation:      "the neighbour solicitation is not valid: hop limit under 255, say (RFC 4861 §7.1.1)",
		ReasonOthersNeighbour:      "the neighbour solicitation asks for an address that is not this host's (RFC 4861 §7.2.3)",
		ReasonUnspecifiedRequester: "a source in 0.0.0.0/8 or :: cannot be answered (RFC 1122 §3.2.1.3, RFC 4291 §2.5.2)",
	}
}

func silence(reason, rfc string) Prediction {
	return Prediction{Expect: Silence, Requirement: Must, Reason: reason, RFC: rfc}
}
