package stack

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// nicID is the one NIC the host has.
const nicID tcpip.NICID = 1

// The tuning. Each value is set and checked in setOptions, those that equal
// netstack's defaults too, so that a new version of netstack cannot change the
// host without a line here.
const (
	// A buffer starts at bufferDefault and netstack tunes it up to bufferMax.
	// The start is large because a TUN has next to no delay but hands over 64
	// KiB at once; the end allows 1 Gbit/s over 16 ms. A larger receive buffer
	// fills the device's queue with what a client has to send, and its
	// acknowledgements wait behind that: with 8 MiB the way out of a transfer
	// both ways was 1 to 9 Gbit/s, with 2 MiB 6 to 10.
	bufferMin     = 4 << 10
	bufferDefault = 256 << 10
	bufferMax     = 2 << 20

	// bufferCrowd is the send buffer of a connection beyond the first ample ones.
	bufferCrowd = 64 << 10

	// datagramBuffer bounds what a UDP socket queues, in bytes of payload.
	datagramBuffer = 1 << 20

	// lingerTimeout ends FIN-WAIT-2 once nobody reads any more, and
	// timeWaitTimeout is twice a maximum segment lifetime of 30 s, as in Linux
	// (RFC 9293 section 3.4.2 takes 2 min for the lifetime, an engineering
	// choice it leaves open).
	lingerTimeout   = 60 * time.Second
	timeWaitTimeout = 60 * time.Second

	// maxRetries and synRetries are Linux's tcp_retries2 and tcp_syn_retries.
	maxRetries = 15
	synRetries = 6

	// icmpLimit is how many ICMP errors the host sends a second, IPv4 and IPv6
	// together, and icmpBurst how many at once (RFC 1812 section 4.3.2.8, RFC
	// 4443 section 2.4 f). Echo replies are exempt.
	icmpLimit = 1000
	icmpBurst = 50
)

// newNetstack builds netstack with every option set, and no NIC. On error
// nothing is left behind. netstack starts its TCP processor goroutines here,
// one per GOMAXPROCS; Stack.Destroy ends them. unlimited is Config.UnlimitedErrors.
func newNetstack(unlimited bool) (*netstack.Stack, error) {
	s := netstack.New(netstack.Options{
		NetworkProtocols: []netstack.NetworkProtocolFactory{
			ipv4.NewProtocolWithOptions(ipv4.Options{
				// IGMP off: the link has one other end and no router to tell.
				IGMP:                         ipv4.IGMPOptions{Enabled: false},
				AllowExternalLoopbackTraffic: false, // martians, RFC 1122 section 3.2.1.3
			}),
			ipv6.NewProtocolWithOptions(ipv6.Options{
				// The kernel routes these addresses to this link, so no other
				// node can hold them, and no router is there to be discovered.
				DADConfigs:                   netstack.DADConfigurations{DupAddrDetectTransmits: 0},
				NDPConfigs:                   ipv6.NDPConfigurations{HandleRAs: ipv6.HandlingRAsDisabled, MaxRtrSolicitations: 0},
				MLD:                          ipv6.MLDOptions{Enabled: false},
				AutoGenLinkLocal:             false,
				AllowExternalLoopbackTraffic: false,
			}),
		},
		TransportProtocols: []netstack.TransportProtocolFactory{
			tcp.NewProtocolCUBIC,
			udp.NewProtocol,
			icmp.NewProtocol4,
			icmp.NewProtocol6,
		},
		// A packet to the host's own address stays inside, as on every host. It
		// also makes netstack drop inbound packets that claim to come from one
		// of its own addresses: nobody else may send those (RFC 1122 section
		// 3.2.1.3), and without it a forged one would be answered onto the link.
		HandleLocal: true,
	})
	if err := setOptions(s); err != nil {
		s.Destroy()
		return nil, err
	}
	if unlimited {
		s.SetICMPLimit(rate.Inf)
	}
	return s, nil
}

func setOptions(s *netstack.Stack) error {
	if err := setTCPOptions(s); err != nil {
		return err
	}
	// Stack-wide buffers are those of everything but TCP.
	snd := tcpip.SendBufferSizeOption{Min: bufferMin, Default: datagramBuffer, Max: datagramBuffer}
	if err := s.SetOption(snd); err != nil {
		return asError(err, "set datagram send buffer")
	}
	rcv := tcpip.ReceiveBufferSizeOption{Min: bufferMin, Default: datagramBuffer, Max: datagramBuffer}
	if err := s.SetOption(rcv); err != nil {
		return asError(err, "set datagram receive buffer")
	}
	for _, proto := range []tcpip.NetworkProtocolNumber{ipv4.ProtocolNumber, ipv6.ProtocolNumber} {
		if err := s.SetForwardingDefaultAndAllNICs(proto, false); err != nil {
			return asError(err, "turn forwarding off")
		}
	}
	s.SetICMPLimit(icmpLimit)
	s.SetICMPBurst(icmpBurst)
	return nil
}

