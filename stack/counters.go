package stack

import (
	"maps"
	"reflect"
)

// Counters is a snapshot. All but the Open and Established figures only ever
// grow. netstack counts each by itself, so figures that belong together can
// differ by the packets under way while the snapshot is taken.
type Counters struct {
	IP       IPCounters
	ICMPv4   ICMPCounters
	ICMPv6   ICMPCounters
	TCP      TCPCounters
	UDP      UDPCounters
	Services map[string]ServiceCounters // by name; the services that run
	Drops    map[string]uint64          // by name; every name of DropReasons
	Panics   PanicCounters
}

// IPCounters are packets of IPv4 and IPv6 together. A fragment is a packet.
type IPCounters struct {
	Received           uint64 // came from the link
	Disabled           uint64 // came before the NIC was enabled, not in Received: dropped
	Malformed          uint64 // version, lengths, IPv4 header checksum, options: dropped
	MalformedFragments uint64 // fragments that cannot be put together: dropped
	InvalidSource      uint64 // source martian, broadcast, multicast or our own: dropped
	InvalidDestination uint64 // destination not ours, or martian: dropped
	Valid              uint64 // survived the checks of the header, whoever it was for
	Delivered          uint64 // handed to a transport protocol, datagrams put together first
	Sent               uint64 // written by this host
	SendErrors         uint64 // of those, refused by the link

	UnknownProtocol    uint64 // payload of no protocol the host has: answered with an ICMP error
	MalformedTransport uint64 // too short for its transport header, or a bad checksum for a port nobody has: dropped
}

// ICMPCounters are messages of ICMPv4 or ICMPv6.
type ICMPCounters struct {
	EchoRequestsReceived uint64 // with a right checksum
	EchoRepliesSent      uint64 // that the link took
	Invalid              uint64 // too short, bad checksum or unknown type, in one: dropped
	UnreachableSent      uint64 // destination unreachable
	UnreachableReceived  uint64 // destination unreachable
	TimeExceededSent     uint64 // time exceeded
	ParameterProblemSent uint64 // parameter problem
	RateLimited          uint64 // errors kept back by the rate limit
	SendDropped          uint64 // lost to the link or for want of a route
}

// TCPCounters are connections and segments.
type TCPCounters struct {
	Accepted         uint64 // connections opened by clients, handshake complete
	Established      uint64 // connections in state ESTABLISHED now
	FailedHandshakes uint64 // connections that never came to be
	EstablishedReset uint64 // connections that went from ESTABLISHED or CLOSE-WAIT to CLOSED at once
	TimedOut         uint64 // connections given up for want of acknowledgements

	SegmentsReceived uint64 // with a right checksum
	SegmentsSent     uint64
	SendErrors       uint64 // segments the link refused
	InvalidSegments  uint64 // header that makes no sense, or not unicast: dropped
	ChecksumErrors   uint64 // segments for a port we have: dropped
	ResetsReceived   uint64
	ResetsSent       uint64
	Retransmits      uint64

	BacklogDrops uint64 // SYNs and last ACKs dropped because a backlog was full
	SynCookies   uint64 // SYNs answered by cookie
}

// UDPCounters are datagrams.
type UDPCounters struct {
	Received          uint64 // delivered to a port we have
	UnknownPort       uint64 // for a port we do not have: answered with an ICMP error
	Malformed         uint64 // a length that makes no sense: dropped
	ChecksumErrors    uint64 // for a port we have: dropped
	ReceiveBufferFull uint64 // dropped because a port could not take more, or is closed
	Sent              uint64
	SendErrors        uint64
}

// ServiceCounters are those of one service. What it does not serve stays 0.
type ServiceCounters struct {
	Connections uint64 // TCP connections accepted within the limit
	Open        uint64 // of those, open now
	Refused     uint64 // TCP connections over the limit: DropConnectionLimit
	Crowding    uint64 // TCP connections over the limit of their source: DropSourceLimit
	Overfull    uint64 // TCP connections over the limit of all services: DropTotalLimit
	GaveWay     uint64 // TCP connections reset for others: DropGaveWay
	Idle        uint64 // TCP connections reset for want of progress: DropIdle
	Off         uint64 // TCP connections ended, and UDP datagrams lost, as the service was taken away: DropServiceOff
	Datagrams   uint64 // UDP datagrams received
	Replies     uint64 // UDP datagrams answered
	Ignored     uint64 // UDP datagrams left unanswered for one of DropReasons
}

// PanicCounters are of panics on goroutines of ours, and of what came of them.
type PanicCounters struct {
	By          map[string]uint64 // panics, by the name of each Where
	Rebuilds    uint64            // netstacks that took another's place
	Connections uint64            // TCP connections that were lost
}

// RateLimited is how many ICMP errors the rate limit has kept back, IPv4 and
// IPv6 together: two counters read, without a lock. It may be called at any
// time, from any goroutine.
func (h *Host) RateLimited() uint64 {
	s := h.instances.Load()
	n := s.past.ICMPv4.RateLimited + s.past.ICMPv6.RateLimited
	for _, i := range s.abandoned {
		n += i.rateLimited()
	}
	if s.current != nil {
		n += s.current.rateLimited()
	}
	return n
}

