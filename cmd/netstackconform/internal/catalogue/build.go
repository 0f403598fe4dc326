package catalogue

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// A send makes the packets of a step.
type send = func(x *suite.Exchange) [][]byte

// ask is one question with one answer.
func ask(s send, want suite.Want) []suite.Step {
	return []suite.Step{{Send: s, Want: want}}
}

// one sends one packet.
func one(f func(x *suite.Exchange) []byte) send {
	return func(x *suite.Exchange) [][]byte { return [][]byte{f(x)} }
}

// ping4 sends an echo request with n bytes of data under a header.
func ping4(h byhandtest.IPv4, n int) send {
	return one(func(x *suite.Exchange) []byte { return x.Ping4(h, n) })
}

// ping6 is ping4 over IPv6.
func ping6(h byhandtest.IPv6, n int) send {
	return one(func(x *suite.Exchange) []byte { return x.Ping6(h, n) })
}

// edit changes each packet.
func edit(s send, change func(b []byte)) send {
	return func(x *suite.Exchange) [][]byte {
		packets := s(x)
		for _, b := range packets {
			change(b)
		}
		return packets
	}
}

// header sets bytes of an IPv4 header and completes its checksum.
func header(at int, values ...byte) func(b []byte) {
	return func(b []byte) {
		copy(b[at:], values)
		byhandtest.SetHeaderChecksum(b)
	}
}

// cut sends a packet in fragments, cut at the offsets given, in the order of
// the indices; without any, as they come. The packet is what an error quotes.
func cut(s send, cuts []int, order ...int) send {
	return func(x *suite.Exchange) [][]byte {
		whole := s(x)[0]
		pieces := byhandtest.Split(whole, uint32(x.ID), cuts...)
		if order == nil {
			return pieces
		}
		packets := make([][]byte, 0, len(order))
		for _, i := range order {
			packets = append(packets, slices.Clone(pieces[i]))
		}
		return packets
	}
}

// segment4 sends a segment from the case's port.
func segment4(s byhandtest.TCP) send {
	return one(func(x *suite.Exchange) []byte { return x.TCP4(s) })
}

// segment6 is segment4 over IPv6.
func segment6(s byhandtest.TCP) send {
	return one(func(x *suite.Exchange) []byte { return x.TCP6(s) })
}

// put16 writes a number in network byte order.
func put16(b []byte, at int, n uint16) { binary.BigEndian.PutUint16(b[at:], n) }

// pong is the reply to the only echo request of a step.
func pong() suite.Want { return suite.Reply(suite.EchoReply(0)) }

// zeroLengthSum is the checksum of a UDP datagram over IPv6 whose length field
// is 0, with the pseudo-header's length that of all there is.
func zeroLengthSum(x *suite.Exchange, datagram []byte) uint16 {
	return sum6(x, wire.ProtocolUDP, datagram)
}

// sum6 is the checksum of what a protocol sends from the case to the host.
func sum6(x *suite.Exchange, protocol byte, data []byte) uint16 {
	return sumBetween(x.Peer6, suite.Host6, protocol, data)
}

// sumBetween is the checksum of what goes between two addresses.
func sumBetween(src, dst string, protocol byte, data []byte) uint16 {
	pseudo := append(netip.MustParseAddr(src).AsSlice(), netip.MustParseAddr(dst).AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(data)))
	return byhandtest.Checksum(append(pseudo, 0, 0, 0, protocol), data)
}
