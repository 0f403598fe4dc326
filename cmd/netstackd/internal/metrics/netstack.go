package metrics

import (
	"sync"
	"time"

	"netstackd/stack"
)

// connectionsAge is how long what there is of all connections is believed: to look at
// 50,000 takes a while.
const connectionsAge = time.Second

// connections are those of netstack as they were lately. They are safe for concurrent
// use.
type connections struct {
	from func() stack.ConnectionTotals

	mu sync.Mutex
	// The following are guarded by mu.
	last stack.ConnectionTotals // nobody changes it
	at   time.Time
}

func (c *connections) get() stack.ConnectionTotals {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() || time.Since(c.at) >= connectionsAge {
		c.last, c.at = c.from(), time.Now()
	}
	return c.last
}

// netstack sends what netstack and its services count.
func (c *collector) netstack(e emitter) {
	n := c.Netstack()
	tcp := &n.TCP
	e.gauge("tcp_established_connections", "TCP connections in state ESTABLISHED.", nil, float64(tcp.Established))
	all := c.connections.get()
	for state, open := range all.States {
		e.gauge("tcp_connections", "TCP connections that services have accepted and netstack has not forgotten, by state; at most a second old.",
			[]string{"state"}, float64(open), state)
	}
	e.gauge("tcp_receive_queue_bytes", "Bytes that netstack holds for services which have not taken them yet; at most a second old.", nil, float64(all.Queue))
	for _, m := range []struct {
		name, help string
		n          uint64
	}{
		{"tcp_accepted_total", "TCP connections opened by clients.", tcp.Accepted},
		{"tcp_failed_handshakes_total", "TCP connections that never came to be.", tcp.FailedHandshakes},
		{"tcp_established_resets_total", "TCP connections that went from ESTABLISHED or CLOSE-WAIT to CLOSED at once.", tcp.EstablishedReset},
		{"tcp_timeouts_total", "TCP connections given up for want of acknowledgements.", tcp.TimedOut},
		{"tcp_segments_received_total", "TCP segments received with a right checksum.", tcp.SegmentsReceived},
		{"tcp_segments_sent_total", "TCP segments sent.", tcp.SegmentsSent},
		{"tcp_segment_send_errors_total", "TCP segments that the link refused.", tcp.SendErrors},
		{"tcp_invalid_segments_total", "TCP segments whose header makes no sense.", tcp.InvalidSegments},
		{"tcp_checksum_errors_total", "TCP segments that netstack dropped for their checksum.", tcp.ChecksumErrors},
		{"tcp_resets_received_total", "TCP resets received.", tcp.ResetsReceived},
		{"tcp_resets_sent_total", "TCP resets sent.", tcp.ResetsSent},
		{"tcp_retransmits_total", "TCP segments sent again.", tcp.Retransmits},
		{"tcp_backlog_drops_total", "SYNs and last ACKs dropped because a backlog was full.", tcp.BacklogDrops},
		{"tcp_syn_cookies_total", "SYNs answered by cookie.", tcp.SynCookies},
		{"udp_received_total", "UDP datagrams delivered to a port.", n.UDP.Received},
		{"udp_sent_total", "UDP datagrams sent.", n.UDP.Sent},
		{"udp_send_errors_total", "UDP datagrams that could not be sent.", n.UDP.SendErrors},
		{"udp_unknown_port_total", "UDP datagrams for a port that nobody has.", n.UDP.UnknownPort},
		{"udp_malformed_total", "UDP datagrams of a length that makes no sense.", n.UDP.Malformed},
		{"udp_checksum_errors_total", "UDP datagrams that netstack dropped for their checksum.", n.UDP.ChecksumErrors},
		{"udp_receive_buffer_full_total", "UDP datagrams that a port could not take.", n.UDP.ReceiveBufferFull},
		{"ip_received_total", "IP packets that netstack received.", n.IP.Received},
		{"ip_sent_total", "IP packets that netstack sent.", n.IP.Sent},
		{"ip_send_errors_total", "IP packets that the link refused.", n.IP.SendErrors},
		{"ip_malformed_total", "IP packets that netstack dropped for their header.", n.IP.Malformed},
		{"ip_malformed_fragments_total", "Fragments that cannot be put together.", n.IP.MalformedFragments},
		{"ip_invalid_source_total", "IP packets dropped for their source address.", n.IP.InvalidSource},
		{"ip_invalid_destination_total", "IP packets dropped for their destination address.", n.IP.InvalidDestination},
	} {
		e.total(m.name, m.help, m.n)
	}
	version := []string{"ip_version"}
	for v, i := range map[string]*stack.ICMPCounters{"4": &n.ICMPv4, "6": &n.ICMPv6} {
		e.counter("icmp_echo_requests_received_total", "Echo requests that netstack received.", version, float64(i.EchoRequestsReceived), v)
		e.counter("icmp_echo_replies_sent_total", "Echo replies that netstack sent.", version, float64(i.EchoRepliesSent), v)
		e.counter("icmp_invalid_total", "ICMP messages that netstack dropped: too short, a bad checksum, an unknown type.", version, float64(i.Invalid), v)
		e.counter("icmp_rate_limited_total", "ICMP errors kept back by the limit of their rate.", version, float64(i.RateLimited), v)
	}
	for name, s := range n.Services {
		label := []string{"service"}
		e.counter("service_connections_total", "TCP connections that the service accepted.", label, float64(s.Connections), name)
		e.gauge("service_open_connections", "TCP connections of the service that are open.", label, float64(s.Open), name)
		e.counter("service_datagrams_total", "UDP datagrams that the service received.", label, float64(s.Datagrams), name)
	}
	for where, panics := range n.Panics.By {
		e.counter("panics_total", "Panics of netstack on goroutines of ours, by what they did.", []string{"where"}, float64(panics), where)
	}
	e.total("rebuilds_total", "Netstacks built in the place of one that panicked.", n.Panics.Rebuilds)
	e.total("panic_lost_connections_total", "TCP connections lost with a netstack that panicked.", n.Panics.Connections)
	for reason, lost := range n.Drops {
		e.counter("service_drops_total", "Connections and datagrams that services refused, and packets lost with a netstack that panicked.", []string{"reason"}, float64(lost), reason)
	}
}
