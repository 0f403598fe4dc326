//go:build unix

package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"netstackd/hooks/wire"
)

// ipPacket wraps data in an IP header with a right checksum.
func ipPacket(from, to netip.Addr, protocol byte, data []byte) []byte {
	if from.Is4() {
		b := slices.Concat([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0}, from.AsSlice(), to.AsSlice(), data)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:20]))
		return b
	}
	b := slices.Concat([]byte{0x60, 0, 0, 0, 0, 0, protocol, 64}, from.AsSlice(), to.AsSlice(), data)
	binary.BigEndian.PutUint16(b[4:], uint16(len(data)))
	return b
}

// echoMessage is an ICMP echo request with a right checksum.
func echoMessage(from, to netip.Addr, seq uint16, data []byte) []byte {
	m := append([]byte{wire.ICMPv4EchoRequest, 0, 0, 0, 0x7e, 0x57, byte(seq >> 8), byte(seq)}, data...)
	sum := wire.Sum(m, 0)
	if from.Is6() {
		m[0] = wire.ICMPv6EchoRequest
		sum = wire.Sum(m, wire.PseudoHeader(from, to, wire.ProtocolICMPv6, len(m)))
	}
	binary.BigEndian.PutUint16(m[2:], ^sum)
	return m
}

func protocolICMP(a netip.Addr) byte {
	if a.Is4() {
		return wire.ProtocolICMPv4
	}
	return wire.ProtocolICMPv6
}

// echoRequest is a whole ping.
func echoRequest(from, to netip.Addr, seq uint16, data []byte) []byte {
	return ipPacket(from, to, protocolICMP(to), echoMessage(from, to, seq, data))
}

// fragment is the part of a message from one byte to before another, as a
// fragment of its own.
func fragment(from, to netip.Addr, message []byte, begin, end int) []byte {
	more := uint16(0)
	if end < len(message) {
		more = 1
	}
	if from.Is4() {
		b := ipPacket(from, to, protocolICMP(to), message[begin:end])
		b[4], b[5] = 0xbe, 0xef
		binary.BigEndian.PutUint16(b[6:], more<<13|uint16(begin/8))
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:20]))
		return b
	}
	header := []byte{protocolICMP(to), 0, 0, 0, 0, 0, 0xbe, 0xef}
	binary.BigEndian.PutUint16(header[2:], uint16(begin)|more)
	return ipPacket(from, to, wire.ProtocolFragment, append(header, message[begin:end]...))
}

// tcp is a segment from a client to a port of the host; its checksum is for
// mend to write.
func tcp(port uint16, flags byte, options ...byte) record {
	b := []byte{0x9c, 0x40, byte(port >> 8), byte(port), 0, 0, 0, 100, 0, 0, 0, 200, byte(5+len(options)/4) << 4, flags, 0xff, 0xff, 0, 0, 0, 0}
	return record{mend: true, bytes: ipPacket(kernel4, own4, wire.ProtocolTCP, append(b, options...))}
}

// udp is a datagram to a port of the host.
func udp(from, to netip.Addr, source, port uint16, data string) record {
	b := []byte{byte(source >> 8), byte(source), byte(port >> 8), byte(port), 0, byte(8 + len(data)), 0, 0}
	return record{mend: true, bytes: ipPacket(from, to, wire.ProtocolUDP, append(b, data...))}
}

// whole makes records of packets that are right as they are.
func whole(packets ...[]byte) []record {
	var rs []record
	for _, b := range packets {
		rs = append(rs, record{bytes: b})
	}
	return rs
}