func setTCPOptions(s *netstack.Stack) error {
	sack := tcpip.TCPSACKEnabled(true) // RFC 2018
	// Without RACK and tail loss probes (RFC 8985): over a TUN the round trip is
	// some 20 µs, and a receiver that has to wait for its core looks to them like
	// loss. SACK recovery (RFC 6675) and time-outs remain.
	recovery := tcpip.TCPRecovery(0)
	cubic := tcpip.CongestionControlOption("cubic") // RFC 9438
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	nagle := tcpip.TCPDelayEnabled(false) // the services write whole answers; waiting to fill a segment only delays
	snd := tcpip.TCPSendBufferSizeRangeOption{Min: bufferMin, Default: bufferDefault, Max: bufferMax}
	rcv := tcpip.TCPReceiveBufferSizeRangeOption{Min: bufferMin, Default: bufferDefault, Max: bufferMax}
	// Cookies only once a listener's backlog of half-open connections is full:
	// a connection opened by cookie has no window scaling.
	cookies := tcpip.TCPAlwaysUseSynCookies(false)
	linger := tcpip.TCPLingerTimeoutOption(lingerTimeout)
	timeWait := tcpip.TCPTimeWaitTimeoutOption(timeWaitTimeout)
	retries := tcpip.TCPMaxRetriesOption(maxRetries)
	syns := tcpip.TCPSynRetriesOption(synRetries)

	for _, o := range []struct {
		name  string
		value tcpip.SettableTransportProtocolOption
	}{
		{"SACK", &sack},
		{"loss detection", &recovery},
		{"CUBIC congestion control", &cubic},
		{"receive buffer moderation", &moderate},
		{"Nagle's algorithm", &nagle},
		{"send buffer range", &snd},
		{"receive buffer range", &rcv},
		{"SYN cookies", &cookies},
		{"linger timeout", &linger},
		{"TIME-WAIT timeout", &timeWait},
		{"retries", &retries},
		{"SYN retries", &syns},
	} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o.value); err != nil {
			return asError(err, "set TCP %s", o.name)
		}
	}
	return nil
}

// addNIC creates the NIC, which attaches link to it, and gives it addresses and
// routes. The NIC stays disabled: netstack drops what arrives before enableNIC.
func addNIC(s *netstack.Stack, link netstack.LinkEndpoint, prefixes []netip.Prefix) error {
	if err := s.CreateNICWithOptions(nicID, link, netstack.NICOptions{Disabled: true}); err != nil {
		return asError(err, "create NIC")
	}
	if err := s.SetPromiscuousMode(nicID, false); err != nil {
		return asError(err, "turn promiscuous mode off")
	}
	if err := s.SetSpoofing(nicID, false); err != nil {
		return asError(err, "turn spoofing off")
	}
	var routes []tcpip.Route
	var has4, has6 bool
	for _, p := range prefixes {
		proto := protocolOf(p.Addr())
		peb := netstack.CanBePrimaryEndpoint
		switch {
		case proto == ipv4.ProtocolNumber && !has4:
			has4, peb = true, netstack.FirstPrimaryEndpoint
			routes = append(routes, tcpip.Route{Destination: header.IPv4EmptySubnet, NIC: nicID})
		case proto == ipv6.ProtocolNumber && !has6:
			has6, peb = true, netstack.FirstPrimaryEndpoint
			routes = append(routes, tcpip.Route{Destination: header.IPv6EmptySubnet, NIC: nicID})
		}
		err := s.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
			Protocol: proto,
			AddressWithPrefix: tcpip.AddressWithPrefix{
				Address:   fromAddr(p.Addr()),
				PrefixLen: p.Bits(),
			},
		}, netstack.AddressProperties{PEB: peb})
		if err != nil {
			return asError(err, "add address %s", p)
		}
	}
	s.SetRouteTable(routes)
	return nil
}

func enableNIC(s *netstack.Stack) error {
	return asError(s.EnableNIC(nicID), "enable NIC")
}

// protocolOf is the network protocol that carries a.
func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

func fromAddr(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

func toAddr(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}

func toAddrPort(a tcpip.FullAddress) netip.AddrPort {
	return netip.AddrPortFrom(toAddr(a.Addr), a.Port)
}