// Refused is how many TCP segments and connections netstack has turned away for
// want of room: backlogs and queues that are full. Otherwise as RateLimited.
func (h *Host) Refused() uint64 {
	s := h.instances.Load()
	n := s.refused
	for _, i := range s.abandoned {
		n += i.refused()
	}
	if s.current != nil {
		n += s.current.refused()
	}
	return n
}

// Counters takes a snapshot. It may be called at any time, after Close too. The
// caller owns the maps. What netstacks counted that panicked is in it.
func (h *Host) Counters() Counters {
	s := h.instances.Load()
	c := Counters{}.plus(s.past, false) // a copy
	for _, i := range s.abandoned {
		c = c.plus(i.counters(), false)
	}
	if s.current != nil {
		c = c.plus(s.current.counters(), true)
	}
	c.Drops[DropAbandonedIn] = h.losses.in.Load()
	c.Drops[DropAbandonedOut] = h.losses.out.Load()
	c.Drops[DropPanic] = h.losses.panics.Load()
	c.Panics = PanicCounters{By: map[string]uint64{}, Rebuilds: h.rebuilds.Load(), Connections: h.lost.Load()}
	for w := range wheres {
		c.Panics.By[w.String()] = h.panics[w].Load()
	}
	return c
}

// rateLimited is that of Host.
func (i *instance) rateLimited() (n uint64) {
	i.cover(WhereCount, func() {
		s := i.stack.Stats().ICMP
		n = s.V4.PacketsSent.RateLimited.Value() + s.V6.PacketsSent.RateLimited.Value()
	})
	return n
}

// refused is that of Host.
func (i *instance) refused() (n uint64) {
	i.cover(WhereCount, func() {
		s := i.stack.Stats()
		n = s.DroppedPackets.Value() + s.TCP.ListenOverflowSynDrop.Value() + s.TCP.FailedConnectionAttempts.Value()
	})
	return n
}

// counters is that of Host. It waits for no lock that one who panics may hold.
func (i *instance) counters() (c Counters) {
	i.cover(WhereCount, func() { i.collect(&c) })
	return c
}

func (i *instance) collect(c *Counters) {
	*c = i.netstackCounters()
	c.Services = make(map[string]ServiceCounters)
	c.Drops = make(map[string]uint64)
	for name := range DropReasons() {
		c.Drops[name] = 0
	}
	served := i.services.Load()
	for _, s := range served.all() {
		sum, more := c.Services[s.name], s.count(c.Drops)
		add(&sum, &more)
		c.Services[s.name] = sum
	}
	*c = c.plus(served.past, true)
}

// count returns the service's counters and adds its drops.
func (s *service) count(drops map[string]uint64) (sc ServiceCounters) {
	if l := s.listener; l != nil {
		sc.Connections = l.accepted.Load()
		sc.Open = uint64(l.open())
		sc.Refused = l.refused.Load()
		sc.Idle = l.idled.Load()
		sc.Crowding = l.crowding.Load()
		sc.Overfull, sc.GaveWay = l.overfull.Load(), l.gaveWay.Load()
		sc.Off = l.off.Load()
		drops[DropServiceOff] += sc.Off
		drops[DropConnectionLimit] += sc.Refused
		drops[DropTotalLimit] += sc.Overfull
		drops[DropGaveWay] += sc.GaveWay
		drops[DropSourceLimit] += sc.Crowding
		drops[DropIdle] += sc.Idle
	}
	if v := s.speed; v != nil {
		v.count(&sc, drops)
	} else if k := s.socket; k != nil {
		sc.Datagrams = k.received.Load()
		sc.Replies = k.replied.Load()
		for reason, name := range datagramReasons {
			n := k.ignored[reason].Load()
			sc.Ignored += n
			drops[name] += n
		}
	}
	if k := s.socket; k != nil {
		n := k.purged.Load()
		sc.Off += n
		drops[DropServiceOff] += n
	}
	return sc
}

// plus adds what an instance counted. Of one that does not live, the figures of what
// is open now are left out. Neither is changed.
func (c Counters) plus(o Counters, lives bool) Counters {
	if !lives {
		o.TCP.Established = 0
	}
	for _, pair := range [...][2]any{
		{&c.IP, &o.IP}, {&c.ICMPv4, &o.ICMPv4}, {&c.ICMPv6, &o.ICMPv6}, {&c.TCP, &o.TCP}, {&c.UDP, &o.UDP},
	} {
		add(pair[0], pair[1])
	}
	services, drops := map[string]ServiceCounters{}, map[string]uint64{}
	maps.Copy(services, c.Services)
	for name, s := range o.Services {
		if !lives {
			s.Open = 0
		}
		sum := services[name]
		add(&sum, &s)
		services[name] = sum
	}
	maps.Copy(drops, c.Drops)
	for reason, n := range o.Drops {
		drops[reason] += n
	}
	c.Services, c.Drops = services, drops
	return c
}