// pathSeeds are the seeds of FuzzInboundPath, by their names.
func pathSeeds(t *testing.T) map[string][]record {
	sample := func(names ...string) []record {
		var rs []record
		for _, name := range names {
			rs = append(rs, record{bytes: wirePacket(t, name)})
		}
		return rs
	}
	// turned are packets that the host would send, with source and destination
	// in each other's place, which changes no checksum.
	turned := func(names ...string) []record {
		rs := sample(names...)
		for _, r := range rs {
			at, n := 12, 4
			if r.bytes[0]>>4 == 6 {
				at, n = 8, 16
			}
			source := slices.Clone(r.bytes[at : at+n])
			copy(r.bytes[at:], r.bytes[at+n:at+2*n])
			copy(r.bytes[at+n:], source)
		}
		return rs
	}
	const (
		fin, syn, rst, psh, ack, urg = wire.TCPFin, wire.TCPSyn, wire.TCPRst, wire.TCPPsh, wire.TCPAck, wire.TCPUrg
	)
	noise := make([]byte, 200)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	spoiled := wirePacket(t, "echo-request")
	spoiled[22] ^= 0x80

	data := slices.Repeat([]byte("0123456789abcdef"), 8)
	message4, message6 := echoMessage(kernel4, own4, 1, data), echoMessage(kernel6, own6, 1, data)
	// The last length that bare netstack answers, and the first that kills it,
	// in fragments as long as a TUN device takes.
	long := func(n int) []record {
		m := echoMessage(kernel4, own4, 1, make([]byte, n-8))
		return whole(fragment(kernel4, own4, m, 0, 65504), fragment(kernel4, own4, m, 65504, n))
	}
	withOptions := func(b []byte) []byte {
		b = slices.Insert(slices.Clone(b), 20, 7, 7, 4, 0, 0, 0, 0, 0)
		b[0] = 0x47
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		return b
	}
	first, second := fragment(kernel4, own4, message4, 0, 64), fragment(kernel4, own4, message4, 64, len(message4))
	first6, second6 := fragment(kernel6, own6, message6, 0, 64), fragment(kernel6, own6, message6, 64, len(message6))

	extended := func(chain ...byte) []byte {
		return ipPacket(kernel6, own6, chain[0], append(chain[1:], message6...))
	}
	allNodes, broadcast := netip.MustParseAddr("ff02::1"), netip.MustParseAddr("172.16.0.255")

	return map[string][]record{
		"nothing":               nil,
		"echo":                  sample("echo-request"),
		"echo-over-ipv6":        whole(echoRequest(kernel6, own6, 7, data)),
		"echo-bad-checksum":     whole(spoiled),
		"echo-twice":            sample("echo-request", "echo-request"),
		"echo-code-5":           []record{{mend: true, bytes: changed(wirePacket(t, "echo-request"), 21, 5)}},
		"echo-ttl-0":            []record{{mend: true, bytes: changed(wirePacket(t, "echo-request"), 8, 0)}},
		"echo-reserved-flag":    []record{{mend: true, bytes: changed(wirePacket(t, "echo-request"), 6, 0xc0)}},
		"echo-to-broadcast":     whole(echoRequest(kernel4, broadcast, 7, data)),
		"echo-to-all-nodes":     whole(echoRequest(kernel6, allNodes, 7, data)),
		"echo-to-somebody-else": whole(echoRequest(kernel4, kernel4.Next().Next(), 7, data)),
		"echo-from-loopback":    whole(echoRequest(netip.MustParseAddr("127.0.0.1"), own4, 7, data)),
		"echo-from-itself":      whole(echoRequest(own4, own4, 7, data)),
		"echo-from-nowhere":     whole(echoRequest(netip.IPv4Unspecified(), own4, 7, data)),
		"echo-reply":            turned("packets/echo-reply", "packets/echo6-reply"),
		"echo-with-options":     sample("packets/echo-record-route", "packets/echo-timestamp", "packets/echo-source-route"),

		"fragments":                   whole(first, second),
		"fragments-other-order":       whole(second, first),
		"fragments-over-ipv6":         whole(second6, first6),
		"fragment-twice":              whole(first, first, second),
		"fragment-alone":              whole(first),
		"fragment-tiny":               sample("packets/fragment-tiny"),
		"fragment-atomic":             sample("packets/atomic-fragment6"),
		"fragment-not-a-multiple":     whole(fragment(kernel4, own4, message4, 0, 61), fragment(kernel6, own6, message6, 0, 61)),
		"fragments-overlap":           whole(first, fragment(kernel4, own4, message4, 56, len(message4)), second),
		"fragments-overlap-over-ipv6": whole(first6, fragment(kernel6, own6, message6, 56, len(message6)), second6),
		"fragments-longest":           long(65515),
		"fragments-killer":            long(65516),
		"fragments-past-the-end":      whole(fragment(kernel4, own4, make([]byte, 65600), 65520, 65560)),
		"fragments-with-options":      []record{{mend: true, bytes: withOptions(first)}, {mend: true, bytes: withOptions(second)}},

		"tcp-syn":          []record{tcp(7, syn, 2, 4, 5, 180)},
		"tcp-syn-closed":   []record{tcp(81, syn)},
		"tcp-fin":          []record{tcp(7, fin), tcp(81, fin)},
		"tcp-no-flags":     []record{tcp(80, 0), tcp(81, 0)},
		"tcp-all-flags":    []record{tcp(80, fin|syn|rst|psh|ack|urg)},
		"tcp-syn-fin":      []record{tcp(19, syn|fin)},
		"tcp-syn-ack-rst":  []record{tcp(9, syn|ack|rst)},
		"tcp-ack":          []record{tcp(7, ack), tcp(81, ack)},
		"tcp-rst":          []record{tcp(7, syn), tcp(7, rst)},
		"tcp-option-len-0": []record{tcp(7, syn, 2, 0, 0, 0)},
		"tcp-data":         append(sample("packets/tcp-syn", "packets/tcp-data", "packets/tcp-long"), turned("packets/tcp-rst")...),
		"tcp-bad-offset":   []record{{mend: true, bytes: changed(tcp(7, syn).bytes, 32, 0x40)}, {bytes: changed(tcp(7, syn).bytes, 32, 0xf0)}},
		"tcp-bad-checksum": whole(tcp(7, syn).bytes),

		"udp-echo":          []record{udp(kernel4, own4, 40000, 7, "echo"), udp(kernel6, own6, 40000, 7, "echo")},
		"udp-chargen":       []record{udp(kernel4, own4, 40000, 19, "chargen"), udp(kernel4, own4, 40000, 19, "")},
		"udp-discard":       []record{udp(kernel4, own4, 40000, 9, "discard")},
		"udp-low-port":      []record{udp(kernel4, own4, 19, 7, "loop"), udp(kernel6, own6, 7, 19, "loop")},
		"udp-closed":        []record{udp(kernel4, own4, 40000, 40001, "closed"), udp(kernel6, own6, 40000, 40001, "closed")},
		"udp-no-checksum":   sample("packets/udp-no-checksum", "packets/udp6-no-checksum"),
		"udp-bad-length":    []record{{mend: true, bytes: changed(udp(kernel4, own4, 40000, 7, "length").bytes, 25, 7)}, {mend: true, bytes: changed(udp(kernel4, own4, 40000, 7, "length").bytes, 25, 99)}},
		"udp-to-broadcast":  []record{udp(kernel4, broadcast, 40000, 7, "all")},
		"udp-over-ipv6":     sample("packets/udp6"),
		"unknown-protocol":  sample("packets/esp"),
		"icmp-errors":       turned("packets/port-unreachable", "packets/packet-too-big"),
		"icmp-timestamp":    sample("packets/timestamp-request"),
		"icmp-unknown-type": []record{{mend: true, bytes: changed(wirePacket(t, "echo-request"), 20, 99)}},

		"ipv6-extensions": whole(extended(
			0, 60, 0, 1, 4, 0, 0, 0, 0, // hop by hop: padding
			43, 0, 1, 4, 0, 0, 0, 0, // destination options
			58, 0, 4, 0, 0, 0, 0, 0, // routing, none left
		)),
		"ipv6-unknown-option":     whole(extended(60, 58, 0, 0xbe, 4, 0, 0, 0, 0), extended(60, 58, 0, 0x3e, 4, 0, 0, 0, 0)),
		"ipv6-routing":            sample("packets/routing6", "packets/routing6-unknown", "packets/segment-routing6"),
		"ipv6-misplaced":          whole(extended(60, 0, 0, 1, 4, 0, 0, 0, 0, 58, 0, 1, 4, 0, 0, 0, 0)),
		"ipv6-no-next-header":     whole(ipPacket(kernel6, own6, 59, data)),
		"ipv6-extension-too-long": whole(extended(0, 58, 200, 1, 4, 0, 0, 0, 0)),
		"neighbour-discovery":     append(sample("packets/neighbor-solicitation", "packets/router-advertisement", "packets/mld-report"), turned("packets/neighbor-advertisement")...),

		"truncated":     sample("packets/truncated", "packets/truncated6"),
		"trailing":      sample("packets/trailing"),
		"bad-header":    sample("packets/bad-ihl", "packets/bad-option", "packets/bad-header-checksum"),
		"headers-alone": whole(spoiled[:20], wirePacket(t, "packets/udp6")[:40]),
		"short":         whole(spoiled[:1], spoiled[:19], wirePacket(t, "packets/udp6")[:39]),
		"not-ip":        whole(nil, []byte{0}, []byte{0x50}, changed(spoiled, 0, 0xf5)),
		"random":        []record{{bytes: noise}, {mend: true, bytes: changed(noise, 0, 0x45)}, {mend: true, bytes: changed(noise, 0, 0x60)}},
	}
}

// changed returns a copy of b with another value in one byte.
func changed(b []byte, at int, value byte) []byte {
	b = slices.Clone(b)
	b[at] = value
	return b
}
