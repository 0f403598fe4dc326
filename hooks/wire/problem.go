package wire

import "fmt"

// A Layer names the protocol that a checksum or a problem belongs to, as it
// stands in traces.
type Layer string

// The layers that this package decodes.
const (
	LayerIPv4   Layer = "ipv4"
	LayerIPv6   Layer = "ipv6"
	LayerICMPv4 Layer = "icmpv4"
	LayerICMPv6 Layer = "icmpv6"
	LayerTCP    Layer = "tcp"
	LayerUDP    Layer = "udp"
)

// The closed list of what can be wrong with the shape of a packet. The names
// are drop reasons in traces, metrics and captures.
const (
	ReasonTooShort         = "too-short"
	ReasonBadVersion       = "bad-version"
	ReasonBadHeaderLength  = "bad-header-length"
	ReasonBadTotalLength   = "bad-total-length"
	ReasonTruncated        = "truncated"
	ReasonBadOption        = "bad-option"
	ReasonBadExtension     = "bad-extension-header"
	ReasonBadFragment      = "bad-fragment"
	ReasonShortICMP        = "short-icmp"
	ReasonShortUDP         = "short-udp"
	ReasonBadUDPLength     = "bad-udp-length"
	ReasonShortTCP         = "short-tcp"
	ReasonBadTCPDataOffset = "bad-data-offset"
)

// Reasons documents each name of the closed list in one line.
func Reasons() map[string]string {
	return map[string]string{
		ReasonTooShort:         "fewer bytes than the smallest IP header",
		ReasonBadVersion:       "the version is neither 4 nor 6 (RFC 1122 §3.2.1.1)",
		ReasonBadHeaderLength:  "IPv4 header length under 5 words or past the packet (RFC 1812 §5.2.2)",
		ReasonBadTotalLength:   "IPv4 total length under the header length (RFC 1812 §5.2.2)",
		ReasonTruncated:        "total length or payload length over the bytes received (RFC 1812 §5.2.2, RFC 8200 §3)",
		ReasonBadOption:        "IPv4 option of length 0 or 1, or past the header (RFC 1122 §3.2.2.5)",
		ReasonBadExtension:     "IPv6 extension header past the packet (RFC 8200 §4)",
		ReasonBadFragment:      "fragment other than the last whose length is not a multiple of 8 (RFC 791 §3.2, RFC 8200 §4.5)",
		ReasonShortICMP:        "ICMP message under its header's length (RFC 792, RFC 4443 §2.1)",
		ReasonShortUDP:         "UDP datagram under 8 bytes (RFC 768)",
		ReasonBadUDPLength:     "UDP length under 8 or over the IP payload (RFC 768)",
		ReasonShortTCP:         "TCP segment under 20 bytes (RFC 9293 §3.1)",
		ReasonBadTCPDataOffset: "TCP data offset under 5 words or past the segment (RFC 9293 §3.1)",
	}
}

// A Problem says what is wrong with the shape of a packet, and where. The
// zero Problem means nothing is.
type Problem struct {
	// Reason is one of the Reason constants, or empty.
	Reason string
	Layer  Layer
	// Offset is that of the offending field in bytes from the packet's start.
	Offset int
	// Seen is the offending value, and Limit the one that bounds it.
	Seen, Limit int
}

// IsZero reports whether there is no problem.
func (p Problem) IsZero() bool { return p.Reason == "" }

// Error makes Problem an error, for those who decode a packet of their own.
func (p Problem) Error() string {
	return fmt.Sprintf("decode %s: %s at offset %d: %d, against %d", p.Layer, p.Reason, p.Offset, p.Seen, p.Limit)
}
