package stack

// The reasons why this room refuses a connection, leaves a datagram
// unanswered, or loses a packet with a netstack that panicked. The names are those of metrics, traces and capture comments, and
// no other room uses them.
const (
	// DropConnectionLimit: a TCP connection over the limit of its service was
	// reset.
	DropConnectionLimit = "service-connection-limit"
	// DropSourceLimit: a TCP connection over the limit of its source, an IPv4
	// address or an IPv6 /64, was reset.
	DropSourceLimit = "service-source-limit"
	// DropTotalLimit: a TCP connection over the limit of all services was reset.
	DropTotalLimit = "service-total-limit"
	// DropGaveWay: a TCP connection that made next to no progress, or was one of too
	// many of its source, was reset for a new one where there was no room.
	DropGaveWay = "service-gave-way"
	// DropIdle: a TCP connection without progress for the idle time was reset.
	DropIdle = "service-idle"
	// DropServiceOff: a service was taken away, and with it a TCP connection that was just
	// made, or did not end in time, or a datagram that had just come.
	DropServiceOff = "service-off"
	// DropLowSourcePort: a datagram to echo or chargen came from a port below
	// 1024.
	DropLowSourcePort = "service-low-source-port"
	// DropNotToUnicast: a datagram to echo or chargen was sent to a broadcast
	// or multicast address.
	DropNotToUnicast = "service-not-to-unicast"
	// DropNotFromUnicast: a datagram to echo or chargen came from a broadcast,
	// multicast or unspecified address.
	DropNotFromUnicast = "service-not-from-unicast"
	// DropReplyFailed: the reply to a datagram could not be sent.
	DropReplyFailed = "service-reply-failed"
	// DropIperf3Busy: an iperf3 client was refused because another one's test
	// ran.
	DropIperf3Busy = "service-iperf3-busy"
	// DropIperf3NoCookie: a TCP connection to iperf3 did not begin with a cookie.
	DropIperf3NoCookie = "service-iperf3-no-cookie"
	// DropIperf3NoStream: a datagram to iperf3 belonged to no stream of a test.
	DropIperf3NoStream = "service-iperf3-no-stream"
	// DropIperf3Short: a datagram of an iperf3 test had no whole head.
	DropIperf3Short = "service-iperf3-short"
	// DropPanic: netstack panicked of a packet that was delivered to it.
	DropPanic = "netstack-panic"
	// DropAbandonedIn: a packet was on its way to a netstack that panicked.
	DropAbandonedIn = "netstack-abandoned"
	// DropAbandonedOut: a netstack that panicked had yet a packet to send.
	DropAbandonedOut = "netstack-abandoned-sent"
)

// DropReasons documents each reason, one line each, by name. The caller owns
// the map.
func DropReasons() map[string]string {
	return map[string]string{
		DropConnectionLimit: "TCP connection over the limit of its service, reset",
		DropSourceLimit:     "TCP connection over the limit of its source (IPv4 address, IPv6 /64), reset",
		DropTotalLimit:      "TCP connection over the limit of all services, reset",
		DropGaveWay:         "TCP connection next to no progress of, or one of too many of its source, reset for a new one where there was no room",
		DropIdle:            "TCP connection to a service without progress for too long, reset",
		DropServiceOff:      "TCP connection or UDP datagram of a service that was taken away",
		DropLowSourcePort:   "UDP datagram to echo or chargen from a source port below 1024, ignored so that no loop can be built",
		DropNotToUnicast:    "UDP datagram to echo or chargen sent to a broadcast or multicast address, ignored",
		DropNotFromUnicast:  "UDP datagram to echo or chargen from a broadcast, multicast or unspecified address, ignored",
		DropReplyFailed:     "UDP reply of a service that could not be sent: no route, or the link took it not",
		DropIperf3Busy:      "TCP connection to iperf3 while another test ran, or to one that is over, told so and closed",
		DropIperf3NoCookie:  "TCP connection to iperf3 that did not begin with an iperf3 cookie, reset",
		DropIperf3NoStream:  "UDP datagram to iperf3 that belongs to no stream of a running test, ignored",
		DropIperf3Short:     "UDP datagram of an iperf3 test that is too short for its header, ignored",
		DropPanic:           "inbound packet of which netstack panicked while it was delivered",
		DropAbandonedIn:     "inbound packet on its way to a netstack that had just panicked",
		DropAbandonedOut:    "outbound packet of a netstack that has panicked and been abandoned",
	}
}

// datagramReason is a place in datagramReasons.
type datagramReason int

const answerIt datagramReason = -1

const (
	lowSourcePort datagramReason = iota
	notToUnicast
	notFromUnicast
	replyFailed
)

// datagramReasons names each datagramReason.
var datagramReasons = [...]string{
	lowSourcePort:  DropLowSourcePort,
	notToUnicast:   DropNotToUnicast,
	notFromUnicast: DropNotFromUnicast,
	replyFailed:    DropReplyFailed,
}
