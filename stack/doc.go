// Package stack builds the host itself: gVisor's netstack with addresses of
// its own, tuned on purpose, and a few small services that listen inside it.
//
// A packet's way through this package, where inbound means TUN to netstack and
// outbound the other way:
//
//	inbound ──▶ Config.Link ──▶ NIC ──▶ IPv4, IPv6 ──▶ ICMP answers itself
//	                                        │
//	                                        ├──▶ UDP ──▶ socket ──▶ echo, discard, chargen, iperf3
//	                                        └──▶ TCP ──▶ listener ──▶ echo, discard, chargen, HTTP, iperf3
//	outbound ◀── Config.Link ◀── NIC ◀── route ◀── whatever they answer
//
// New validates the configuration, builds netstack and opens every listener,
// so that all that can be wrong is known before anything is attached. Start
// creates the NIC, which attaches Config.Link, gives it the addresses and the
// routes, and starts the accept loops. Close takes all of it down and waits.
//
// # The host
//
// The host answers whoever asks: a default route for each family that has an
// address leads back through the one NIC, since the kernel on the other side
// decides what it routes here. It does not forward, and it takes no packet for
// an address that is not its own. It is silent until spoken to: no duplicate
// address detection, no router solicitation, no address made up by itself, no
// MLD or IGMP report (the link has exactly one other end and no multicast
// router). netstack.go holds each of these choices and the TCP tuning.
//
// # The services
//
// echo (RFC 862), discard (RFC 863) and chargen (RFC 864) on TCP and UDP, a page
// on TCP port 80 that says what this host is, and a server for iperf3 clients on
// TCP and UDP port 5201, which is package stack/iperf3.
//
// A TCP connection has one goroutine, and stream.go is all it sees of
// netstack. Connections are bounded in number, idle ones are closed, and an
// idle one holds no buffer.
//
// A UDP datagram is answered in the goroutine that delivered it, as netstack
// answers an echo request: datagram.go says why. So that nobody builds a loop
// or an amplifier, echo and chargen ignore source ports below 1024 and
// whatever comes from or goes to anything but a unicast address, and no reply
// is longer than its request. DropReasons names each reason for ignoring or
// refusing; Counters counts them.
//
// # Files
//
//	config.go     Config, About and their validation
//	host.go       Host: New, Start, Close
//	beat.go       whether netstack still finds a packet's way
//	netstack.go   protocols, tuning, NIC, addresses, routes
//	services.go   the table of services
//	serve.go      which of them are open: changing that, and serving
//	listener.go   accepting TCP, bounded
//	sources.go seat.go   how many connections there are, of whom, and who gives way
//	connections.go   which there are, and how they do
//	stream.go     one TCP connection: reads and writes that give up in time
//	datagram.go   one UDP port: what is answered, from which address
//	echo.go discard.go chargen.go http.go page.go   the services themselves
//	iperf3.go iperf3port.go   netstack as package iperf3 sees it: TCP, UDP
//	counters.go drops.go   what is counted and what it means
//	errors.go     netstack's errors as Go errors
//	log.go        netstack's own log lines as logrus entries
package stack
