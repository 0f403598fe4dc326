package hooks

import "netstackd/hooks/wire"

// A Direction is a packet's, as it stands in traces.
type Direction string

// Inbound is TUN to netstack, outbound netstack to TUN.
const (
	Inbound  Direction = "in"
	Outbound Direction = "out"
)

// A Fate is what became of a packet, as it stands in traces.
type Fate string

// Fates of inbound packets.
const (
	// Delivered: handed to netstack, with no drop predicted.
	Delivered Fate = "delivered"
	// Answered: netstack, or whoever answers, sent the reply to it, be it an
	// error that says why the packet is not taken. It has no reason.
	Answered Fate = "answered"
	// Dropped: not delivered, or delivered for netstack to discard, as the
	// reference host says it must. Where an error about it is due or allowed
	// and none was sent, for the rate of errors is limited, the reason is what
	// that error would have said.
	Dropped Fate = "dropped"
	// Guarded: kept from netstack because it would harm it.
	Guarded Fate = "guarded"
	// Mended: kept from its way, either one, by the mend that is the reason: to
	// netstack, which would not have done what the RFCs say, for the mend answers,
	// or is silent, in its place; or to the link, for netstack should not have
	// made it.
	Mended Fate = "mended"
)

// Fates of outbound packets; Dropped and Mended are among them.
const (
	// Sent: handed to the link.
	Sent Fate = "sent"
	// Suppressed: a reply of netstack's that is not sent, for another answerer
	// gives it. It has no reason.
	Suppressed Fate = "suppressed"
)

// ReasonDetached is the reason of a packet that arrived while no netstack was
// attached.
const ReasonDetached = "detached"

// ReasonUnknown stands for a reason that is not on the closed list, and for a
// fate that the packet's direction does not have. Either would be a defect.
const ReasonUnknown = "unknown"

// DropReasons documents the reasons that this package and hooks/wire give, a
// line each.
func DropReasons() map[string]string {
	m := wire.Reasons()
	m[ReasonDetached] = "no netstack was attached to take the packet"
	m[ReasonUnknown] = "a hook gave a reason or a fate that is on no list: a defect of this program"
	return m
}
