package respond

import (
	"errors"
	"fmt"
	"strings"

	"netstackd/hooks/compare"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// A Fault is a field in which a reply is wrong.
type Fault struct {
	// Field is its name, as it stands in scorecards: "ICMP checksum".
	Field string
	// Offset in bytes from the packet's start.
	Offset int
	// Seen is what stands there, Hand what is right.
	Seen, Hand string
	// RFC is where it is written.
	RFC string
}

// String is the fault as a sentence without its full stop.
func (f Fault) String() string {
	return fmt.Sprintf("%s is %s, by hand %s (%s)", f.Field, f.Seen, f.Hand, f.RFC)
}

// refusal is the sentence that tells of faults.
func refusal(faults []Fault) error {
	all := make([]string, len(faults))
	for i, f := range faults {
		all[i] = f.String()
	}
	return errors.New(strings.Join(all, "; "))
}

// grade holds a reply against the one made by hand, field by field, and returns
// what no RFC allows.
func grade(packet []byte, reply *wire.Packet, q *Question) []Fault {
	var hand wire.Packet
	hand.Decode(q.Hand)
	switch {
	case len(packet) == 0:
		return []Fault{{"length", 0, "0 bytes", count(len(q.Hand)), versionRFC(&hand)}}
	case reply.Version != hand.Version:
		return []Fault{{"version", 0, fmt.Sprint(reply.Version), fmt.Sprint(hand.Version), versionRFC(&hand)}}
	case !reply.Problem.IsZero():
		return []Fault{misshapen(reply, &hand)}
	case reply.Trailing > 0:
		return []Fault{{"length", len(packet) - reply.Trailing, count(len(packet)), count(len(packet)-reply.Trailing) + ", as its header says", versionRFC(&hand)}}
	case reply.Fragment.IsFragment():
		// A right one that is too long for the link is fragmented here.
		return []Fault{{"fragment", 6, "one of several", "whole", fragmentRFC(&hand)}}
	}
	var faults []Fault
	for _, d := range compare.Diff(reply, &hand, compare.Freedoms{AnySource: q.AnySource}) {
		if d.Class == trace.Must {
			faults = append(faults, fault(d))
		}
	}
	return faults
}

// sendable reports whether a reply that is wrong can be sent.
func sendable(packet []byte, reply *wire.Packet) bool {
	return len(packet) > 0 && reply.Problem.IsZero() && reply.Trailing == 0 && !reply.Fragment.IsFragment()
}

// fault words a difference for those who have to mend it.
func fault(d trace.Diff) Fault {
	f := Fault{d.Field, d.Offset, d.Netstack, d.Hand, d.RFC}
	switch d.Field {
	case string(wire.LayerICMPv4) + " checksum":
		f.Field, f.RFC = "ICMP checksum", "RFC 792"
	case string(wire.LayerICMPv6) + " checksum":
		f.Field, f.RFC = "ICMPv6 checksum", "RFC 4443 §2.3"
	case string(wire.LayerIPv4) + " checksum":
		f.Field, f.RFC = "IPv4 header checksum", "RFC 791 §3.1"
	case "data":
		f.Seen = fmt.Sprintf("%s at byte %d", d.Netstack, d.Offset)
	}
	return f
}

// misshapen tells of a reply that cannot be decoded.
func misshapen(reply, hand *wire.Packet) Fault {
	p := reply.Problem
	f := Fault{Field: p.Reason, Offset: p.Offset, Seen: fmt.Sprint(p.Seen), Hand: fmt.Sprint(p.Limit), RFC: versionRFC(hand)}
	switch p.Reason {
	case wire.ReasonTooShort:
		f.Field, f.Seen, f.Hand = "length", count(p.Seen), fmt.Sprintf("%s at least", count(p.Limit))
	case wire.ReasonTruncated:
		f.Field, f.Seen, f.Hand = "length", count(p.Limit), fmt.Sprintf("%s, as its header says", count(p.Seen))
	case wire.ReasonBadHeaderLength:
		f.Field, f.Seen, f.Hand = "header length", count(p.Seen), count(hand.Payload)
	case wire.ReasonBadTotalLength:
		f.Field, f.Seen, f.Hand = "total length", count(p.Seen), count(len(hand.Bytes))
	case wire.ReasonShortICMP:
		f.Field, f.Seen, f.Hand = "length of the ICMP message", count(p.Seen), fmt.Sprintf("%s at least", count(p.Limit))
		f.RFC = "RFC 792"
		if hand.Version == 6 {
			f.RFC = "RFC 4443 §2.1"
		}
	}
	return f
}

func count(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

func versionRFC(p *wire.Packet) string {
	if p.Version == 6 {
		return "RFC 8200 §3"
	}
	return "RFC 791 §3.1"
}

func fragmentRFC(p *wire.Packet) string {
	if p.Version == 6 {
		return "RFC 8200 §4.5"
	}
	return "RFC 791 §3.2"
}

// name names a request to those who answer it.
func name(q *Question) string {
	var p wire.Packet
	p.Decode(q.Packet)
	return fmt.Sprintf("echo request from %s with identifier %d and sequence number %d", p.Src, p.ICMP.ID, p.ICMP.Seq)
}
