// Package filter selects packets with the language of pcap-filter(7), or
// rather with a subset of it that is understood exactly and compiled without
// cgo: [Compile] turns an expression into a [Filter], and [Filter.Match] tests
// a raw IP packet, inbound or outbound, that begins at its IP header. What it
// says is what `tcpdump -y RAW` would select. What is outside the subset is
// refused by a [SyntaxError] that points at the place; nothing is approximated.
//
//	f, err := filter.Compile("icmp or tcp port 80 or 443")
//	…
//	if f.Match(packet) { … }
//
// # The subset
//
// Tests, where [x] may be left out and x|y is a choice:
//
//	[DIR] host ADDR, DIR ADDR           either address, or the one that DIR says
//	[DIR] net NET                       the same, of the addresses of a network
//	[TRANSPORT] [DIR] port PORT         a port of TCP, UDP or SCTP
//	[TRANSPORT] [DIR] portrange N-M     ports from N to M, in either order
//	ip, ip6                             the version
//	icmp, igmp, vrrp                    the protocol, over IPv4
//	icmp6                               the protocol, over IPv6
//	tcp, udp, sctp, ah, esp, pim        the protocol, over both
//	[ip|ip6] proto PROTOCOL             any protocol, over one of them or both
//	ip multicast, ip6 multicast         the destination is 224.0.0.0 or above, or ff00::/8
//	less N, greater N                   length at most N, at least N
//	VALUE RELATION VALUE                a comparison of unsigned 32-bit numbers
//
//	DIR        src, dst, src or dst, src and dst (or dst first); none is src or dst
//	TRANSPORT  tcp, udp, sctp
//	ADDR       192.0.2.1, 2001:db8::1; ip or ip6 may stand before DIR and host
//	NET        192.0.2.0/24, 10, 172.16, 192.0.2, 10.0.0.0 mask 255.0.0.0, 2001:db8::/32
//	PORT       a number, or echo, discard, daytime, chargen, ftp-data, ftp, ssh,
//	           telnet, smtp, domain, bootps, bootpc, tftp, http, pop3, ntp, imap,
//	           snmp, bgp, https, mdns
//	PROTOCOL   a number, or hopopt, ipencap, dccp, ipv6, ipv6-route, ipv6-frag, rsvp,
//	           gre, ipv6-icmp, ipv6-nonxt, ipv6-opts, eigrp, ospf, ipip, ipcomp, l2tp,
//	           udplite, \icmp, \igmp, \tcp, \udp, \esp, \ah, \pim, \vrrp, \sctp
//	VALUE      N, len (or length), ACCESSOR, -VALUE, (VALUE), VALUE OPERATOR VALUE
//	ACCESSOR   P[VALUE] or P[VALUE:SIZE], P one of ip, ip6, icmp, icmp6, igmp, tcp,
//	           udp, sctp, pim, vrrp, SIZE 1, 2 or 4 bytes
//	OPERATOR   + - * / % & | ^ << >>
//	RELATION   = == != < <= > >=
//	N          decimal, 0x hexadecimal, 0 octal, or one of icmptype, icmpcode,
//	           icmp-echo and the other ICMP types, icmp6type, icmp6code, icmp6-echo
//	           and the other ICMPv6 types, tcpflags, tcp-syn and the other flags
//
// Tests are joined by "and" (&&), "or" (||) and "not" (!), with parentheses.
// "not" binds tightest. "and" and "or" have EQUAL precedence and associate to
// the left: `icmp or tcp and port 80` is `(icmp or tcp) and port 80`. Ask
// [Filter.String] how an expression was understood.
//
// An address, network, port or protocol without qualifiers takes those before
// it: `tcp port 80 or 443`, `not host 192.0.2.1 and 192.0.2.2`, `src net (10 or
// 172.16)`.
//
// # What it means
//
// The meaning is libpcap's (1.10), also where that surprises:
//
//   - A test that needs a byte past the packet's end makes the whole filter not
//     match, also under "not". What was decided before is not read.
//   - Ports are there in an IPv4 packet that is no fragment or the first one,
//     and in an IPv6 packet without any extension header.
//   - Protocols over IPv6 are tested in the fixed header, or behind a fragment
//     header that follows it; no other header is stepped over.
//   - tcp[…] and all the others, but for ip, ip6 and icmp6, are of IPv4 alone,
//     of a packet that is no fragment or the first one. icmp6[…] is of packets
//     in which ICMPv6 follows the fixed header. Of any other packet a
//     comparison is false, with != too.
//   - Where accessors of two protocols meet in one value, only that of the
//     leftmost is tested for.
//   - Arithmetic is modulo 2^32; a division by 0 makes the whole filter not
//     match, a shift by 32 and more gives 0. From loose to tight, | then & then
//     << >> then + - then * /; between % or ^ and any operator the right one of
//     the two is applied first.
//   - "3-1" is one word; write "3 - 1".
//   - host 10 is 0.0.0.10, net 10 is 10.0.0.0/8, host 172.16 is net 172.16.
//   - A port name stands for its number with its transport, which for http,
//     say, is TCP.
//
// It is the meaning of the program that libpcap makes without its optimizer
// (tcpdump -O). The optimizer may drop a load that would have failed, and so
// select some truncated packets that Match does not.
//
// # What is refused
//
// All that asks for a link layer, an encapsulation, or for what the bytes do not
// tell (ether, arp, vlan, mpls, pppoes, geneve, wlan, llc, gateway, inbound,
// outbound, ifindex, broadcast, multicast alone, …); names of hosts and
// networks, since nothing is looked up; protochain, byte, igrp, carp; names in
// a portrange; a constant division by 0 or shift by more than 31; a protocol
// number above 255; and what nests more than 100 deep.
//
// # Tour
//
//   - filter.go: [Compile], [Filter]. syntax_error.go: [SyntaxError].
//   - token.go: the scanner. words.go: what is a keyword, and why some are
//     refused. names.go: names of numbers, protocols and ports.
//   - parser.go, qualifiers.go, arithmetic.go: the parser, for tests and what
//     joins them, for what qualifies an address or port, for values.
//   - node.go: the tree that Match evaluates, with "and", "or" and "not";
//     protocol.go, address.go, port.go: its tests; value.go: arithmetic and
//     comparisons.
//
// It rests on the standard library alone. Of the libraries without cgo,
// packetcap/go-pcap assumes Ethernet and takes an accessor for match-all,
// golang.org/x/net/bpf assembles and runs BPF but does not parse, and
// pgaskin/go-pcap-filter is libpcap itself, translated by way of WebAssembly:
// all of the language, but its errors do not say where.
package filter
