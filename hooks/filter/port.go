package filter

import (
	"encoding/binary"
	"strconv"
)

// A transport is the protocols whose ports a test looks at.
type transport uint8

const (
	anyTransport transport = iota // TCP, UDP and SCTP
	onlyTCP
	onlyUDP
	onlySCTP
)

func (t transport) String() string {
	return [...]string{anyTransport: "", onlyTCP: "tcp ", onlyUDP: "udp ", onlySCTP: "sctp "}[t]
}

func (t transport) has(protocol uint8) bool {
	switch protocol {
	case protoTCP:
		return t == anyTransport || t == onlyTCP
	case protoUDP:
		return t == anyTransport || t == onlyUDP
	case protoSCTP:
		return t == anyTransport || t == onlySCTP
	}
	return false
}

// A portTest tests ports. Over IPv4 a fragment other than the first has none;
// over IPv6 only a packet without extension headers has any.
type portTest struct {
	leaf
	transport transport
	direction direction
	low, high uint16
}

var _ node = portTest{}

func (t portTest) eval(packet []byte) result {
	if len(packet) == 0 {
		return fails
	}
	var at int // offset of the transport header
	switch packet[0] >> 4 {
	case 4:
		if len(packet) <= offProtocol4 {
			return fails
		}
		if !t.transport.has(packet[offProtocol4]) || isLaterFragment(packet) {
			return no
		}
		at = headerLength4(packet)
	case 6:
		if len(packet) <= offNext6 {
			return fails
		}
		if !t.transport.has(packet[offNext6]) {
			return no
		}
		at = header6
	default:
		return no
	}
	return t.direction.ends(func(destination bool) result {
		at := at
		if destination {
			at += 2
		}
		if len(packet) < at+2 {
			return fails
		}
		port := binary.BigEndian.Uint16(packet[at:])
		return verdict(t.low <= port && port <= t.high)
	})
}

// isLaterFragment reports whether the IPv4 packet, of 8 bytes at least, is a
// fragment other than the first.
func isLaterFragment(packet []byte) bool {
	return binary.BigEndian.Uint16(packet[offFragment4:])&0x1fff != 0
}

// headerLength4 returns what the IPv4 packet, of one byte at least, says of the
// length of its header. It may say less than 20.
func headerLength4(packet []byte) int {
	return int(packet[0]&0xf) * 4
}

func (t portTest) String() string {
	text := t.transport.String() + t.direction.String()
	low := strconv.Itoa(int(t.low))
	if t.low == t.high {
		return text + "port " + low
	}
	return text + "portrange " + low + "-" + strconv.Itoa(int(t.high))
}