// add adds to each number of a struct the same one of another.
func add(to, from any) {
	t, f := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	for i := range t.NumField() {
		t.Field(i).SetUint(t.Field(i).Uint() + f.Field(i).Uint())
	}
}

// netstackCounters reads what netstack counts.
func (i *instance) netstackCounters() Counters {
	s := i.stack.Stats()
	in4, out4 := s.ICMP.V4.PacketsReceived, s.ICMP.V4.PacketsSent
	in6, out6 := s.ICMP.V6.PacketsReceived, s.ICMP.V6.PacketsSent
	var unknown uint64
	for _, proto := range s.NICs.UnknownL4ProtocolRcvdPacketCounts.Keys() {
		if n, ok := s.NICs.UnknownL4ProtocolRcvdPacketCounts.Get(proto); ok {
			unknown += n.Value()
		}
	}
	return Counters{
		IP: IPCounters{
			Received:           s.IP.PacketsReceived.Value(),
			Disabled:           s.NICs.DisabledRx.Packets.Value(),
			Malformed:          s.IP.MalformedPacketsReceived.Value(),
			MalformedFragments: s.IP.MalformedFragmentsReceived.Value(),
			InvalidSource:      s.IP.InvalidSourceAddressesReceived.Value(),
			InvalidDestination: s.IP.InvalidDestinationAddressesReceived.Value(),
			Valid:              s.IP.ValidPacketsReceived.Value(),
			Delivered:          s.IP.PacketsDelivered.Value(),
			Sent:               s.IP.PacketsSent.Value(),
			SendErrors:         s.IP.OutgoingPacketErrors.Value(),
			UnknownProtocol:    unknown,
			MalformedTransport: s.NICs.MalformedL4RcvdPackets.Value(),
		},
		ICMPv4: ICMPCounters{
			EchoRequestsReceived: in4.EchoRequest.Value(),
			EchoRepliesSent:      out4.EchoReply.Value(),
			Invalid:              in4.Invalid.Value(),
			UnreachableSent:      out4.DstUnreachable.Value(),
			UnreachableReceived:  in4.DstUnreachable.Value(),
			TimeExceededSent:     out4.TimeExceeded.Value(),
			ParameterProblemSent: out4.ParamProblem.Value(),
			RateLimited:          out4.RateLimited.Value(),
			SendDropped:          out4.Dropped.Value(),
		},
		ICMPv6: ICMPCounters{
			EchoRequestsReceived: in6.EchoRequest.Value(),
			EchoRepliesSent:      out6.EchoReply.Value(),
			Invalid:              in6.Invalid.Value() + in6.Unrecognized.Value(),
			UnreachableSent:      out6.DstUnreachable.Value(),
			UnreachableReceived:  in6.DstUnreachable.Value(),
			TimeExceededSent:     out6.TimeExceeded.Value(),
			ParameterProblemSent: out6.ParamProblem.Value(),
			RateLimited:          out6.RateLimited.Value(),
			SendDropped:          out6.Dropped.Value(),
		},
		TCP: TCPCounters{
			Accepted:         s.TCP.PassiveConnectionOpenings.Value(),
			Established:      s.TCP.CurrentEstablished.Value(),
			FailedHandshakes: s.TCP.FailedConnectionAttempts.Value(),
			EstablishedReset: s.TCP.EstablishedResets.Value(),
			TimedOut:         s.TCP.EstablishedTimedout.Value(),
			SegmentsReceived: s.TCP.ValidSegmentsReceived.Value(),
			SegmentsSent:     s.TCP.SegmentsSent.Value(),
			SendErrors:       s.TCP.SegmentSendErrors.Value(),
			InvalidSegments:  s.TCP.InvalidSegmentsReceived.Value(),
			ChecksumErrors:   s.TCP.ChecksumErrors.Value(),
			ResetsReceived:   s.TCP.ResetsReceived.Value(),
			ResetsSent:       s.TCP.ResetsSent.Value(),
			Retransmits:      s.TCP.Retransmits.Value(),
			BacklogDrops:     s.TCP.ListenOverflowSynDrop.Value() + s.TCP.ListenOverflowAckDrop.Value(),
			SynCookies:       s.TCP.ListenOverflowSynCookieSent.Value(),
		},
		UDP: UDPCounters{
			Received:          s.UDP.PacketsReceived.Value(),
			UnknownPort:       s.UDP.UnknownPortErrors.Value(),
			Malformed:         s.UDP.MalformedPacketsReceived.Value(),
			ChecksumErrors:    s.UDP.ChecksumErrors.Value(),
			ReceiveBufferFull: s.UDP.ReceiveBufferErrors.Value(),
			Sent:              s.UDP.PacketsSent.Value(),
			SendErrors:        s.UDP.PacketSendErrors.Value(),
		},
	}
}
